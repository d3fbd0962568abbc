from typing import Any

import click
import pytest
from click.testing import CliRunner

from estimator.commands.switching.routes_options import (
    OF_ASSUMPTIONS,
    OF_GATEWAY,
    assumption_options,
    gateway_options,
    read_assumed,
)
from estimator.errors import Problem
from estimator.migration.coverage.assumptions import Assumed


def parse(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    @click.command()
    @gateway_options
    @assumption_options
    def command(**options: Any) -> None:
        found.update(options)

    CliRunner().invoke(command, arguments, catch_exceptions=False)
    return found


def test_names_are_those_of_the_options() -> None:
    assert set(parse()) == {*OF_GATEWAY, *OF_ASSUMPTIONS}


def test_assumptions_are_read() -> None:
    problems: list[Problem] = []
    options = parse("--header", "X-User: 7", "--header", "b:", "--authority", "a.example")
    assert read_assumed(options, problems) == Assumed({"x-user": "7", "b": ""}, "a.example", None)
    assert problems == []


@pytest.mark.parametrize("words", ["x-user", ": 7", " :7"])
def test_a_header_has_a_name_and_a_value(words: str) -> None:
    problems: list[Problem] = []
    read_assumed(parse("--header", words), problems)
    (problem,) = problems
    assert problem.source == "--header" and repr(words) in problem.rule

"""Checks the tables that are made from the program, and that every command is in them."""

import re
import sys
from pathlib import Path

import click
import pytest

from tests.golden.reference import (
    PAGES,
    ROOT,
    commands,
    exit_codes_of,
    key_tables,
    keys,
    with_tables,
)

HOW = "make it anew: .venv/bin/python -m tests.golden.reference"
COMMANDS = dict(commands())
LISTED = (ROOT / "docs" / "commands.md").read_text()
every_command = pytest.mark.parametrize("words", COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_tables_are_those_of_the_program(page: Path) -> None:
    text = page.read_text()
    assert text.count("<!-- end -->") == 1
    assert with_tables(text) == text, HOW


def test_every_key_is_in_one_table() -> None:
    rows = [row for _, _, rows in key_tables() for row in rows]
    assert len(rows) > 60
    assert sorted(rows) == sorted(line for line in keys().splitlines() if line.startswith("| `"))


def test_a_stale_table_is_replaced() -> None:
    assert "| stale |" not in with_tables("<!-- keys -->\n| stale |\n<!-- end -->\n")


@every_command
def test_every_command_is_listed(words: str) -> None:
    assert re.search(rf"(?m)^\| `{words}[ `]", LISTED)


@every_command
def test_every_command_says_how_it_ends(words: str) -> None:
    group = words.rpartition(" ")[0]
    command = COMMANDS[words]
    if isinstance(command, click.Group) and not command.invoke_without_command:
        return
    codes = exit_codes_of(command) or exit_codes_of(COMMANDS[group])
    assert {0, 2} <= set(codes)
    assert codes.keys() >= constants_of(command)


def constants_of(command: click.Command) -> set[int]:
    """Return the exit codes that the module of a command names, without those of signals."""
    assert command.callback is not None
    module = vars(sys.modules[command.callback.__module__])
    return {value for name, value in module.items() if name.startswith("EXIT_") and value < 128}

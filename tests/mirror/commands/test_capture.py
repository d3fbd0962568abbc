"""Checks the output and exit codes of `mirror capture`."""

import pytest
from click.testing import CliRunner

from mirror.__main__ import main
from tests.fakes_admin import admin_port


def capture(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["capture", *arguments])
    return done.exit_code, done.output


def test_on_says_until_when() -> None:
    with admin_port(200, b'{"path": "c", "until": 1767193199}') as (port, asked):
        code, output = capture("on", "--for", "10m", "--admin", f"127.0.0.1:{port}")
    assert (code, output) == (0, "recording to c until 2025-12-31T14:59:59+00:00\n")
    assert asked == [("/capture", b'{"for_s": 600.0}')]


def test_off() -> None:
    with admin_port(200, b'{"path": "c", "until": 0}') as (port, asked):
        code, output = capture("off", "--admin", f"127.0.0.1:{port}")
    assert (code, output) == (0, "no longer recording to c\n")
    assert asked == [("/capture", b'{"for_s": 0}')]


@pytest.mark.parametrize("arguments", [(), ("--for", "soon"), ("--for", "0")])
def test_on_needs_a_span(arguments: tuple[str, ...]) -> None:
    assert capture("on", *arguments)[0] == 2

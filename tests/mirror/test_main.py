"""Checks that every command is found by its name, and that only that command is imported."""

import subprocess
import sys

import pytest
from click import Context
from click.testing import CliRunner

from mirror.__main__ import COMMANDS, main

# Modules that take memory and serve no request: the libraries of other commands and `estimate`.
NOT_FOR_SERVING = {
    "jinja2",
    "numpy",
    "pandas",
    "psutil",
    "pyarrow",
    "requests",
    "rich",
    "scipy",
    "urllib3",
    "uvloop",  # only workers need it, because the supervisor does nothing per request
    "zstandard",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_command_is_found_by_its_name(name: str) -> None:
    command = main.get_command(Context(main), name)
    assert command is not None and command.name == name


def test_help_lists_every_command() -> None:
    shown = CliRunner().invoke(main, ["--help"])
    assert shown.exit_code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in shown.output


def test_unknown_command_is_refused() -> None:
    refused = CliRunner().invoke(main, ["sevre"])
    assert refused.exit_code == 2
    assert "No such command 'sevre'" in refused.output


def test_serving_imports_only_what_serving_needs() -> None:
    program = "import sys; from mirror.__main__ import main; main.get_command(None, 'serve')"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not NOT_FOR_SERVING & set(done.stdout.split())

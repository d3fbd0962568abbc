"""Checks the README: that it stays short, and that its links and commands exist."""

import re
import shlex
from pathlib import Path

import click
import pytest

from tests.golden.reference import commands

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
MOST_LINES = 120
PROGRAMS = dict(commands())
SHOWN = [
    line
    for page in ("README.md", "docs/configuration.md")
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(), re.S)
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith(("mirror ", "estimate "))
]


def test_the_readme_is_short() -> None:
    assert len(TEXT.splitlines()) <= MOST_LINES


def test_the_readme_shows_both_commands() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for name in ("demo", "test"):
        assert f"make {name} " in TEXT and f"\n{name}:" in makefile


def test_every_link_leads_to_a_heading_of_a_file() -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#([^)]+))?\)", TEXT)
    assert len(links) > 20
    for path, heading in links:
        assert (ROOT / path).exists(), path
        if heading:
            titles = re.findall(r"(?m)^#+ (.+)$", (ROOT / path).read_text())
            slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert heading in slugs, (path, heading)


@pytest.mark.parametrize("line", SHOWN)
def test_the_options_of_a_shown_command_exist(line: str) -> None:
    for part in line.split(" && "):
        words = shlex.split(part, comments=True)
        name = words.pop(0)
        while words and f"{name} {words[0]}" in PROGRAMS:
            name += f" {words.pop(0)}"
        command = PROGRAMS[name]
        command.make_parser(click.Context(command)).parse_args(words)


def test_an_option_that_does_not_exist_is_found() -> None:
    command = PROGRAMS["mirror serve"]
    with pytest.raises(click.NoSuchOption):
        command.make_parser(click.Context(command)).parse_args(["--port", "1"])

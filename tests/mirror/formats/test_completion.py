"""Checks what a shell offers: what the command knows, or else file names."""

import pytest
from click.testing import CliRunner

from mirror.__main__ import main


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("mirror st", ["plain,status"]),
        ("mirror check --form", ["plain,--format"]),
        ("mirror check --format j", ["plain,json"]),
        ("mirror serve -c mir", ["file,mir"]),
        ("mirror check --nginx /etc/n", ["file,/etc/n"]),
        ("mirror inspect cap", ["file,cap"]),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_file_names_are_offered_where_nothing_else_is(
    words: str, offered: list[str], shell: str
) -> None:
    *before, last = words.split(" ")
    cursor = last if shell == "fish" else str(len(before))
    environment = {
        "COMP_WORDS": words,
        "COMP_CWORD": cursor,
        "_MIRROR_COMPLETE": f"{shell}_complete",
    }
    result = CliRunner().invoke(main, prog_name="mirror", env=environment)
    assert [line.partition("\t")[0] for line in result.stdout.splitlines()] == offered


def test_zsh_gets_a_kind_a_name_and_a_description() -> None:
    words = {"COMP_WORDS": "mirror inspect cap", "COMP_CWORD": "2"}
    environment = words | {"_MIRROR_COMPLETE": "zsh_complete"}
    result = CliRunner().invoke(main, prog_name="mirror", env=environment)
    assert result.stdout.splitlines() == ["file", "cap", "_"]

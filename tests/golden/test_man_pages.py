"""Checks the man pages: complete, and without a warning of the program that shows them."""

import shutil
import subprocess
from pathlib import Path

import click
import pytest

from tests.golden.man_pages import page, pages, write
from tests.golden.reference import commands


@pytest.mark.parametrize(("words", "command"), list(commands()))
def test_a_page_has_every_option(words: str, command: click.Command) -> None:
    text = page(words, command)
    assert text.startswith(".TH ") and ".SH NAME\n" in text
    for parameter in command.params:
        is_shown = isinstance(parameter, click.Option) and not parameter.hidden
        for option in parameter.opts if is_shown else ():
            assert option.replace("-", "\\-") in text
    assert "\b" not in text


def test_blocks_of_the_help_have_the_usual_headings() -> None:
    text = dict(pages())["mirror-serve.1"]
    examples, codes = text.index('.SH "EXAMPLES"'), text.index('.SH "EXIT STATUS"\n.nf\n')
    assert codes < examples < text.index(".SH OPTIONS") < text.index(".BR mirror (1)")
    assert "  0  drained and stopped\n" in text


def test_what_roff_would_obey_is_text() -> None:
    command = click.Command("odd", help=".so /etc/passwd\n'tis a \\fBtrap")
    assert "\\&.so /etc/passwd\n\\&'tis a \\efBtrap\n" in page("odd", command)


def test_groff_has_no_warning(tmp_path: Path) -> None:
    if shutil.which("groff") is None:
        pytest.skip("no groff here: apt-get install groff-base")
    write(tmp_path)
    files = sorted((tmp_path / "man1").iterdir())
    assert len(files) == len(dict(commands())) > 25
    check = ["groff", "-man", "-ww", "-z", "-Kutf8", "-Tutf8"]
    checked = subprocess.run([*check, *files], capture_output=True, text=True, check=True)
    assert checked.stderr == ""
    files[0].write_text(files[0].read_text() + ".nosuchmacro\n")
    checked = subprocess.run([*check, files[0]], capture_output=True, text=True, check=True)
    assert "nosuchmacro" in checked.stderr

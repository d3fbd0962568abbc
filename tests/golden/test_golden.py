"""The reports of docs/example are what stands here, and docs/estimate.md quotes them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.golden.make import GOLDEN, GUIDE, commands, make_outputs, with_quotes

HOW = "if the change is meant: .venv/bin/python -m tests.golden.make, and read the diff"
NAMES = sorted(
    str(path.relative_to(GOLDEN))
    for path in GOLDEN.rglob("*")
    if path.is_file() and path.suffix not in (".py", ".pyc") and path.name != "README.md"
)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    yield make_outputs(tmp_path_factory.mktemp("example"))


def test_every_report_has_its_golden_file(outputs: dict[str, str]) -> None:
    assert sorted(outputs) == NAMES, HOW


@pytest.mark.parametrize("name", NAMES)
def test_a_report_is_as_it_was(outputs: dict[str, str], name: str) -> None:
    assert outputs[name] == (GOLDEN / name).read_text(), HOW


def test_the_guide_quotes_what_comes_out(outputs: dict[str, str]) -> None:
    guide = GUIDE.read_text()
    assert with_quotes(guide, outputs) == guide, HOW
    assert guide.count("<!-- ") >= 5


def test_every_number_in_the_guides_sentences_is_in_its_reports(outputs: dict[str, str]) -> None:
    """Numbers set in bold are results."""
    everything = "\n".join(outputs.values())
    bold = re.findall(r"\*\*([\d][^*]*)\*\*", GUIDE.read_text())
    assert len(bold) >= 2
    for words in bold:
        assert words in everything, words


def test_the_guide_has_commands_for_every_kind_of_answer() -> None:
    options = {word for arguments, _ in commands() for word in arguments}
    assert {"--html", "--manifests", "--against", "--explain", "--format", "--nodes"} <= options
    assert {code for _, code in commands()} == {0, 2, 5}


def test_example_files_are_told_of(outputs: dict[str, str]) -> None:
    for path in Path(GUIDE).parent.joinpath("example").iterdir():
        assert path.name in GUIDE.read_text()

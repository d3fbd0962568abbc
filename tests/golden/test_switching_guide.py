"""Compares the outputs that docs/switching.md quotes with what its commands print."""

from pathlib import Path

from tests.golden.switching_guide import EXAMPLE, GUIDE, copy_example, with_outputs

HOW = "if the change is meant: .venv/bin/python -m tests.golden.switching_guide, and read the diff"


def test_the_guide_quotes_what_comes_out(tmp_path: Path) -> None:
    copy_example(tmp_path)
    guide = GUIDE.read_text()
    assert with_outputs(guide, tmp_path) == guide, HOW
    assert guide.count("<!-- output") >= 3


def test_a_changed_output_is_found(tmp_path: Path) -> None:
    copy_example(tmp_path)
    guide = "```sh\nestimate --version\n```\n\n<!-- output -->\n```text\nold\n```\n"
    assert "old" not in with_outputs(guide, tmp_path)


def test_every_file_of_the_example_is_in_the_guide() -> None:
    for path in EXAMPLE.iterdir():
        assert path.name in GUIDE.read_text()

"""Compares the outputs that the guides quote with what their commands print."""

from pathlib import Path

import pytest

from tests.golden.guides import GUIDES, Guide, with_outputs

HOW = "if the change is meant: .venv/bin/python -m tests.golden.guides, and read the diff"
every_guide = pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.path.stem)


@every_guide
def test_the_guide_quotes_what_comes_out(guide: Guide, tmp_path: Path) -> None:
    guide.copy_example(tmp_path)
    text = guide.path.read_text()
    assert with_outputs(text, guide, tmp_path) == text, HOW
    assert text.count("<!-- output") >= 3


@every_guide
def test_a_changed_output_is_found(guide: Guide, tmp_path: Path) -> None:
    text = f"```sh\n{guide.program} --version\n```\n\n<!-- output -->\n```text\nold\n```\n"
    assert "old" not in with_outputs(text, guide, tmp_path)


@every_guide
def test_every_file_of_the_example_is_in_the_guide(guide: Guide) -> None:
    for path in guide.example.iterdir():
        assert path.name in guide.path.read_text()

"""Checks what the demo shows of its two answers, and how it fails without them."""

from pathlib import Path

import pytest

from mirror.demo import pages
from mirror.demo.pages import COMPARISON, MOST_SUMMARY_LINES, Folder, first_lines
from mirror.demo.processes import ChildFailed
from tests.golden.test_golden import GOLDEN


def test_an_earlier_answer_is_removed_and_other_files_stay(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "new" / "folder")
    folder.prepare()
    for name in (COMPARISON, "notes.txt"):
        (folder.path / name).write_text("old")
    folder.prepare()
    assert [path.name for path in folder.path.iterdir()] == ["notes.txt"]


def test_a_summary_ends_before_what_the_page_explains() -> None:
    summary = (GOLDEN / "report.txt").read_text()
    lines = first_lines(summary)
    assert lines[0].startswith("  Peak") and any("Needed at the peak" in line for line in lines)
    assert "target utilisation" in summary and "target utilisation" not in "".join(lines)
    assert "" not in lines and len(lines) < MOST_SUMMARY_LINES


def test_a_long_summary_is_cut_and_says_so() -> None:
    lines = first_lines("line\n" * (MOST_SUMMARY_LINES + 1))
    assert len(lines) == MOST_SUMMARY_LINES
    assert lines[-1] == "  ... the page has the rest"


def test_an_answer_that_does_not_come_is_shown() -> None:
    with pytest.raises(ChildFailed, match=r"json\.tool ended with exit code 2:\nusage"):
        pages._output(["json.tool", "--no-such-option"], (0, 1))

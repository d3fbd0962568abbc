from pathlib import Path

import pytest

from estimator.report.files import write_set, write_whole


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    write_whole(path, "new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half \ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_report_is_readable_by_colleagues(tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.write_text("")
    write_whole(tmp_path / "report", "")
    assert (tmp_path / "report").stat().st_mode == ordinary.stat().st_mode


def test_a_set_makes_its_directory(tmp_path: Path) -> None:
    write_set(tmp_path / "a" / "b", {"x.yaml": "1\n", "y.yaml": "2\n"})
    assert {path.name for path in (tmp_path / "a" / "b").iterdir()} == {"x.yaml", "y.yaml"}

from pathlib import Path

import pytest

from estimator.errors import InputError
from estimator.text_files import read_text, write_set, write_whole


def test_text_is_read_without_mark_and_with_its_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\n")
    assert read_text(path) == "a\r\nb\n"


@pytest.mark.parametrize(
    ("name", "rule"),
    [("none", "no such file"), ("", "is no regular file"), ("binary", "cannot be read: ")],
)
def test_unreadable_file_is_named(tmp_path: Path, name: str, rule: str) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x01")
    path = tmp_path / name
    with pytest.raises(InputError) as caught:
        read_text(path)
    assert str(caught.value).startswith(f"{path}: {rule}")


def test_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    write_whole(path, "new\n")
    assert path.read_bytes() == b"new\n"
    assert list(tmp_path.iterdir()) == [path]


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half \ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_refused_write_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    for path in (tmp_path / "none" / "a.yaml", tmp_path / "directory"):
        with pytest.raises(InputError, match=f"{path}: cannot be written: "):
            write_whole(path, "text")
    assert [path.name for path in tmp_path.iterdir()] == ["directory"]


def test_written_file_obeys_the_umask(tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    write_whole(tmp_path / "report", "")
    assert (tmp_path / "report").stat().st_mode == ordinary.stat().st_mode


def test_set_creates_its_directory(tmp_path: Path) -> None:
    write_set(tmp_path / "a" / "b", {"x.yaml": "1\n", "y.yaml": "2\n"})
    assert {path.name for path in (tmp_path / "a" / "b").iterdir()} == {"x.yaml", "y.yaml"}
    with pytest.raises(InputError, match="x.yaml: cannot be written: "):
        write_set(tmp_path / "a" / "b" / "x.yaml", {})

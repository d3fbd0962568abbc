"""Checks that every line of a log is read once, however the log is rotated."""

import os
from pathlib import Path

import pytest

from mirror.comparison.followed_file import (
    MOST_BEHIND_BYTES,
    MOST_BYTES_A_TICK,
    MOST_LINES_A_TICK,
    FollowedFile,
)
from mirror.comparison.log_lines import LONGEST_LINE_BYTES


class Log:
    """A log and its follower; `lines` are those that came."""

    def __init__(self, folder: Path, before: str | None = "old\n") -> None:
        self.path = folder / "access.log"
        if before is not None:
            self.path.write_text(before)
        self.lines: list[bytes] = []
        self.follower = FollowedFile(str(self.path))
        self.follower.start(self.lines.append)
        self.now = 0.0

    def write(self, text: str, path: Path | None = None) -> None:
        with (path or self.path).open("a") as file:
            file.write(text)

    def tick(self, later_s: float = 0.25) -> int:
        self.now += later_s
        return self.follower.tick(self.now)

    def came(self) -> list[bytes]:
        """Return the lines that came since the last call, in two ticks."""
        self.tick()
        self.tick()
        lines, self.lines[:] = self.lines[:], []
        return lines


def test_reading_begins_at_the_end(tmp_path: Path) -> None:
    log = Log(tmp_path)
    assert log.came() == []
    log.write("a\nb\n")
    assert log.came() == [b"a", b"b"]


def test_a_half_line_waits_for_its_end(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write("a\nhal")
    assert log.came() == [b"a"]
    log.write("f")
    assert log.came() == []
    log.write("\nb\n")
    assert log.came() == [b"half", b"b"]


def test_a_line_whose_beginning_was_not_read_is_left_out(tmp_path: Path) -> None:
    log = Log(tmp_path, before="the begin")
    log.write("ning\na\n")
    assert log.came() == [b"a"]


def test_a_file_that_appears_later_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = Log(tmp_path, before=None)
    assert log.follower.problem == "No such file or directory"
    log.write("a\n")
    assert log.came() == [b"a"]
    assert log.follower.problem == ""


def test_a_renamed_file_is_read_to_its_end_and_then_the_new_one(tmp_path: Path) -> None:
    log = Log(tmp_path)
    old = tmp_path / "access.log.1"
    log.write("a\n")
    log.path.rename(old)
    log.write("b\n", old)
    assert log.came() == [b"a", b"b"]  # nginx has not opened the new one
    log.write("c\n")
    log.write("late\n", old)
    assert log.came() == [b"late"]
    log.write("d\n")
    log.tick(1.0)
    assert log.came() == [b"c", b"d"]
    log.write("e\n")
    log.write("nobody reads this\n", old)
    assert log.came() == [b"e"]


@pytest.mark.parametrize("new", ["b\n", "b\n" + "c\n" * 2000], ids=["shorter", "longer"])
def test_a_file_that_is_cut_in_place_is_read_from_its_beginning(tmp_path: Path, new: str) -> None:
    log = Log(tmp_path)
    log.write("a line that is longer than the next\n")
    assert len(log.came()) == 1
    os.truncate(log.path, 0)
    log.write(new)
    assert log.came() == new.encode().split()
    log.write("z\n")
    assert log.came() == [b"z"]


def test_a_file_that_is_cut_before_the_first_read_is_noticed(tmp_path: Path) -> None:
    log = Log(tmp_path, before="a line that nobody reads\n")
    os.truncate(log.path, 0)
    log.write("a\n")
    assert log.came() == [b"a"]


def test_a_tick_is_bounded_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write("x\n" * (MOST_LINES_A_TICK + 7))
    assert log.tick() == 7
    assert len(log.lines) == MOST_LINES_A_TICK


def test_who_is_far_behind_skips_to_the_newest(tmp_path: Path) -> None:
    log = Log(tmp_path)
    line = "y" * 249 + "\n"
    log.write(line)
    assert len(log.came()) == 1
    size = log.path.stat().st_size
    os.truncate(log.path, size + MOST_BEHIND_BYTES)  # a hole in place of many lines
    log.write(f"\n{line}")
    assert log.tick() == (MOST_BEHIND_BYTES - MOST_BYTES_A_TICK + len(line)) // len(line)
    assert log.came()[-1] == line.encode().rstrip()


def test_a_line_that_is_too_long_is_left_out(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write("a\n" + "x" * (LONGEST_LINE_BYTES + 1))
    assert log.tick() == 1
    log.write("x" * LONGEST_LINE_BYTES)
    assert log.tick() == 0
    log.write("x\nb\n")
    assert log.tick() == 0
    assert log.lines == [b"a", b"b"]


def test_what_is_no_regular_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "access.log").mkdir()
    log = Log(tmp_path, before=None)
    assert log.tick() == 0
    assert log.follower.problem == "it is no regular file"
    log.path.rmdir()
    os.mkfifo(log.path)
    log.tick()
    assert log.follower.problem == "it is no regular file"

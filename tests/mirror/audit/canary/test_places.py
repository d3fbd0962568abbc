"""Checks that a log is followed from its end on, through rotation."""

import os
from pathlib import Path

import pytest

from mirror.audit.canary import places as module
from mirror.audit.canary.places import MOST_FOUND, FollowedLog, FoundLine
from mirror.errors import InputError

ID = "0123456789abcdef0123456789abcdef"
LINE = f"what holds {ID} is a line\n"


def followed(*patterns: str) -> FollowedLog:
    log = FollowedLog("--access-log", patterns)
    log.start()
    return log


def number(log: FollowedLog) -> int:
    log.look([ID])
    return len(log.lines(ID))


def test_only_new_whole_lines_count(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text(LINE)
    log = followed(str(path))
    assert number(log) == 0
    with path.open("a") as file:
        file.write("another line\n" + LINE[:20])
        file.flush()
        assert number(log) == 0
        file.write(LINE[20:])
    assert number(log) == 1
    assert number(log) == 1
    assert log.lines(ID) == [FoundLine(str(path), None)]


def test_a_rotated_log_is_followed_in_both_files(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text(LINE * 3)
    log = followed(str(tmp_path / "a.log*"))
    with path.open("a") as file:
        path.rename(tmp_path / "a.log.1")
        path.write_text(LINE)
        file.write(LINE)
    assert number(log) == 2


def test_standard_input_is_read_without_waiting() -> None:
    reading, writing = os.pipe()
    log = FollowedLog("--gateway-log", ("-",), stdin=reading)
    log.start()
    assert number(log) == 0
    os.write(writing, (LINE + LINE[:5]).encode())
    assert number(log) == 1 and not log.has_ended
    os.write(writing, LINE[5:].encode())
    os.close(writing)
    assert number(log) == 2 and log.has_ended
    assert log.lines(ID)[0].file == "standard input"
    os.close(reading)


def test_a_truncated_log_begins_again(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("an old line that is longer\n" * 9)
    log = followed(str(path))
    path.write_text(LINE)
    assert number(log) == 1


def test_the_mark_of_a_line_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.touch()
    log = followed(str(path))
    start = f'{{"time":"1795600000.5","method":"GET","uri":"/?mirror-canary={ID}"'
    path.write_text(f'{start},"mirror_leg":"shadow"}}\n{start},"mirror_leg":""}}\n{start}}}\n')
    log.look([ID])
    assert [line.mark for line in log.lines(ID)] == ["shadow", "", None]


def test_a_look_and_what_is_kept_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.log"
    path.touch()
    log = followed(str(path))
    path.write_text(LINE * 100)
    monkeypatch.setattr(module, "MOST_LOOK_BYTES", len(LINE) * 3)
    assert [number(log), number(log)] == [3, 6]
    monkeypatch.undo()
    assert number(log) == MOST_FOUND


def test_a_name_without_a_file_is_refused_and_packed_files_are_left_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--access-log .*b.log: no such file"):
        followed(str(tmp_path / "b.log"))
    (tmp_path / "b.log.gz").write_bytes(b"")
    assert number(followed(str(tmp_path / "b.log*"))) == 0

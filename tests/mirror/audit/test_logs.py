"""Checks which files a log consists of, and what becomes of each line."""

import os
from pathlib import Path

import pytest

from mirror.audit import logs as module
from mirror.audit.lines import Line
from mirror.audit.logs import Log, files_if_any, files_of, read_log
from mirror.audit.window import Window
from mirror.errors import InputError
from mirror.formats.access_log.line_reader import LineReader

WINDOW = Window(1795600000, 1795600060)
LINE = '1.1.1.%d - - [25/Nov/2026:09:46:40 +0000] "GET /%d HTTP/1.1" 200 5 "-" "-"\n'


def read(path: Path) -> tuple[Log, list[Line]]:
    log = Log("--access-log", files_of((str(path),), "--access-log"))
    found: list[Line] = []
    read_log(log, LineReader(), WINDOW, lambda line, file: found.append(line))
    return log, found


def test_a_file_that_two_names_lead_to_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.log").touch()
    os.link(tmp_path / "a.log", tmp_path / "b.log")
    (tmp_path / "c.log").touch()
    names = (str(tmp_path / "*.log"), str(tmp_path / "a.log"), "-", "-")
    assert files_of(names, "--x") == [str(tmp_path / "a.log"), str(tmp_path / "c.log"), "-"]


def test_a_name_with_brackets_is_no_glob_where_it_exists(tmp_path: Path) -> None:
    (tmp_path / "[a].log").touch()
    assert files_of((str(tmp_path / "[a].log"),), "--x") == [str(tmp_path / "[a].log")]


def test_a_glob_without_files_and_too_many_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="--x .*nothing: no such file"):
        files_of((str(tmp_path / "nothing*")[:-1],), "--x")
    for name in "abc":
        (tmp_path / name).touch()
    monkeypatch.setattr(module, "MOST_FILES", 2)
    with pytest.raises(InputError, match="more than 2 files"):
        files_of((str(tmp_path / "*"),), "--x")


@pytest.mark.parametrize("name", ["gateway.log", "none/*.log", "wrong*.log", "*/gateway.log"])
def test_a_log_without_files_is_no_mistake_in_an_empty_folder_only(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    patterns = (str(tmp_path / name),)
    (tmp_path / "other.log").touch()
    with pytest.raises(InputError, match=r"--x .*: no such file; a log .* before the switch"):
        files_if_any(patterns, "--x")
    (tmp_path / "other.log").unlink()
    if name in ("wrong*.log", "*/gateway.log"):
        assert files_if_any(patterns, "--x") == ([], list(patterns))
        monkeypatch.chdir(tmp_path)
        assert files_if_any((name,), "--x") == ([], [name])
    else:
        with pytest.raises(InputError, match="no such file"):
            files_if_any(patterns, "--x")


def test_every_line_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("".join(LINE % (at, at) for at in range(3)) + "\nno line\n" + LINE % (4, 4))
    log, found = read(path)
    assert [line.target for line in found] == ["/0", "/1", "/2", "/4"]
    assert (log.tally.lines, log.requests, log.inexact) == (5, 4, 4)
    assert log.tally.shown == [f'{path}:5: neither a JSON object nor a line with [time] "request"']
    assert log.first_s == log.last_s == 1795600000


def test_a_line_that_is_being_written_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text(LINE % (1, 1) + (LINE % (2, 2))[:40])
    log, found = read(path)
    assert len(found) == 1 and not log.tally.lost and log.tally.others.total() == 1
    path.write_text(LINE % (1, 1) + (LINE % (2, 2)).rstrip())
    assert len(read(path)[1]) == 2


def test_blocks_far_from_the_window_are_skipped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.formats.access_log.blocks.BLOCK_BYTES", 200)
    path = tmp_path / "a.log"
    hours = [hour for hour in (7, 9, 11) for _ in range(30)]
    lines = [
        (LINE % (at % 256, at)).replace("09:46", f"{hour:02}:46") for at, hour in enumerate(hours)
    ]
    path.write_text("".join(lines) + "no line\n")
    log, found = read(path)
    targets = {line.target for line in found}
    assert {f"/{at}" for at in range(30, 60)} <= targets
    assert log.skipped >= 50 and log.skipped + log.tally.lines == 91
    assert log.tally.shown[0].startswith(f"{path}:91: ")


def test_line_numbers_go_on_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirror.formats.access_log.blocks.BLOCK_BYTES", 100)
    path = tmp_path / "a.log"
    path.write_text("".join(LINE % (at, at) for at in range(20)) + "no line\n")
    log, found = read(path)
    assert len(found) == 20
    assert log.tally.shown[0].startswith(f"{path}:21: ")


def test_progress_names_the_file_and_counts_its_lines(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(LINE % (1, 1) * 20_000)  # more than one block
    (tmp_path / "b.log").write_text(LINE % (1, 1))
    texts: list[str] = []
    log = Log("--access-log", files_of((str(tmp_path / "*.log"),), "--access-log"))
    read_log(log, LineReader(), WINDOW, lambda line, file: None, texts.append)
    block = (1 << 20) // len(LINE % (1, 1))
    assert texts == [
        f"--access-log {tmp_path}/a.log (file 1 of 2): 0 lines",
        f"--access-log {tmp_path}/a.log (file 1 of 2): {block:,} lines",
        f"--access-log {tmp_path}/b.log (file 2 of 2): 0 lines",
    ]

"""Checks that segments are rotated and bounded, and never end with an incomplete frame."""

import errno
import os
import resource
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.capture.segments import Segments
from mirror.config_sections import CaptureSection
from mirror.formats.capture.reader import SUFFIX, read_headers, read_records
from mirror.formats.capture.record import Record, encode


class Clock:
    def __init__(self) -> None:
        self.now = 1_767_225_600.0

    def __call__(self) -> float:
        return self.now


OPENED: list[Segments] = []


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def segments(folder: Path, clock: Clock, **keys: float) -> Segments:
    section = CaptureSection(path=str(folder), **keys)  # type: ignore[arg-type]
    OPENED.append(Segments(section, "a/b", clock))
    return OPENED[-1]


def line(second: float, padding: bytes = b"") -> bytes:
    return encode(Record(second, "POST", "a", "/", (), padding))


def files_in(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}"))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    written = segments(folder, Clock())
    written.write(line(1) + line(2), 1)
    written.write(line(3), 3)
    assert [record.time_s for record in read_records(folder)] == [1, 2, 3]
    (path,) = files_in(folder)
    assert path.name.startswith("20260101T000000.000000Z-a_b-")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_first_line_says_what_is_redacted(tmp_path: Path) -> None:
    names = {"headers": ("X-User",), "query_keys": ("u",), "key_file": "key"}
    section = CaptureSection(path=str(tmp_path), **names)  # type: ignore[arg-type]
    written = Segments(section, "a", Clock())
    written.write(line(1), 1)
    written.close()
    (header,) = read_headers(tmp_path)
    assert (header.redacted_headers, header.redacted_query_keys) == (("X-User",), ("u",))
    assert header.has_hashes


def test_rotated_by_time_and_by_size(tmp_path: Path) -> None:
    clock = Clock()
    written = segments(tmp_path, clock, segment_seconds=10, segment_bytes=2000)
    for step_s, files in [(0, 1), (9, 1), (2, 2), (-5, 3)]:  # the last one: the clock jumped
        clock.now += step_s
        written.write(line(clock.now), clock.now)
        assert len(files_in(tmp_path)) == files
    written.write(line(clock.now, os.urandom(2000)), clock.now)
    clock.now += 1
    written.write(line(clock.now), clock.now)
    assert len(files_in(tmp_path)) == 4
    assert len(list(read_records(tmp_path))) == 6


def test_old_segments_go(tmp_path: Path) -> None:
    clock = Clock()
    written = segments(tmp_path, clock, segment_bytes=1000, keep_bytes=5000, keep_days=1)
    for number in range(20):
        clock.now += 1
        written.write(line(number, os.urandom(1000)), number)
        os.utime(files_in(tmp_path)[-1], (clock.now, clock.now))
    sizes = [path.stat().st_size for path in files_in(tmp_path)]
    assert 1000 < sum(sizes) <= 5000
    assert [record.time_s for record in read_records(tmp_path)][-1] == 19
    clock.now += 2 * 86400
    written.write(line(99), 99)
    assert len(files_in(tmp_path)) == 1


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("kept")
    os.utime(tmp_path / "notes", (0, 0))
    segments(tmp_path, Clock()).write(line(1), 1)
    assert (tmp_path / "notes").read_text() == "kept"


def test_full_disk_leaves_whole_frames(tmp_path: Path) -> None:
    """Uses a limit on the file size, which cuts a write in the same way as a full disk."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    clock = Clock()
    written = segments(tmp_path, clock)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limit[1]))
        written.write(line(1), 1)
        with pytest.raises(OSError) as error:
            written.write(line(2, os.urandom(8000)), 2)
        assert error.value.errno == errno.EFBIG
        assert [record.time_s for record in read_records(tmp_path)] == [1]
        with pytest.raises(OSError):
            written.write(line(3, os.urandom(8000)), 3)
        assert len(files_in(tmp_path)) == 1, "an empty file was left behind"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    clock.now += 1
    written.write(line(4), 4)
    assert [record.time_s for record in read_records(tmp_path)] == [1, 4]

"""Checks that captures are read completely, or that errors name the place of the damage."""

import gzip
import os
import tracemalloc
from pathlib import Path

import pytest
import zstandard

from mirror.errors import InputError
from mirror.formats.capture.reader import (
    MOST_LOSSES,
    SUFFIX,
    read_headers,
    read_lines,
    read_records,
)
from mirror.formats.capture.record import (
    MAX_LINE_BYTES,
    NotACapture,
    Record,
    Summary,
    encode,
    encode_header,
    encode_summary,
)


def record(second: float) -> Record:
    return Record(second, "GET", "a.example", f"/{second:g}", (("accept", "*/*"),))


def frame(*records: Record, header: bytes = b"") -> bytes:
    packing = zstandard.ZstdCompressor(write_checksum=True)
    return packing.compress(header + b"".join(map(encode, records)))


def segment(*seconds: float, begin: float | None = None) -> bytes:
    """Return a segment with one frame per record, as after a flush each second."""
    first = begin if begin is not None else seconds[0]
    frames = [frame(record(second)) for second in seconds[1:]]
    return b"".join([frame(record(seconds[0]), header=encode_header(first)), *frames])


def seconds_in(path: Path, on_loss: list[str] | None = None) -> list[float]:
    report = None if on_loss is None else on_loss.append
    return [record.time_s for record in read_records(path, report)]


def failure(path: Path) -> str:
    with pytest.raises(InputError) as error:
        list(read_records(path))
    return str(error.value)


def test_plain_and_packed_say_the_same(tmp_path: Path) -> None:
    lines = encode_header() + encode(record(1)) + encode(record(2))
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_bytes(lines)
    packed.write_bytes(zstandard.compress(lines))
    assert list(read_records(plain)) == list(read_records(packed)) == [record(1), record(2)]


def test_segments_are_merged_by_time(tmp_path: Path) -> None:
    (tmp_path / f"one{SUFFIX}").write_bytes(segment(1, 4, 5, 9))
    (tmp_path / f"two{SUFFIX}").write_bytes(segment(2, 3, 8))
    (tmp_path / f"three{SUFFIX}").write_bytes(segment(10, 11))
    (tmp_path / "other").write_text("not ours")
    assert seconds_in(tmp_path) == [1, 2, 3, 4, 5, 8, 9, 10, 11]


def test_the_first_lines_are_read_alone(tmp_path: Path) -> None:
    (tmp_path / f"one{SUFFIX}").write_bytes(segment(1, 4))
    (tmp_path / f"two{SUFFIX}").write_bytes(segment(2))
    (tmp_path / f"bad{SUFFIX}").write_bytes(b"\x28\xb5\x2f\xfdbad")
    assert [header.begin for header in read_headers(tmp_path)] == [1, 2]
    assert [header.begin for header in read_headers(tmp_path / f"two{SUFFIX}")] == [2]
    with pytest.raises(NotACapture):
        read_headers(tmp_path / f"bad{SUFFIX}")


def test_a_segment_is_opened_when_its_time_comes(tmp_path: Path) -> None:
    (tmp_path / f"early{SUFFIX}").write_bytes(segment(1, 2))
    late = tmp_path / f"late{SUFFIX}"
    late.write_bytes(segment(10))
    records = read_records(tmp_path)
    assert next(records).time_s == 1
    late.write_bytes(segment(10, 12))
    assert [record.time_s for record in records] == [2, 10, 12]


def test_summaries_add_up(tmp_path: Path) -> None:
    line = encode_summary(Summary(1, 2, {"disk": 3}))
    (tmp_path / "list").write_bytes(encode_header() + line + encode(record(1)) + line)
    summary = Summary()
    assert len(list(read_records(tmp_path / "list", None, summary))) == 1
    assert summary == Summary(2, 4, {"disk": 6})


def test_cut_anywhere_loses_the_end_only(tmp_path: Path) -> None:
    whole = segment(1, 2, 3)
    ends = [len(segment(1)), len(segment(1, 2)), len(whole)]
    path = tmp_path / "cut"
    for size in range(ends[0], len(whole)):
        path.write_bytes(whole[:size])
        losses: list[str] = []
        readable = sum(end <= size for end in ends)
        found = seconds_in(path, losses)
        assert found == [1, 2, 3][: len(found)]
        assert len(found) >= readable
        assert bool(losses) == (size not in ends)
        if losses:
            begin = max(end for end in ends if end <= size)
            assert f"{path}: byte {begin}: " in failure(path)
            assert "--salvage" in failure(path)


def test_a_flipped_bit_loses_its_frame_only(tmp_path: Path) -> None:
    whole = segment(1, 2, 3)
    begin, end = len(segment(1)), len(segment(1, 2))
    path = tmp_path / "flipped"
    for at in range(begin, end):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        path.write_bytes(damaged)
        losses: list[str] = []
        found = seconds_in(path, losses)
        assert found in ([1, 3], [1, 2, 3])  # a flipped bit of a frame header may have no effect
        if found == [1, 3]:
            assert losses and f"byte {begin}: " in losses[0]
            assert f"byte {begin}: " in failure(path)


def test_damage_at_the_start_is_survived(tmp_path: Path) -> None:
    damaged = bytearray(segment(1, 2, 3))
    damaged[20] ^= 0xFF
    path = tmp_path / f"a{SUFFIX}"
    path.write_bytes(damaged)
    for what in (path, tmp_path):
        losses: list[str] = []
        # The line after the lost header is in the header's place.
        assert seconds_in(what, losses) in ([3], [2, 3])
        assert losses


def test_bad_lines_are_left_out_where_losses_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(encode_header() + b'{"t":1}\n' + encode(record(1)))
    losses: list[str] = []
    assert seconds_in(path, losses) == [1]
    assert losses == [f"{path}:2: method: is required and missing"]
    assert failure(path) == losses[0]


def test_foreign_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(b"x"))
    assert failure(path) == f"{path}: is packed by gzip: unpack it first"
    path.write_bytes(b"127.0.0.1 - - [31/Dec/2025")
    assert "not a capture (`mirror import` makes one of a log)" in failure(path)
    path.write_bytes(b'{"format":"kagami-capture","version":2}\n')
    assert "expected 1, got 2" in failure(path)
    with pytest.raises(InputError, match="expected 1, got 2"):
        list(read_records(path, lambda what: None))
    path.write_bytes(b"")
    assert "is empty" in failure(path)
    assert "no such file" in failure(tmp_path / "none")
    (tmp_path / "folder").mkdir()
    assert "is a directory without segments" in failure(tmp_path / "folder")


def test_memory_stays_flat(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(zstandard.compress(encode_header() + b" " * (16 * MAX_LINE_BYTES)))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="more than"):
            for _ in read_lines(path):
                pass
        assert tracemalloc.get_traced_memory()[1] < 8 * MAX_LINE_BYTES
    finally:
        tracemalloc.stop()


def test_an_endless_frame_is_refused_with_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    for endless in (b"\n" * (1 << 20), bytes(1 << 20)):
        # Blocks of one byte, repeated: 4 bytes for 128 KiB.
        path.write_bytes(segment(1) + zstandard.ZstdCompressor().compress(endless * 100) * 5)
        with pytest.raises(InputError, match="which is the limit|a line has more than"):
            list(read_records(path, lambda loss: None))
    path.write_bytes(zstandard.ZstdCompressor().compress(b"{}\n" * (1 << 20)) * 30)
    with pytest.raises(InputError, match="64 MiB and 40 times its size, which is the limit"):
        list(read_lines(path))


def test_losses_are_limited(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(encode_header() + b"x\n" * (MOST_LOSSES + 5))
    losses: list[str] = []
    with pytest.raises(InputError, match="10,000 places cannot be read, which is the limit"):
        list(read_records(path, losses.append))
    assert len(losses) == MOST_LOSSES


def test_a_fifo_is_no_capture(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert failure(tmp_path / "fifo") == f"{tmp_path / 'fifo'}: is no regular file"

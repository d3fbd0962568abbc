"""Checks the order by time, including sorting on disk."""

import os
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.capture import sorter as module
from mirror.capture.entries import Entry
from mirror.capture.sorter import Sorter
from mirror.formats.capture.record import Record, decode, encode_header


def in_order(times: list[tuple[float, bool]], run_bytes: int = 1 << 20) -> list[Record]:
    sorter = Sorter(None, run_bytes)
    try:
        for place, (time_s, is_whole) in enumerate(times):
            sorter.add(Entry(Record(time_s, "GET", "a", f"/{place}"), is_whole))
        return records_of(sorter)
    finally:
        sorter.close()


def records_of(sorter: Sorter) -> list[Record]:
    records: list[Record] = []
    for first_s, last_s, lines in sorter.lines():
        chunk = list(decode([encode_header(), *lines.splitlines(keepends=True)], "sorted"))
        assert (chunk[0].time_s, chunk[-1].time_s) == (first_s, last_s)
        records += chunk
    return records


def test_whole_seconds_are_spread() -> None:
    records = in_order([(7, True), (7, True), (8, True), (7, True), (7, True)])
    assert [record.time_s for record in records] == [7, 7.25, 7.5, 7.75, 8]
    assert [record.target for record in records] == ["/0", "/1", "/3", "/4", "/2"]


def test_fractions_are_left_alone() -> None:
    records = in_order([(7.5, False), (7.5, False), (7.25, False), (7, True)])
    assert [record.time_s for record in records] == [7, 7.25, 7.5, 7.5]
    assert [record.target for record in records] == ["/3", "/2", "/0", "/1"]


TIMES = st.lists(st.tuples(st.integers(0, 4_000_000).map(lambda us: us / 1e6), st.just(False)))


@settings(max_examples=30)
@given(TIMES, st.lists(st.tuples(st.integers(0, 4).map(float), st.just(True))))
def test_runs_on_disk_change_nothing(
    fractions: list[tuple[float, bool]], wholes: list[tuple[float, bool]]
) -> None:
    times = fractions + wholes
    records = in_order(times)
    assert in_order(times, run_bytes=400) == records
    assert in_order_of_two(times) == records
    assert [record.time_s for record in records] == sorted(record.time_s for record in records)
    assert len(records) == len(times)


def in_order_of_two(times: list[tuple[float, bool]]) -> list[Record]:
    """Sort as two processes do, each with a half, and a third that writes."""
    middle = len(times) // 2
    with tempfile.TemporaryDirectory() as folder, closing(Sorter(None)) as sorter:
        for first, part in ((0, times[:middle]), (middle, times[middle:])):
            half = Sorter(folder, 400, first, is_shared=True)
            for place, (time_s, is_whole) in enumerate(part, start=first):
                half.add(Entry(Record(time_s, "GET", "a", f"/{place}"), is_whole))
            sorter.adopt(half.given_up())
        assert os.listdir(folder) == []
        assert sorter.number == len(times)
        return records_of(sorter)


def test_lines_are_added_as_they_are_written() -> None:
    with closing(Sorter(None)) as sorter:
        sorter.add_lines(7, [b',"a"}\n', b',"b"}\n'])
        sorter.add_line(7_250_000, b',"c"}\n')
        sorter.add_exact_lines([7_250_000, 7_125_000], [b',"d"}\n', b',"e"}\n'])
        (chunk,) = sorter.lines()
    written = [(7, b"a"), (7.125, b"e"), (7.25, b"c"), (7.25, b"d"), (7.5, b"b")]
    assert chunk == (7, 7.5, b"".join(b'{"t":%.6f,"%b"}\n' % line for line in written))


def test_a_second_of_many_lines_is_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_ENTRIES", 8)
    with closing(Sorter(None, run_bytes=2000)) as sorter:
        for number in range(100):
            sorter.add_lines(7, [b',"%d"}\n' % number])
        chunks = list(sorter.lines())
    assert max(lines.count(b"\n") for _, _, lines in chunks) == 8
    written = b"".join(lines for _, _, lines in chunks).splitlines()
    assert written == [b'{"t":7.%06d,"%d"}' % (n * 10_000, n) for n in range(100)]


def test_many_runs_are_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_RUNS", 3)
    times = [(float(second), False) for second in range(50, 0, -1)]
    before = len(os.listdir("/proc/self/fd"))
    assert [record.time_s for record in in_order(times, run_bytes=1)] == list(range(1, 51))
    assert len(os.listdir("/proc/self/fd")) == before


def test_runs_of_several_chunks_are_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_ENTRIES", 4)
    times = [(float(number * 37 % 101), False) for number in range(101)]
    assert [record.time_s for record in in_order(times, run_bytes=4000)] == list(range(101))


def test_runs_leave_no_file(tmp_path: Path) -> None:
    sorter = Sorter(str(tmp_path), run_bytes=1)
    sorter.add(Entry(Record(1, "GET", "a", "/")))
    assert len(list(sorter.lines())) == 1
    sorter.close()
    assert os.listdir(tmp_path) == []

"""Checks the order by time, including sorting on disk."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.capture import entries as module
from mirror.capture.entries import Entry, Sorter
from mirror.core.record import Record, decode, encode_header
from mirror.errors import InputError


def in_order(times: list[tuple[float, bool]], run_bytes: int = 1 << 20) -> list[Record]:
    sorter = Sorter(None, run_bytes)
    try:
        for place, (time_s, is_whole) in enumerate(times):
            sorter.add(Entry(Record(time_s, "GET", "a", f"/{place}"), is_whole))
        lines = list(sorter.lines())
    finally:
        sorter.close()
    records = list(decode([encode_header(), *(line for _, line in lines)], "sorted"))
    assert [record.time_s for record in records] == [time_s for time_s, _ in lines]
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
    assert [record.time_s for record in records] == sorted(record.time_s for record in records)
    assert len(records) == len(times)


def test_many_runs_are_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_RUNS", 3)
    times = [(float(second), False) for second in range(50, 0, -1)]
    before = len(os.listdir("/proc/self/fd"))
    assert [record.time_s for record in in_order(times, run_bytes=1)] == list(range(1, 51))
    assert len(os.listdir("/proc/self/fd")) == before


def test_runs_leave_no_file(tmp_path: Path) -> None:
    sorter = Sorter(str(tmp_path), run_bytes=1)
    sorter.add(Entry(Record(1, "GET", "a", "/")))
    assert len(list(sorter.lines())) == 1
    sorter.close()
    assert os.listdir(tmp_path) == []


def test_requests_of_one_second_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OF_A_SECOND", 2)
    assert len(in_order([(1.5, False), (1.5, True), (2, False)])) == 3
    with pytest.raises(InputError, match="more than 2 requests in second 1, the limit"):
        in_order([(1.5, False), (1.5, True), (1, False)])

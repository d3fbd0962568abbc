"""Checks that ids are grouped, whatever their number and order."""

import random

import pytest

from mirror.audit import ids as module
from mirror.audit.ids import GATEWAY, PRODUCTION, Entry, IdStore
from mirror.errors import InputError


@pytest.mark.parametrize("piece_bytes", [64, 1 << 15])
def test_entries_come_back_by_id_and_time(
    monkeypatch: pytest.MonkeyPatch, piece_bytes: int
) -> None:
    monkeypatch.setattr(module, "_PIECE_BYTES", piece_bytes)
    monkeypatch.setattr(module, "_HELD_BYTES", 256)  # beyond, a real file takes them
    chance = random.Random(1)
    names = [chance.randbytes(16) for _ in range(300)]
    entries = [Entry(name, at, at, 1, 0, 0, 200) for at in range(3) for name in names]
    chance.shuffle(entries)
    with IdStore() as store:
        for entry in entries:
            store.add(entry)
        groups = list(store.groups())
    assert sorted(group[0].request_id for group in groups) == sorted(names)
    assert all([entry.time_s for entry in group] == [0, 1, 2] for group in groups)
    assert store.numbers == [300, 300, 300, 0]


def test_what_is_kept_comes_back_unchanged() -> None:
    entry = Entry(bytes(range(16)), 1795600000.25, GATEWAY, 7, 3, 255, 404)
    with IdStore() as store:
        store.add(entry)
        assert list(store.groups()) == [[entry]]


def test_ids_that_are_not_spread_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PARTITION_BYTES", 1 << 16)
    with IdStore() as store, pytest.raises(InputError, match="which is the limit"):
        for _ in range(10_000):
            store.add(Entry(bytes(16), 1.0, PRODUCTION, 1, 0, 0, 200))

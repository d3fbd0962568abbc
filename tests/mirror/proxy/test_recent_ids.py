"""Checks that repeated ids are recognised by one worker and by several at once."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from mirror.proxy import recent_ids
from mirror.proxy.recent_ids import WAYS, WINDOW_S, RecentIds, create_table, set_sharers

WORKERS = 4
IDS = 20_000

# Each process records the same ids in the same order as fast as it can, and prints the new ones.
RACER = """
import json, sys, time
from mirror.proxy.recent_ids import RecentIds
ids = RecentIds(int(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
new = [n for n in range(int(sys.argv[2])) if not ids.add(b"%032x" % n, time.monotonic())]
print(json.dumps(new))
"""


@pytest.fixture(params=[1, 2], ids=["alone", "shared"])
def ids(request: pytest.FixtureRequest) -> Iterator[RecentIds]:
    descriptor = create_table()
    set_sharers(descriptor, request.param)
    table = RecentIds(descriptor)
    yield table
    table.close()


def test_an_id_is_new_once(ids: RecentIds) -> None:
    assert [ids.add(name, 100.0) for name in (b"a", b"b", b"a", b"b", b"c")] == [
        False,
        False,
        True,
        True,
        False,
    ]


def test_a_repeat_after_the_window_is_new_again(ids: RecentIds) -> None:
    assert not ids.add(b"a", 100.0)
    assert ids.add(b"a", 100.0 + WINDOW_S)
    assert not ids.add(b"a", 100.1 + WINDOW_S)
    assert ids.add(b"a", 100.2 + WINDOW_S)


def test_a_full_bucket_forgets_its_oldest(ids: RecentIds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_ids, "BUCKETS", 1)
    for number in range(WAYS + 1):
        assert not ids.add(b"%d" % number, 100.0 + number / 1000)
    assert not ids.add(b"0", 100.1)
    assert ids.add(b"%d" % WAYS, 100.1)


def test_workers_share_one_table() -> None:
    descriptor = create_table()
    views = [RecentIds(os.dup(descriptor)) for _ in range(2)]
    assert not views[0].add(b"a", 100.0)
    assert views[1].add(b"a", 100.0)
    for view in views:
        view.close()
    os.close(descriptor)


def race() -> list[list[int]]:
    """Run the racing processes; return the ids that were new to each of them."""
    descriptor = create_table()
    command = [sys.executable, "-P", "-c", RACER, str(descriptor), str(IDS)]
    racers = [
        subprocess.Popen(
            command,
            pass_fds=[descriptor],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(WORKERS)
    ]
    os.close(descriptor)
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    return [json.loads(racer.communicate(timeout=60)[0]) for racer in racers]


def test_workers_that_race_agree_on_who_was_first() -> None:
    for _ in range(5):
        new = race()
        assert sorted(number for numbers in new for number in numbers) == list(range(IDS))
        if sum(map(bool, new)) > 1:
            return
    pytest.fail("in no race did two of them meet")

"""Checks that steps of the wall clock, and a stop, lose no request but those of marked seconds.

libfaketime sets the wall clock of the sidecar and of its workers, and leaves the monotonic clock
and every timeout alone. The sender keeps the real time.
"""

import bisect
import contextlib
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from mirror.demo.processes import answers
from mirror.demo.sidecar import Sidecar, serve_command, write_config
from mirror.formats.series_db import SCHEMA
from tests.topology.conftest import Topology, series_total, wait_for

pytestmark = pytest.mark.topology

RPS = 50
REQUEST = b"GET /watch/1 HTTP/1.1\r\nHost: h\r\n\r\n"
HOUR_S, DAY_S = 3600, 86400
OFFSETS_S = (-3, 0, 300, 0, HOUR_S, 0, -20, DAY_S, 0, -120)
"""What the clock of the sidecar is set to, relative to the real time, one after the other."""
STAY_S = 2.2
STOP_S = 12.0
BEFORE, REQUESTS_BEFORE = 300, 7
"""The seconds that an earlier sidecar has written, and the requests in each."""


class Clock:
    """The wall clock of programs that run in `environment`."""

    def __init__(self, directory: Path) -> None:
        libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
        if not libraries:
            pytest.skip("no libfaketime here: apt-get install libfaketime")
        self._file = directory / "clock"
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(libraries[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "NO_FAKE_STAT": "1",
        }

    def set(self, offset_s: int) -> None:
        """Set the clock this far from the real time, at once for all programs."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset_s:+d}\n")
        new.rename(self._file)


class Sender:
    """Sends requests to the sidecar one after the other at a constant rate."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.sent_at: list[float] = []
        """Unix time of each request that was answered."""

    def _send(self) -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2 * STOP_S)
            connection.connect(str(self._path))
            while not self._is_over.wait(1 / RPS):
                now = time.time()
                connection.sendall(REQUEST)
                assert connection.recv(4096).startswith(b"HTTP/1.1 204")
                self.sent_at.append(now)

    @contextmanager
    def sending(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            self._thread.join()

    def between(self, first_s: float, last_s: float) -> int:
        """Return the number of requests between two Unix times."""
        return bisect.bisect(self.sent_at, last_s) - bisect.bisect(self.sent_at, first_s)

    def most_in_a_second(self) -> int:
        """Return the largest number of requests that can have arrived in any one second.

        One of them may have been sent before it: the next is only sent when it is answered.
        """
        return 1 + max(self.between(at - 1e-6, at + 1.0) for at in self.sent_at)


def serve(topology: Topology, environment: dict[str, str]) -> Sidecar:
    config = topology.config("sink", workers=2)
    command = serve_command(write_config(topology.directory, config))
    child = topology.processes.start("mirror", command, environment=environment)
    port = topology.ports["admin"]
    child.wait_until(lambda: answers(port, "/readyz", status=200))
    return Sidecar(child, port)


def read(topology: Topology, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{topology.series}?mode=ro", uri=True)) as series:
        return series.execute(query).fetchall()


def observed(topology: Topology) -> list[int]:
    return [second for (second,) in read(topology, "SELECT second FROM seconds ORDER BY second")]


def count_in(seconds: list[int], first: float, last: float) -> int:
    return sum(first <= second <= last for second in seconds)


def write_series(path: Path, first: int, last: int) -> None:
    """Write what an earlier sidecar would have left."""
    with closing(sqlite3.connect(path)) as series, series:
        series.executescript(SCHEMA)
        for second in range(first, last + 1):
            values = (second, "requests", "/watch/_id_", "safe", REQUESTS_BEFORE)
            series.execute("INSERT INTO counts VALUES (?, ?, ?, ?, ?)", values)
            series.execute("INSERT INTO seconds VALUES (?)", (second,))


def test_steps_of_the_clock_lose_only_what_is_marked(topology: Topology) -> None:
    clock = Clock(topology.directory)
    start = int(time.time())
    write_series(topology.series, start - BEFORE, start - 1)
    sidecar = serve(topology, clock.environment)
    sender = Sender(topology.socket_path)
    set_at: list[float] = []
    with sender.sending():
        time.sleep(2 * STAY_S)
        for offset_s in OFFSETS_S:
            set_at.append(time.time())
            clock.set(offset_s)
            time.sleep(STAY_S)
            began = time.monotonic()
            assert sidecar.status()["clock"]["last"]["at"] - int(set_at[-1]) - offset_s in range(3)
            assert time.monotonic() - began < 1.0, "it did an hour's work in one turn"
        set_at.append(time.time())
    sent = len(sender.sent_at)
    ledger = sidecar.settled_ledger()
    assert (ledger["seen"], ledger["balanced"]) == (sent, True)
    status = sidecar.status()
    assert status["clock"]["steps"] == {"forward": 4, "backward": 6}
    assert status["sinks"]["series"]["dropped"] == 0
    assert sidecar.child.stop() == 0
    log = sidecar.child.log_path.read_text()
    assert log.count("the clock stepped") == len(OFFSETS_S)
    assert "the clock stepped 120.0 s back" in log

    most = sender.most_in_a_second()
    query = "SELECT second, sum(value) FROM counts WHERE metric = 'requests' GROUP BY second"
    counts = dict(read(topology, query))
    assert max(counts.values()) <= most
    before = [counts.pop(second) for second in range(start - BEFORE, start)]
    assert before == [REQUESTS_BEFORE] * BEFORE
    # Every second behind the real time was there before. It begins in the second after a step and
    # ends in that of the next one.
    behind = [n for n, offset_s in enumerate(OFFSETS_S) if offset_s < 0]
    least = sum(sender.between(set_at[n] + 1.5, set_at[n + 1]) for n in behind)
    highest = sum(sender.between(set_at[n], set_at[n + 1] + 1.5) for n in behind[:-1])
    highest += sender.between(set_at[behind[-1]], time.time())
    assert least <= sent - sum(counts.values()) <= highest
    assert wait_for(lambda: topology.agent.counted("mirror.requests") == sent)
    assert topology.agent.counted("mirror.clock.steps") == len(OFFSETS_S)
    assert topology.agent.counted("mirror.incomplete_seconds") >= 2

    seconds = observed(topology)
    assert len(set(range(start - BEFORE, start)) - set(seconds)) >= 2, "they are marked"
    for n, offset_s in enumerate(OFFSETS_S):
        if offset_s > 0:
            at = int(set_at[n]) + offset_s
            assert count_in(seconds, at - 100, at) == 0, "the time between is a gap"
            assert count_in(seconds, at + 1, at + STAY_S + 1) >= 1


@pytest.mark.parametrize("offset_s", [-20, DAY_S])
def test_sigterm_after_a_step_keeps_what_was_counted(topology: Topology, offset_s: int) -> None:
    clock = Clock(topology.directory)
    sidecar = serve(topology, clock.environment)
    sender = Sender(topology.socket_path)
    with sender.sending():
        time.sleep(1.5)
    clock.set(offset_s)
    sidecar.child.send_signal(signal.SIGTERM)
    assert sidecar.child.wait(5.0) == 0
    assert series_total(topology.series) == len(sender.sent_at)


def test_a_sidecar_that_was_stopped_leaves_a_gap(topology: Topology) -> None:
    sidecar = serve(topology, {})
    pids = [sidecar.child.pid, *(worker["pid"] for worker in sidecar.status()["workers"])]
    sender = Sender(topology.socket_path)
    with sender.sending():
        time.sleep(2.5)
        stopped_at = time.time()
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(STOP_S)
        finally:
            went_on_at = time.time()
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        time.sleep(3.5)
    assert sidecar.child.stop() == 0
    seconds = observed(topology)
    assert count_in(seconds, int(stopped_at), int(went_on_at)) == 0
    assert count_in(seconds, stopped_at - 3, stopped_at - 1) >= 1
    assert count_in(seconds, went_on_at, went_on_at + 4) >= 2
    assert series_total(topology.series) == len(sender.sent_at)
    agent = topology.agent
    assert wait_for(lambda: agent.counted("mirror.incomplete_seconds") >= int(STOP_S))

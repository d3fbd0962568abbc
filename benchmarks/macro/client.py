"""A minimal open-loop client: each request is due at a fixed instant, whatever happened before.

Latency is the time from the instant at which a request was due to the end of its response. It
includes waiting for a free connection or for this program, so there is no coordinated omission; wrk
and hey measure from the time of sending. The report also states how late this program was. The
connections take turns, so that all of them are used.

A request fails if its status is not 200, if its connection is refused or breaks, or if no response
arrives within `PATIENCE_S` after the end of the schedule. It is never retried. Latencies cover all
requests: an unanswered request counts with the time that it waited.

`mirror replay` does the same, but it marks its requests so that a sidecar does not mirror them, and
each request takes much more CPU. At the rates of interest it would fill the core that it shares
with both upstreams. This client therefore has one thread, one epoll and responses of known length.

Run: python -m benchmarks.macro.client PORT CONNECTIONS SECONDS RATE
     (prints a line when it has connected, and JSON at the end)
"""

import argparse
import gc
import json
import math
import re
import select
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter, deque
from typing import Self

from benchmarks.macro.cores import CORE_OF_CLIENT, before_others
from benchmarks.macro.ways import BODY, TARGET

REQUEST = f"GET {TARGET} HTTP/1.1\r\nHost: bench.example\r\n\r\n".encode()
OK = b"HTTP/1.1 200 "
LENGTH = f"ength: {len(BODY)}\r\n".encode()
PATIENCE_S = 3.0
CONNECT_TIMEOUT_S = 1.0
STOP_TIMEOUT_S = 60.0


class Client:
    """Connections to one port, each with at most one request in flight."""

    def __init__(self, port: int, connections: int) -> None:
        self._port = port
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._idle: deque[socket.socket | None] = deque(self._open() for _ in range(connections))
        """The idle connections; None is one that opens when its turn comes."""
        self._due_at: dict[int, float] = {}
        self._received: dict[int, bytes] = {}
        self.latencies_s: list[float] = []
        self.lags_s: list[float] = []
        self.failures: Counter[str] = Counter()
        """The number of failed requests by status, or `refused`, `reset`, `unanswered`."""

    def run(self, rate_rps: float, seconds: float) -> None:
        """Send rate × seconds requests on schedule; return when no more responses are expected."""
        clock, idle = time.perf_counter, self._idle
        total, sent = int(rate_rps * seconds), 0
        start = clock()
        while len(self.latencies_s) < total:
            now = clock()
            due = start + sent / rate_rps
            while sent < total and due <= now and idle:
                self._send(idle.popleft(), due, now)
                sent += 1
                due = start + sent / rate_rps
            if now > start + seconds + PATIENCE_S:
                unsent = [start + number / rate_rps for number in range(sent, total)]
                waited = [now - due_at for due_at in [*self._due_at.values(), *unsent]]
                self.latencies_s += waited
                self.failures["unanswered"] += len(waited)
                return
            wait_s = max(0.0, due - clock()) if sent < total and idle else PATIENCE_S / 10
            # The timeout of epoll is in milliseconds, that of select in microseconds.
            if select.select((self._epoll,), (), (), wait_s)[0]:
                for number, _ in self._epoll.poll(0):
                    self._receive(number)

    def _open(self) -> socket.socket:
        opened = socket.create_connection(("127.0.0.1", self._port), CONNECT_TIMEOUT_S)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setblocking(False)
        self._sockets[opened.fileno()] = opened
        self._epoll.register(opened.fileno(), select.EPOLLIN)
        return opened

    def _send(self, connection: socket.socket | None, due_at: float, now: float) -> None:
        self.lags_s.append(now - due_at)
        try:
            connection = connection or self._open()
        except OSError:
            self._fail("refused", due_at)
            self._idle.append(None)
            return
        self._due_at[connection.fileno()] = due_at
        try:
            connection.send(REQUEST)
        except OSError:
            self._lose(connection)

    def _receive(self, number: int) -> None:
        connection = self._sockets[number]
        try:
            received = connection.recv(65536)
        except OSError:
            received = b""
        if not received:
            self._lose(connection)
            return
        data = self._received.pop(number, b"") + received
        head, found, body = data.partition(b"\r\n\r\n")
        if not is_complete(head, body) or not found:
            # A chunked body may be endless, so only its end is kept.
            is_chunked = b"chunked" in head
            self._received[number] = head + found + body[-16:] if is_chunked else data
            return
        if head.startswith(OK):
            self.latencies_s.append(time.perf_counter() - self._due_at.pop(number))
        else:
            self._fail(head[9:12].decode(), self._due_at.pop(number))
        if b"\r\nconnection: close" in head.lower():
            self._lose(connection)
        else:
            self._idle.append(connection)

    def _lose(self, connection: socket.socket) -> None:
        number = connection.fileno()
        self._epoll.unregister(number)
        del self._sockets[number]
        self._received.pop(number, None)
        connection.close()
        due_at = self._due_at.pop(number, None)
        if due_at is not None:
            self._fail("reset", due_at)
        if connection in self._idle:
            self._idle.remove(connection)
        self._idle.append(None)

    def _fail(self, how: str, due_at: float) -> None:
        self.failures[how] += 1
        self.latencies_s.append(time.perf_counter() - due_at)


def is_complete(head: bytes, body: bytes) -> bool:
    """Return whether the response is complete; most responses have the length of BODY."""
    if head.startswith(OK) and LENGTH in head + b"\r\n":
        return len(body) >= len(BODY)
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")


class ClientProcess:
    """The client as a process on its core, as a context manager.

    As root it has priority over the core's other processes. The block begins once the client has
    connected and ends when it is done; then `report` and `failures` are set. Raises RuntimeError
    with the client's output if it failed, or, unless `may_fail` is set, if a request failed.
    """

    report: dict[str, float]
    failures: dict[str, int]

    def __init__(
        self, port: int, connections: int, seconds: float, rate: float, *, may_fail: bool = False
    ) -> None:
        self._arguments = [str(value) for value in (port, connections, seconds, rate)]
        self._may_fail = may_fail

    def __enter__(self) -> Self:
        with before_others(CORE_OF_CLIENT):
            self._running = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.macro.client", *self._arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        assert self._running.stdout is not None
        self._running.stdout.readline()
        return self

    def __exit__(self, *_: object) -> None:
        output, trouble = self._running.communicate(timeout=STOP_TIMEOUT_S)
        if self._running.returncode:
            raise RuntimeError(f"client {' '.join(self._arguments)}:\n{trouble}")
        self.report = json.loads(output)
        self.failures = self.report.pop("failures")  # type: ignore[assignment]
        if self.failures and not self._may_fail:
            raise RuntimeError(f"client {' '.join(self._arguments)}: {self.failures}")


def percentile_ms(values_s: list[float], share: float) -> float:
    """Return the nearest-rank percentile of a sorted list: `share` of the values do not exceed it.

    For 1, 2, 3 and 4 s, the 0.5 percentile is 2000 ms and the 0.51 percentile 3000 ms.
    """
    return round(values_s[max(0, math.ceil(len(values_s) * share) - 1)] * 1000, 4)


def tenths_p99_ms(latencies_s: list[float]) -> float:
    """Return the median of the p99 values of ten consecutive parts of the responses.

    A pause of the machine delays every request in flight. A pause of 20 ms is 2 % of a second and
    would alone determine its p99. It affects one tenth, which the median of the ten ignores.
    """
    size = max(1, len(latencies_s) // 10)
    tenths = [sorted(latencies_s[at : at + size]) for at in range(0, len(latencies_s), size)]
    return statistics.median(percentile_ms(tenth, 0.99) for tenth in tenths)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("port", type=int)
    parser.add_argument("connections", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("rate", type=float, help="requests per second")
    options = parser.parse_args()
    client = Client(options.port, options.connections)
    print("connected", flush=True)
    gc.disable()
    client.run(options.rate, options.seconds)
    latencies_s, lags_s = sorted(client.latencies_s), sorted(client.lags_s)
    found = {f"p{share:g}_ms": percentile_ms(latencies_s, share / 100) for share in (50, 90, 99)}
    found["tenths_p99_ms"] = tenths_p99_ms(client.latencies_s)
    found["highest_ms"] = percentile_ms(latencies_s, 1)
    found["lag_p99_ms"] = percentile_ms(lags_s, 0.99)
    json.dump({**found, "failures": client.failures}, sys.stdout)


if __name__ == "__main__":
    main()

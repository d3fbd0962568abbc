"""A bare open-loop client: each request is due at its instant, whatever became of those before.

Latency is counted from the instant at which a request was due to the end of its answer, so that
waiting for a free connection, or for this program, is in it (no coordinated omission: wrk and hey
count from the send). How late this program itself was stands beside it. The connections take
turns, so that all of them are used however many there are.

`mirror replay` does the same, but marks what it sends so that a sidecar does not mirror it, and is
a good deal dearer per request: at the rates of interest it would fill the core that it shares with
both upstreams. So this one is one thread, one epoll, an answer of known length.

Run: python -m benchmarks.macro.client PORT CONNECTIONS SECONDS RATE
     (prints a line when it has connected, and JSON at its end)
"""

import argparse
import gc
import json
import math
import select
import socket
import subprocess
import sys
import time
from collections import deque
from typing import Self

from benchmarks.macro.cores import CORE_OF_CLIENT, core
from benchmarks.macro.ways import BODY, TARGET

REQUEST = f"GET {TARGET} HTTP/1.1\r\nHost: bench.example\r\n\r\n".encode()
TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 60.0


class Client:
    """Connections to one port, each with at most one request under way."""

    def __init__(self, port: int, connections: int) -> None:
        self._sockets: dict[int, socket.socket] = {}
        self._epoll = select.epoll()
        for _ in range(connections):
            opened = socket.create_connection(("127.0.0.1", port))
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.setblocking(False)
            self._sockets[opened.fileno()] = opened
            self._epoll.register(opened.fileno(), select.EPOLLIN)
        self._idle = deque(self._sockets.values())
        self._due_at: dict[int, float] = {}
        self._received: dict[int, bytes] = {}
        self.latencies_s: list[float] = []
        self.lags_s: list[float] = []

    def run(self, rate_rps: float, seconds: float) -> None:
        """Send rate × seconds requests on schedule; return when all are answered.

        Raises TimeoutError when an answer is missing ten seconds after the schedule's end.
        """
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
            if now > start + seconds + TIMEOUT_S:
                raise TimeoutError(f"{total - len(self.latencies_s)} answers are missing")
            wait_s = max(0.0, due - clock()) if sent < total and idle else TIMEOUT_S
            # epoll counts its timeout in milliseconds, select in microseconds.
            if select.select((self._epoll,), (), (), wait_s)[0]:
                for number, _ in self._epoll.poll(0):
                    self._receive(number)

    def _send(self, connection: socket.socket, due_at: float, now: float) -> None:
        self.lags_s.append(now - due_at)
        self._due_at[connection.fileno()] = due_at
        connection.send(REQUEST)

    def _receive(self, number: int) -> None:
        connection = self._sockets[number]
        data = self._received.pop(number, b"") + connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        if len(body) < len(BODY):
            if not data:
                raise ConnectionError("closed in the middle of a run")
            self._received[number] = data
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            raise ConnectionError(f"answered {head[:80]!r}")
        self.latencies_s.append(time.perf_counter() - self._due_at[number])
        self._idle.append(connection)


class ClientProcess:
    """The client as a process on its core: entered when it has connected, left when it is done.

    Raises RuntimeError with what it said when it failed. `report` is there after the block.
    """

    report: dict[str, float]

    def __init__(self, port: int, connections: int, seconds: float, rate: float) -> None:
        self._arguments = [str(value) for value in (port, connections, seconds, rate)]

    def __enter__(self) -> Self:
        with core(CORE_OF_CLIENT):
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
        said, trouble = self._running.communicate(timeout=STOP_TIMEOUT_S)
        if self._running.returncode:
            raise RuntimeError(f"client {' '.join(self._arguments)}:\n{trouble}")
        self.report = json.loads(said)


def percentile_ms(values_s: list[float], share: float) -> float:
    """Of a sorted list, nearest rank: the smallest value that `share` of them do not exceed.

    Of 1, 2, 3 and 4 s, the 0.5 percentile is 2000 ms and the 0.51 percentile 3000 ms.
    """
    return round(values_s[max(0, math.ceil(len(values_s) * share) - 1)] * 1000, 4)


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
    found["lag_p99_ms"] = percentile_ms(lags_s, 0.99)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()

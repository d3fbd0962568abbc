"""A worker's memory stays under the ceiling with a sick shadow, as the kernel counts it."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mirror.core.budget import ceiling_bytes, head_bytes, heads_ceiling_bytes
from mirror.core.http1 import MOST_FIELDS
from mirror.demo.processes import Processes
from tests.conformance.process import (
    SocketClient,
    config_for,
    listen_addresses,
    memory_bytes,
    start_build,
    wait_until,
    worker_of,
)
from tests.conformance.wire import PROBE_ANSWER, PROBE_MARK, crlf

BUFFER_BYTES = 8 << 20
CONNECTIONS = 16
WAITING = 1024
HEAD_BYTES = head_bytes(40960, MOST_FIELDS)
CEILING_BYTES = ceiling_bytes(BUFFER_BYTES, CONNECTIONS, CONNECTIONS + WAITING, False, HEAD_BYTES)
CLIENTS = 300
BODY_BYTES = 16 << 10
REQUESTS = 4 * BUFFER_BYTES // BODY_BYTES
"""Enough for four times the bytes that the buffer may hold."""
ENDLESS = crlf("HTTP/1.1 200 OK||")


class SickShadow:
    """Answers every request until `is_sick` is set; then every connection behaves as `how`."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.is_sick = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._is_over = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._is_over.set()
        for open_socket in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
            open_socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := connection.recv(1 << 20):
                # A sick shadow, too, answers the probe of each connection.
                if self.is_sick and PROBE_MARK not in data:
                    break
                connection.sendall(PROBE_ANSWER)
            if not data:
                return
            if self.how != "hung":
                connection.sendall(ENDLESS)
            while self.how == "endless" and not self._is_over.is_set():
                connection.sendall(b"x" * (1 << 16))
            while self.how == "trickling" and not self._is_over.wait(0.1):
                connection.sendall(b"x")
            self._is_over.wait()  # hung: it reads nothing any more


@contextmanager
def sick_shadow(how: str) -> Iterator[SickShadow]:
    shadow = SickShadow(how)
    try:
        yield shadow
    finally:
        shadow.close()


@pytest.mark.parametrize("how", ["hung", "endless", "trickling"])
def test_sick_shadow_stays_under_the_ceiling(directory: Path, how: str) -> None:
    with sick_shadow(how) as shadow, Processes(directory) as processes:
        config = config_for(directory, "sink", "", shadow.url)
        config["shadow"] |= {
            "connections": CONNECTIONS,
            "waiting": WAITING,
            "buffer_bytes": BUFFER_BYTES,
            "timeout": 3600,
        }
        config["timeouts"] = {"drain": 0.2}
        sidecar = start_build(processes, directory, config)
        worker = worker_of(sidecar)
        post = crlf(f"POST /a HTTP/1.1|Host: h|Content-Length: {BODY_BYTES}||") + b"x" * BODY_BYTES
        with SocketClient(*listen_addresses(config)[0]) as client:
            _send(client, post, 100)
            wait_until(lambda: not sidecar.status()["ledger"]["in_flight"], "legs still in flight")
            Path(f"/proc/{worker}/clear_refs").write_text("5")  # resets the peak
            before = memory_bytes(worker, "VmRSS")
            shadow.is_sick = True
            _send(client, post, REQUESTS)
            wait_until(
                lambda: sidecar.status()["ledger"]["seen"] == REQUESTS + 100, "requests not counted"
            )
        ledger = sidecar.status()["ledger"]
        assert ledger["balanced"]
        assert ledger["shed"]["buffer_full"] > REQUESTS // 2
        assert memory_bytes(worker, "VmHWM") - before <= CEILING_BYTES


CHUNKED = "POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked||0|"
# What clients begin and never end, up to a byte below the limits of a head.
UNFINISHED = {
    "one long value": crlf("GET / HTTP/1.1|Host: h|") + b"a: " + b"x" * 40_900,
    "most fields": crlf("GET / HTTP/1.1|Host: h|") + (b"a: " + b"x" * 198 + b"\r\n") * 199,
    "tiny fields": crlf("GET / HTTP/1.1|Host: h|" + "a: bcd|" * 199),
    "an odd method": crlf("BAN /\xff HTTP/1.1|Host: h|") + (b"a: " + b"x" * 198 + b"\r\n") * 199,
    "trailers": crlf(CHUNKED) + (b"a: " + b"x" * 198 + b"\r\n") * 200,
}


@pytest.mark.parametrize("kind", UNFINISHED)
def test_unfinished_heads_stay_under_the_ceiling(directory: Path, kind: str) -> None:
    """What one of them costs, and so 20,000: each is below its share of the ceiling."""
    unfinished = UNFINISHED[kind]
    with Processes(directory) as processes, contextlib.ExitStack() as clients:
        config = config_for(directory, "sink", "", "http://127.0.0.1:9")
        config["max_connections"] = CLIENTS
        sidecar = start_build(processes, directory, config)
        worker = worker_of(sidecar)
        Path(f"/proc/{worker}/clear_refs").write_text("5")  # resets the peak
        before = memory_bytes(worker, "VmRSS")
        descriptors = Path(f"/proc/{worker}/fd")
        open_before = len(list(descriptors.iterdir()))
        opened = [
            clients.enter_context(SocketClient(*listen_addresses(config)[0]))
            for _ in range(CLIENTS)
        ]
        for begin in range(0, len(unfinished), 4000):  # in pieces, as a network brings them
            for client in opened:
                client.send(unfinished[begin : begin + 4000])
        clients.close()  # what they sent is read before their end
        wait_until(lambda: len(list(descriptors.iterdir())) == open_before, "not closed")
        status = sidecar.status()
        assert not status["ledger"]["malformed"]
        assert status["heads_ceiling_bytes"] == heads_ceiling_bytes(CLIENTS, HEAD_BYTES)
        peak = memory_bytes(worker, "VmHWM") - before
        assert peak <= status["heads_ceiling_bytes"]


def _send(client: SocketClient, request: bytes, number: int) -> None:
    """Send `request` this many times; each is answered, whatever the shadow does."""
    for _ in range(number):
        client.send(request)
        client.received = b""
        while not client.received.endswith(b"\r\n\r\n"):
            assert client.receive()

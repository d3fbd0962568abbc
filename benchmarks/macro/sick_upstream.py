"""An upstream that is healthy or has one of the faults that upstreams have.

It runs as a separate process, because it has to sustain the load of the benchmarks, and uses a
single timer for up to ten thousand hanging connections. The amount that it sends unprompted is
bounded (ENDLESS_CHUNK and TRICKLE_S), so that its own CPU time does not affect a benchmark.

    python -m benchmarks.macro.sick_upstream PORT CONTROL_PORT

On the control port it answers `GET /become/<fault>` once the change is complete and all earlier
connections are closed, and `GET /requests` with the number of requests so far, without probes.
"""

import argparse
import asyncio
import socket
import struct
from collections.abc import Callable
from functools import partial
from typing import cast

import uvloop

from mirror.demo.processes import fetch

HEALTHY = "healthy"
HEAD = b"HTTP/1.1 200 OK\r\nServer: istio-envoy\r\n"
BODY = b"a small answer"
OK = HEAD + b"Content-Length: 14\r\n\r\n" + BODY
PROBE = b"\r\nX-Mirror-Leg: probe"
"""Marks the sidecar's first request on a connection to its shadow."""
PROBE_ANSWER = HEAD + b"Content-Length: 0\r\n\r\n"
SLOW_S = 1.0
TRICKLE_S = 1.0
ENDLESS_S = 0.1
ENDLESS_CHUNK = b"2000\r\n" + b"x" * 0x2000 + b"\r\n"

# Nothing accepts from this queue, and Linux drops further SYNs once it is full.
BLACK_HOLE_BACKLOG = 0
FILLERS = 4
RESET = struct.pack("ii", 1, 0)
"""The SO_LINGER value with which closing a socket sends RST."""


class Patient(asyncio.Protocol):
    """One connection, whose fault determines what happens to each complete request."""

    def __init__(self, upstream: "SickUpstream", fault: Callable[["Patient"], None]) -> None:
        self._upstream = upstream
        self._fault = fault
        self._unread = b""
        self.is_writable = True
        self.trickle = b""
        """The bytes that remain to be sent one by one."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transport is not a subclass
        self._upstream.patients.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._upstream.patients.discard(self)
        self._upstream.endless.discard(self)
        self._upstream.trickling.discard(self)

    def data_received(self, data: bytes) -> None:
        if self._fault is talk_plainly:  # a TLS hello contains no empty line
            data = b"\r\n\r\n"
        *requests, self._unread = (self._unread + data).split(b"\r\n\r\n")
        for request in requests:
            if PROBE in request:
                # The fault is that of the requests: a proxy that answers stands before a sick app.
                self.write(PROBE_ANSWER)
                continue
            self._upstream.requests += 1
            if not self.transport.is_closing():
                self._fault(self)

    def pause_writing(self) -> None:
        self.is_writable = False

    def resume_writing(self) -> None:
        self.is_writable = True

    # --- the actions of the faults ---

    def write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def close(self) -> None:
        self.transport.close()

    def reset(self) -> None:
        raw = self.transport.get_extra_info("socket")
        if not self.transport.is_closing():
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.transport.abort()

    def answer_later(self) -> None:
        asyncio.get_running_loop().call_later(SLOW_S, self.write, OK)

    def reset_halfway(self) -> None:
        self.write(OK[:-7])
        # The head must leave before the reset overtakes it.
        asyncio.get_running_loop().call_later(0.005, self.reset)

    def answer_bytewise(self) -> None:
        self.trickle += OK
        self._upstream.trickling.add(self)

    def answer_endlessly(self) -> None:
        self.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        self._upstream.endless.add(self)

    def cut_short(self) -> None:
        self.write(HEAD + b"Content-Length: 1000\r\n\r\n" + BODY)
        self.close()


def answer(data: bytes, patient: Patient) -> None:
    patient.write(data)


def talk_plainly(patient: Patient) -> None:
    """Answer a TLS hello as a plaintext port does."""
    patient.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    patient.close()


def ignore(patient: Patient) -> None:
    """Accept and read, but never answer."""


FAULTS: dict[str, Callable[[Patient], None] | None] = {
    # The action for each request; None if no connection gets that far.
    "refusing": None,
    "black_hole": None,
    "silent": ignore,
    "resetting": Patient.reset_halfway,
    "slow": Patient.answer_later,
    "trickling": Patient.answer_bytewise,
    "endless": Patient.answer_endlessly,
    "garbage": partial(answer, b"\0\xff no HTTP at all \r\n\r\n"),
    "errors": partial(
        answer, HEAD.replace(b"200 OK", b"500 Oops") + b"Content-Length: 4\r\n\r\noops"
    ),
    "cut_short": Patient.cut_short,
    "surplus": partial(answer, OK + BODY * 4),
    "tls_failure": talk_plainly,
}
"""All faults. A client of `tls_failure` starts with a TLS hello."""
BEHAVIOURS = {HEALTHY: partial(answer, OK), **FAULTS}


class SickUpstream:
    """The server; `become` changes the fault for all connections at once."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.requests = 0
        self.patients: set[Patient] = set()
        self.endless: set[Patient] = set()
        self.trickling: set[Patient] = set()
        self._server: asyncio.Server | None = None
        self._sockets: list[socket.socket] = []

    async def become(self, fault: str) -> None:
        """Switch to a fault; raise KeyError if there is no such fault."""
        behaviour = BEHAVIOURS[fault]
        if self._server is not None:
            self._server.close()
            self._server = None
        for held in self._sockets:
            held.close()
        self._sockets.clear()
        for patient in list(self.patients):
            patient.transport.abort()
        while self.patients:
            await asyncio.sleep(0)
        if behaviour is not None:
            self._server = await asyncio.get_running_loop().create_server(
                partial(Patient, self, behaviour), sock=await self._listener(4096), backlog=4096
            )
        elif fault == "black_hole":
            self._sockets.append(await self._listener(BLACK_HOLE_BACKLOG))
            self._fill()

    async def _listener(self, backlog: int) -> socket.socket:
        """Open the listener; the port is free once the loop has closed the previous one."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        while True:
            try:
                listener.bind(("127.0.0.1", self._port))
                listener.listen(backlog)
            except OSError:
                await asyncio.sleep(0.005)
            else:
                listener.setblocking(False)
                return listener

    def _fill(self) -> None:
        for _ in range(FILLERS):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self._port))
            self._sockets.append(filler)

    async def feed(self) -> None:
        """Run the timer: add a chunk to endless bodies, and a byte to slow responses when due."""
        ticks_per_byte = round(TRICKLE_S / ENDLESS_S)
        tick = 0
        while True:
            await asyncio.sleep(ENDLESS_S)
            tick += 1
            for patient in self.endless:
                if patient.is_writable:
                    patient.write(ENDLESS_CHUNK)
            if tick % ticks_per_byte == 0:
                for patient in list(self.trickling):
                    patient.write(patient.trickle[:1])
                    patient.trickle = patient.trickle[1:]
                    if not patient.trickle:
                        self.trickling.discard(patient)

    async def control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request on the control port."""
        try:
            target = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        except asyncio.IncompleteReadError:  # only a check that the server is up
            writer.close()
            return
        answer = str(self.requests)
        status = "200 OK"
        if target.startswith("/become/"):
            try:
                await self.become(target.removeprefix("/become/"))
            except KeyError:
                status = "404 Not Found"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(answer)}\r\n\r\n{answer}".encode())
        writer.close()


def become(control_port: int, fault: str) -> None:
    """Switch a running upstream to a fault.

    Raises ValueError if it does not know the fault or does not answer.
    """
    answer = fetch(control_port, f"/become/{fault}")
    if answer is None or answer.status != 200:
        raise ValueError(f"{fault}: {answer}")


def requests_of(control_port: int) -> int:
    """Return the number of requests of a running upstream; 0 if it does not answer."""
    answer = fetch(control_port, "/requests")
    return int(answer.body) if answer else 0


async def run(port: int, control_port: int) -> None:
    upstream = SickUpstream(port)
    await upstream.become(HEALTHY)
    await asyncio.start_server(upstream.control, "127.0.0.1", control_port)
    await upstream.feed()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("port", type=int)
    parser.add_argument("control_port", type=int)
    options = parser.parse_args()
    uvloop.run(run(options.port, options.control_port))


if __name__ == "__main__":
    main()

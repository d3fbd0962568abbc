"""Stand-ins for sockets, clients and upstreams, so that a dialogue reads as a script.

FakeTransport    a transport without a socket, which keeps what is written
WiredRelaying    an upstream whose connections are FakeTransports, opened by the test
WiredDiscarding  the same for legs whose responses are discarded
Line             a client's connection in mode inline, with both upstreams wired
StubUpstream     a real server on loopback that plays a script on each connection
Client           a real client on loopback that sends chosen bytes
Sidecar          the data plane of one worker in this process, on a real socket
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar, cast

import pytest
import uvloop
import yaml

from mirror.config import Config, parse
from mirror.core.comparison.piece import Piece
from mirror.core.pool import Pool
from mirror.core.slow_start import SlowStartPool
from mirror.process.merger import Merger
from mirror.proxy.downstream.acceptor import Acceptor
from mirror.proxy.downstream.connection import DownstreamConnection
from mirror.proxy.downstream.inline import InlineAcceptor, InlineConnection
from mirror.proxy.downstream.inline_exchange import Primary
from mirror.proxy.downstream.sink import SinkConnection
from mirror.proxy.tee import Tee
from mirror.proxy.upstream.connection import Origin, UpstreamConnection
from mirror.proxy.upstream.discarding import DiscardedLeg, DiscardingConnection, DiscardingUpstream
from mirror.proxy.upstream.outbox import Outbox
from mirror.proxy.upstream.relaying import RelayedLeg, RelayingConnection, RelayingUpstream
from tests.conformance.wire import PROBE_ANSWER, PROBE_MARK

PATIENCE_S = 5.0
"""The longest wait, in seconds, for something that must happen at once."""


def run(main: Callable[[], Coroutine[Any, Any, None]], use_uvloop: bool = True) -> None:
    """Run `main` on a new loop, and fail if an exception escaped a callback."""
    escaped: list[dict[str, Any]] = []

    async def watched() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: escaped.append(context))
        async with asyncio.timeout(20):
            await main()

    if use_uvloop:
        uvloop.run(watched())
    else:
        asyncio.run(watched())
    assert not escaped, escaped


async def until(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds; fail if it does not within `PATIENCE_S`."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "what was waited for never came"
        await asyncio.sleep(0.002)


async def turns(number: int = 5) -> None:
    """Let the loop run the callbacks that are due, for this number of turns."""
    for _ in range(number):
        await asyncio.sleep(0)


def free_port() -> int:
    """Return a port that refuses connections until somebody listens on it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- bytes, whole and split ---

Cut = Callable[[bytes], list[bytes]]


def whole(data: bytes) -> list[bytes]:
    return [data]


def split(data: bytes) -> list[bytes]:
    """Return the data as single bytes."""
    return [data[index : index + 1] for index in range(len(data))]


both_ways = pytest.mark.parametrize("cut", [whole, split])


# --- without sockets ---


class FakeTransport(asyncio.Transport):
    """Keeps what is written; `connection_lost` follows a close in the loop's next turn."""

    def __init__(self, protocol: asyncio.Protocol, high_water_bytes: int = 65536) -> None:
        super().__init__()
        self.written = b""
        self.is_aborted = False
        self.is_eof_written = False
        self.has_eof = True
        """Whether the transport supports half-close; TLS does not."""
        self.peername: object = ("192.0.2.7", 4711)
        self._protocol: Any = protocol
        self._has_ended = False
        self._is_closing = False
        self._is_reading = True
        self._high_water_bytes = high_water_bytes
        self._unsent_bytes = 0
        self._is_protocol_paused = False
        self.is_stuck = False
        """Whether the peer has stopped reading, so that written data stays unsent."""

    def take_written(self) -> bytes:
        data, self.written = self.written, b""
        return data

    def unstick(self) -> None:
        self.is_stuck = False
        self._unsent_bytes = 0
        if self._is_protocol_paused:
            self._is_protocol_paused = False
            self._protocol.resume_writing()
        if self._is_closing:
            self._end()

    # --- asyncio.Transport ---

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self._is_closing, "written after close"
        self.written += data
        if self.is_stuck:
            self._unsent_bytes += len(data)
            if self._unsent_bytes > self._high_water_bytes and not self._is_protocol_paused:
                self._is_protocol_paused = True
                self._protocol.pause_writing()

    def write_eof(self) -> None:
        assert self.has_eof and not self._is_closing
        self.is_eof_written = True

    def can_write_eof(self) -> bool:
        return self.has_eof

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> Any:
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.peername if name == "peername" else default

    def close(self) -> None:
        """Close the transport; it stays open as long as the peer leaves data unread."""
        self._is_closing = True
        if not self._unsent_bytes:
            self._end()

    def abort(self) -> None:
        self.is_aborted = True
        self._is_closing = True
        self._end()

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return self._is_reading and not self._is_closing

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True

    def _end(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            asyncio.get_running_loop().call_soon(self._lose)

    def _lose(self) -> None:
        self._protocol.connection_lost(None)


ORIGIN = Origin("upstream.test", 80)
Connection = TypeVar("Connection", bound=UpstreamConnection)


class Wired(Generic[Connection]):
    """Leaves every connect pending until the test accepts or refuses it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.opening = 0
        self.transports: list[FakeTransport] = []

    def open(self) -> None:
        self.opening += 1

    def accept(self) -> tuple[Connection, FakeTransport]:
        """Let one pending connect succeed; return the connection and its transport."""
        assert self.opening, "nobody asked for a connection"
        self.opening -= 1
        connection = cast(Any, self).make_connection()
        transport = FakeTransport(connection)
        self.transports.append(transport)
        connection.connection_made(transport)
        return connection, transport

    def refuse(self) -> None:
        """Let one pending connect fail."""
        assert self.opening, "nobody asked for a connection"
        self.opening -= 1
        cast(Any, self).open_failed(ConnectionRefusedError("refused"))


class WiredRelaying(Wired[RelayingConnection], RelayingUpstream):
    def __init__(self, pool: Pool[RelayingConnection, RelayedLeg], origin: Origin = ORIGIN) -> None:
        super().__init__(origin, pool)


class WiredDiscarding(Wired[DiscardingConnection], DiscardingUpstream):
    """Has a clock that only the test advances (`clock_s`); `heard` lists each leg's outcome."""

    def __init__(
        self,
        pool: SlowStartPool[DiscardingConnection, Any],
        ended: Callable[[Any, str, int], None] | None = None,
    ) -> None:
        super().__init__(ORIGIN, pool, ended or self.hear)
        self.clock_s = 0.0
        self.now = lambda: self.clock_s
        self.heard: dict[str, list[DiscardedLeg]] = {}

    def hear(self, leg: DiscardedLeg, outcome: str, latency_us: int) -> None:
        self.heard.setdefault(outcome, []).append(leg)


class Line:
    """A client's connection in mode inline, with the test in the role of primary and shadow."""

    def __init__(self, **sections: Any) -> None:
        config = make_config("inline", 1, 2, **sections)
        self.tee = Tee(config)
        pool: SlowStartPool[Any, Any] = SlowStartPool(4, 4)
        self.shadow = self.tee.shadow = WiredDiscarding(pool, self.tee.leg_ended)
        self.acceptor = InlineAcceptor(config, self.tee)
        self.primary = WiredRelaying(Pool(None, 0, 8))
        self.acceptor.primary = Primary(self.primary, self.tee, config.timeouts.primary)
        self.downstream = InlineConnection(self.acceptor)
        self.client = FakeTransport(self.downstream)
        self.downstream.connection_made(self.client)

    def send(self, data: bytes) -> None:
        self.downstream.data_received(data)

    def accept(self) -> tuple[RelayingConnection, FakeTransport]:
        return self.primary.accept()

    def exchange(self, request: bytes) -> tuple[RelayingConnection, FakeTransport]:
        """Play one complete exchange; return the primary's connection, which is then idle."""
        self.send(request)
        connection, transport = self.accept()
        connection.data_received(OK)
        assert self.client.take_written() == OK
        transport.take_written()
        return connection, transport

    def count(self, metric: str) -> dict[str, int]:
        self.tee.ledger.roll(self.tee.ledger.second + 1)
        totals = self.tee.ledger.report(0, 0).totals
        return {label: n for (name, _, label), n in sorted(totals.items()) if name == metric}

    def latencies(self) -> dict[str, int]:
        """Return the number of primary latencies recorded in the open second, by route."""
        self.tee.ledger.roll(self.tee.ledger.second + 1)
        closed = self.tee.ledger.report(0, 0).seconds
        latencies = closed[-1][2] if closed else {}
        return {
            route: sum(buckets.values())
            for (metric, route), buckets in latencies.items()
            if metric == "primary.latency"
        }


# --- upstreams on loopback ---

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class StubUpstream:
    """A server that plays a script on every connection: `async with StubUpstream(script)`."""

    def __init__(self, script: Script | None = None) -> None:
        self.requests: list[bytes] = []
        """The requests read so far, in order of arrival."""
        self.connections = 0
        self.probes = 0
        """Number of connections that the sidecar probed."""
        self.received_bytes = 0
        self.port = 0
        self._script = script or self.answer(OK)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> "StubUpstream":
        self._server = await asyncio.start_server(self._play, "127.0.0.1", 0, limit=1 << 16)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await turns()

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._answer_probe(reader, writer)
            await self._script(reader, writer)
        writer.close()

    async def _answer_probe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer as an Envoy if the first request is the sidecar's probe; else leave it unread."""
        if not reader._buffer:
            await reader._wait_for_data("peek")
        if PROBE_MARK in reader._buffer:
            await reader.readuntil(b"\r\n\r\n")
            self.probes += 1
            writer.write(PROBE_ANSWER)

    async def read_request(self, reader: asyncio.StreamReader) -> bytes:
        """Read one complete request; raise IncompleteReadError when the connection ends."""
        head = await reader.readuntil(b"\r\n\r\n")
        request = head + await read_body(reader, head)
        self.requests.append(request)
        return request

    # --- scripts ---

    def answer(self, *responses: bytes, close: bool = False) -> Script:
        """Answer each request with the next of `responses`, and repeat the last one."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                await self.read_request(reader)
                writer.write(responses[min(len(self.requests), len(responses)) - 1])
                await writer.drain()
                if close:
                    return

        return script

    def trickle(self, response: bytes) -> Script:
        """Answer one byte at a time."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                await self.read_request(reader)
                for index in range(len(response)):
                    if writer.is_closing():
                        return
                    writer.write(response[index : index + 1])
                    await turns(2)

        return script

    def hang(self) -> Script:
        """Read everything and never answer."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65536):
                self.received_bytes += len(data)

        return script

    def ignore(self) -> Script:
        """Read nothing and never answer."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.Event().wait()

        return script

    def reset(self, after: bytes = b"") -> Script:
        """Send `after` once a request has arrived, then reset the connection."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self.read_request(reader)
            if after:
                writer.write(after)
                await writer.drain()
                await turns(20)
            reset_connection(writer)

        return script

    def endless(self) -> Script:
        """Answer with a body that never ends."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self.read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while not writer.is_closing():
                writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0.001)

        return script


async def read_body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    """Read the body announced by `head`, with its chunk framing; empty if there is none."""
    lower = head.lower()
    if b"\r\ntransfer-encoding: chunked\r\n" in lower:
        body = b""
        while True:
            line = await reader.readuntil(b"\r\n")
            body += line
            if line == b"0\r\n":
                while line != b"\r\n":  # trailers
                    line = await reader.readuntil(b"\r\n")
                    body += line
                return body
            body += await reader.readexactly(int(line, 16) + 2)
    _, found, rest = lower.partition(b"\r\ncontent-length: ")
    return await reader.readexactly(int(rest.partition(b"\r\n")[0])) if found else b""


def reset_connection(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


# --- clients on loopback ---


class Client:
    """A raw connection that sends chosen bytes and returns responses unchanged."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def send_eof(self) -> None:
        self.writer.write_eof()

    async def response(self, answers_head: bool = False) -> tuple[bytes, bytes]:
        """Read the next response; return its head and its body with its framing."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            is_bodyless = answers_head or head[9:10] == b"1" or head[9:12] in (b"204", b"304")
            return head, b"" if is_bodyless else await read_body(self.reader, head)

    async def all(self) -> bytes:
        """Read until the peer closes the connection; raise ConnectionError if it resets it."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read()

    async def is_ended(self) -> bool:
        """Return whether the peer closed the connection with nothing left to read."""
        return await self.all() == b""

    def close(self) -> None:
        self.writer.transport.abort()

    def reset(self) -> None:
        reset_connection(self.writer)


# --- the data plane ---


def make_config(
    mode: str = "sink",
    primary: int | None = None,
    shadow: int = 9,
    **sections: Any,
) -> Config:
    """Return a configuration for loopback; `shadow_timeout=0.2` sets `timeout` of `shadow`."""
    document: dict[str, Any] = {
        "mode": mode,
        "listen": "127.0.0.1:8080",
        "shadow": {"url": f"http://127.0.0.1:{shadow}"},
        "routes": ["/a", "/api/*"],
    }
    if primary is not None:
        document["primary"] = f"http://127.0.0.1:{primary}"
    for name, value in sections.items():
        section, found, key = name.partition("_")
        if found and section in ("shadow", "timeouts"):
            document.setdefault(section, {})[key] = value
        else:
            document[name] = value
    return parse(yaml.safe_dump(document))


def acceptor_for(config: Config, tee: Tee) -> Acceptor:
    return InlineAcceptor(config, tee) if config.mode == "inline" else Acceptor(config, tee)


def downstream_for(acceptor: Acceptor) -> DownstreamConnection:
    if isinstance(acceptor, InlineAcceptor):
        return InlineConnection(acceptor)
    return SinkConnection(acceptor)


def ledger_status(tee: Tee) -> dict[str, Any]:
    """Return the ledger of a tee as /status shows it; its pairs must add up."""
    report = tee.ledger.report(tee.in_flight, tee.reading)
    pairs = tee.comparing.pairs
    report.comparison = None if pairs is None else Piece(pairs.waiting)
    merger = Merger(0)
    merger.comparison.switch(pairs is not None, 0)
    merger.worker_started(1)
    merger.worker_reported(1, report)
    compared = merger.comparison_status(None)
    assert compared is None or compared["balanced"], compared
    return merger.status()


class Sidecar:
    """A data plane that accepts on a free port and ticks: `async with Sidecar(config)`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.port = 0

    async def __aenter__(self) -> "Sidecar":
        loop = asyncio.get_running_loop()
        self.tee = Tee(self.config, Outbox())
        self.acceptor = acceptor_for(self.config, self.tee)
        self._server = await loop.create_server(
            lambda: downstream_for(self.acceptor), "127.0.0.1", 0
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._ticking = loop.create_task(self._tick())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        self._ticking.cancel()
        self.acceptor.cut()
        self.tee.cut()
        if isinstance(self.acceptor, InlineAcceptor):
            self.primary.close()
        await turns(10)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0.01)
            self.acceptor.tick(loop.time())
            self.tee.tick(loop.time())

    @property
    def primary(self) -> RelayingUpstream:
        return cast(InlineAcceptor, self.acceptor).primary.upstream

    def status(self) -> dict[str, Any]:
        return ledger_status(self.tee)

    async def settled(self) -> dict[str, Any]:
        """Return the ledger once no shadow leg is left, with its gauges checked to be zero."""
        await until(lambda: not self.tee.in_flight and not self.tee.reading)
        status = self.status()
        assert status["balanced"], status
        assert self.tee.budget.held_bytes == 0
        return status

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        try:
            yield client
        finally:
            client.close()
            await turns()

"""A data plane in this process with in-memory transports: thousands of dialogues a second.

The code under test is the real one, from `data_received` of one connection to `write` of the
others; only the sockets are missing. Bytes for the data plane arrive in a later turn of the loop,
as from a socket; the test sees at once what the data plane writes.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import uvloop

from mirror.config import Config
from mirror.core.ledger import Merger
from mirror.proxy.downstream.acceptor import Acceptor
from mirror.proxy.downstream.connection import DownstreamConnection
from mirror.proxy.downstream.inline import InlineAcceptor, InlineConnection
from mirror.proxy.downstream.sink import SinkConnection
from mirror.proxy.tee import Tee
from tests.conformance.wire import Conversation, End, Script, begun

QUIET_TURNS = 4
"""Turns of the loop without a byte moved after which a dialogue counts as settled."""
MOST_TURNS = 200_000
"""More turns than any dialogue needs; a dialogue that takes more has fallen into a loop."""


class Escaped(logging.Handler):
    """Collects errors that the data plane logged or left to the loop's exception handler."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(f"{record.getMessage()}: {record.exc_info}")

    def from_loop(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.found.append(str(context))


@contextmanager
def nothing_escapes() -> Iterator[Escaped]:
    """Fail if an exception escaped a callback or was logged as unexpected."""
    escaped = Escaped()
    logger = logging.getLogger("mirror")
    logger.addHandler(escaped)
    try:
        yield escaped
    finally:
        logger.removeHandler(escaped)
    assert not escaped.found, escaped.found


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `main` on a new loop, and fail if an exception escaped a callback."""
    with nothing_escapes() as escaped:

        async def watched() -> None:
            asyncio.get_running_loop().set_exception_handler(escaped.from_loop)
            await main()

        uvloop.run(watched())


class Wire(asyncio.Transport):
    """The data plane's end of a connection; it reports to the peer through `heard` and `ended`."""

    def __init__(self, plane: "Plane", protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._plane = plane
        self.protocol = protocol
        self.sent = b""
        """Everything that the data plane has written."""
        self.is_ended = False
        """Whether the data plane has closed the connection or its sending side."""
        self._is_closed = False
        self._is_reading = True
        self._arriving: list[bytes | End] = []
        self.most_unsent_bytes: int | None = None
        """Above this many written bytes the data plane must pause writing, until `drain`."""
        self._is_full = False
        self.heard: Callable[[bytes], None] = lambda data: None
        self.ended: Callable[[], None] = lambda: None

    # --- the other end ---

    def deliver(self, data: bytes) -> None:
        """Deliver bytes from the peer in a later turn of the loop."""
        if data:
            self._arriving.append(data)
            self._arrive_soon()

    def end(self, how: End = End.CLOSE) -> None:
        """Close the peer's sending side (half-close), or reset the connection."""
        self._arriving.append(how)
        self._arrive_soon()

    def drain(self) -> None:
        """Read everything as the peer, and keep reading from now on."""
        self.most_unsent_bytes = None
        if self._is_full:
            self._is_full = False
            self.protocol.resume_writing()

    def _arrive_soon(self) -> None:
        self._plane.moved += 1
        asyncio.get_running_loop().call_soon(self._arrive)

    def _arrive(self) -> None:
        if not self._arriving or not self._is_reading or self._is_closed:
            return
        self._plane.moved += 1
        item = self._arriving.pop(0)
        if isinstance(item, bytes):
            self.protocol.data_received(item)
        elif item is End.RESET:
            self._lose(ConnectionResetError())
        elif not self.protocol.eof_received():
            self.close()
        if self._arriving:
            self._arrive_soon()

    def _lose(self, error: Exception | None) -> None:
        if not self._is_closed:
            self._is_closed = True
            self.is_ended = True
            self._plane.moved += 1
            asyncio.get_running_loop().call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        self._plane.moved += 1
        self.protocol.connection_lost(error)

    # --- asyncio.Transport, the data plane's end ---

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self._is_closed and not self.is_ended, "written after close"
        self._plane.moved += 1
        self.sent += data
        self.heard(bytes(data))
        limit = self.most_unsent_bytes
        if limit is not None and len(self.sent) > limit and not self._is_full:
            self._is_full = True
            self.protocol.pause_writing()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.is_ended = True
        self._plane.moved += 1
        self.ended()

    def close(self) -> None:
        self._lose(None)

    def abort(self) -> None:
        self._lose(None)

    def is_closing(self) -> bool:
        return self._is_closed

    def is_reading(self) -> bool:
        return self._is_reading and not self._is_closed

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        if self._arriving:
            self._arrive_soon()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.7", 40000) if name == "peername" else default


class Upstream:
    """A scripted upstream that stands in for an Origin."""

    host = "127.0.0.1"
    port = 1
    connect_timeout_s = 1.0
    max_head_bytes = 32768

    def __init__(self, plane: "Plane", script: Script, pieces_bytes: tuple[int, ...]) -> None:
        self._plane = plane
        self.script = script
        self.pieces_bytes = pieces_bytes
        """Sizes of the first pieces of each response; the rest arrives in one piece."""
        self.wires: list[tuple[Wire, Conversation]] = []
        self.refuses = False

    async def connect(
        self, make: Callable[[], asyncio.Protocol], address: str | None = None
    ) -> None:
        self._plane.moved += 1
        if self.refuses:
            raise ConnectionRefusedError("refused")
        wire = Wire(self._plane, make())
        conversation = Conversation(self.script)
        wire.heard = lambda data: self._answer(wire, conversation.received(data))
        wire.ended = wire.end  # an upstream closes its own side when the data plane closes
        self.wires.append((wire, conversation))
        wire.protocol.connection_made(wire)

    def _answer(self, wire: Wire, sent: list[tuple[bytes, End]]) -> None:
        for data, end in sent:
            for size_bytes in self.pieces_bytes:
                wire.deliver(data[:size_bytes])
                data = data[size_bytes:]
            wire.deliver(data)
            if end is not End.KEEP:
                wire.end(end)

    @property
    def received(self) -> bytes:
        """Return the complete requests in order of arrival, then any incomplete ones."""
        unread = [
            conversation.unread if conversation.is_raw else begun(conversation.unread)
            for _, conversation in self.wires
        ]
        return b"".join((*self.script.requests, *unread))


class Plane:
    """The data plane of one worker with scripted upstreams."""

    def __init__(
        self,
        config: Config,
        primary: Script,
        shadow: Script,
        primary_pieces_bytes: tuple[int, ...] = (),
    ) -> None:
        self.moved = 0
        """Increases with every event on a wire."""
        self.tee = Tee(config)
        self.primary = Upstream(self, primary, primary_pieces_bytes)
        self.shadow = Upstream(self, shadow, ())
        self.tee.shadow.origin = self.shadow  # type: ignore[assignment]
        self.acceptor: Acceptor
        if config.mode == "inline":
            self.acceptor = InlineAcceptor(config, self.tee)
            self.acceptor.primary.upstream.origin = self.primary  # type: ignore[assignment]
        else:
            self.acceptor = Acceptor(config, self.tee)

    def connect(self) -> Wire:
        """Connect a new client and return its wire."""
        protocol: DownstreamConnection
        if isinstance(self.acceptor, InlineAcceptor):
            protocol = InlineConnection(self.acceptor)
        else:
            protocol = SinkConnection(self.acceptor)
        wire = Wire(self, protocol)
        protocol.connection_made(wire)
        return wire

    async def settle(self) -> None:
        """Wait until no more bytes move without outside input."""
        seen, quiet = self.moved, 0
        for _ in range(MOST_TURNS):
            await asyncio.sleep(0)
            quiet = quiet + 1 if self.moved == seen else 0
            seen = self.moved
            if quiet == QUIET_TURNS:
                return
        raise AssertionError("it never becomes quiet")

    def advance(self, seconds: float) -> None:
        """Advance the clock by `seconds` and check all deadlines."""
        now = asyncio.get_running_loop().time() + seconds
        self.acceptor.tick(now)
        self.tee.tick(now)

    def status(self) -> dict[str, Any]:
        """Return the ledger as /status shows it."""
        merger = Merger(0)
        merger.worker_started(1)
        merger.worker_reported(1, self.tee.ledger.report(self.tee.in_flight, self.tee.reading))
        return merger.status()

    async def finish(self) -> dict[str, Any]:
        """Close everything and return the ledger, with its gauges checked to be zero."""
        self.acceptor.cut()
        await self.settle()
        self.tee.cut()
        if isinstance(self.acceptor, InlineAcceptor):
            self.acceptor.primary.upstream.close()
        await self.settle()
        status = self.status()
        assert status["balanced"], status
        assert status["in_flight"] == status["reading"] == 0, status
        assert self.tee.budget.held_bytes == 0
        assert not self.acceptor.connections
        return status

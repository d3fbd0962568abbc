"""A data plane in this process with all three sides in memory: thousands of dialogues a second.

The code path is the real one, from `data_received` of one connection to `write` of the others;
only the sockets are missing. Bytes for the data plane arrive in a later turn of the loop, as from
a socket; the other side sees what the data plane writes immediately.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import uvloop

from mirror.config import Config
from mirror.proxy.downstream.inline import InlineAcceptor
from mirror.proxy.tee import Tee
from tests.conformance.wire import Conversation, End, Script, begun
from tests.fakes import acceptor_for, downstream_for, ledger_status

QUIET_TURNS = 4
"""After this many turns of the loop in which no byte moves, nothing more moves by itself."""
MOST_TURNS = 200_000
"""More turns than any dialogue needs: beyond this, the data plane is in an endless loop."""


class EscapedErrors(logging.Handler):
    """Collects the errors that the data plane logged, or that reached the loop."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(f"{record.getMessage()}: {record.exc_info}")

    def from_loop(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.messages.append(str(context))


@contextmanager
def nothing_escapes() -> Iterator[EscapedErrors]:
    """Fail if an exception escapes from a callback, or if the data plane logs an error."""
    escaped = EscapedErrors()
    logger = logging.getLogger("mirror")
    logger.addHandler(escaped)
    try:
        yield escaped
    finally:
        logger.removeHandler(escaped)
    assert not escaped.messages, escaped.messages


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `main` on a new event loop, and fail if an exception escapes from a callback."""
    with nothing_escapes() as escaped:

        async def watched() -> None:
            asyncio.get_running_loop().set_exception_handler(escaped.from_loop)
            await main()

        uvloop.run(watched())


class Wire(asyncio.Transport):
    """The data plane's end of a connection; `on_data` and `on_eof` notify the other end."""

    def __init__(self, plane: "Plane", protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._plane = plane
        self.protocol = protocol
        self.sent = b""
        """The bytes that the data plane wrote."""
        self.is_ended = False
        """Whether the data plane has closed the connection or its sending side."""
        self._is_closed = False
        self._is_reading = True
        self._arriving: list[bytes | End] = []
        self.most_unsent_bytes: int | None = None
        """Above this many bytes written, the data plane must pause writing until `drain`."""
        self._is_full = False
        self.on_data: Callable[[bytes], None] = lambda data: None
        self.on_eof: Callable[[], None] = lambda: None

    # --- the other end ---

    def deliver(self, data: bytes) -> None:
        """Send bytes from the other end; they arrive in a later turn."""
        if data:
            self._arriving.append(data)
            self._arrive_soon()

    def end(self, how: End = End.CLOSE) -> None:
        """Let the other end close its sending side (half-close), or reset the connection."""
        self._arriving.append(how)
        self._arrive_soon()

    def drain(self) -> None:
        """Let the other end read everything, now and from now on."""
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
        self.on_data(bytes(data))
        limit = self.most_unsent_bytes
        if limit is not None and len(self.sent) > limit and not self._is_full:
            self._is_full = True
            self.protocol.pause_writing()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.is_ended = True
        self._plane.moved += 1
        self.on_eof()

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
    authority = "127.0.0.1:1"
    connect_timeout_s = 1.0
    max_head_bytes = 40960

    def __init__(self, plane: "Plane", script: Script, pieces_bytes: tuple[int, ...]) -> None:
        self._plane = plane
        self.script = script
        self.pieces_bytes = pieces_bytes
        """Sizes of the pieces that each answer starts with; the rest arrives in one piece."""
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
        wire.on_data = lambda data: self._answer(wire, conversation.received(data))
        wire.on_eof = wire.end  # an upstream answers a half-close with its own
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
        """Complete requests in order of arrival, then the incomplete ones."""
        unread = [
            conversation.unread if conversation.is_raw else begun(conversation.unread)
            for _, conversation in self.wires
        ]
        return b"".join((*self.script.requests, *unread))


class Plane:
    """The data plane of one worker, with scripted upstreams."""

    def __init__(
        self,
        config: Config,
        primary: Script,
        shadow: Script,
        primary_pieces_bytes: tuple[int, ...] = (),
    ) -> None:
        self.moved = 0
        """Number of events on all wires."""
        self.tee = Tee(config)
        self.primary = Upstream(self, primary, primary_pieces_bytes)
        self.shadow = Upstream(self, shadow, ())
        self.tee.shadow.origin = self.shadow  # type: ignore[assignment]
        self.acceptor = acceptor_for(config, self.tee)
        if isinstance(self.acceptor, InlineAcceptor):
            self.acceptor.primary.upstream.origin = self.primary  # type: ignore[assignment]

    def connect(self) -> Wire:
        """Connect a new client."""
        protocol = downstream_for(self.acceptor)
        wire = Wire(self, protocol)
        protocol.connection_made(wire)
        return wire

    async def settle(self) -> None:
        """Run the loop until nothing moves by itself any more."""
        seen, quiet = self.moved, 0
        for _ in range(MOST_TURNS):
            await asyncio.sleep(0)
            quiet = quiet + 1 if self.moved == seen else 0
            seen = self.moved
            if quiet == QUIET_TURNS:
                return
        raise AssertionError("the data plane never becomes quiet")

    def advance(self, seconds: float) -> None:
        """Check the deadlines as if this many seconds had passed."""
        now = asyncio.get_running_loop().time() + seconds
        self.acceptor.tick(now)
        self.tee.tick(now)

    async def finish(self) -> dict[str, Any]:
        """End every connection; check that the ledger balances at zero, and return it."""
        self.acceptor.cut()
        await self.settle()
        self.tee.cut()
        if isinstance(self.acceptor, InlineAcceptor):
            self.acceptor.primary.upstream.close()
        await self.settle()
        status = ledger_status(self.tee)
        assert status["balanced"], status
        assert status["in_flight"] == status["reading"] == 0, status
        assert self.tee.budget.held_bytes == 0
        assert not self.acceptor.connections
        return status

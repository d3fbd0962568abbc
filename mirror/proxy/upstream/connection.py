"""Connections to one upstream: open them, keep them alive, give each to the leg it serves.

Owns the upstream sockets, and does not know which leg it serves. Two kinds of connection read
responses: relaying.py forwards them, discarding.py only counts them.
Invariant: a connection serves the next leg only after the previous response ended exactly where its
framing says. A surplus byte closes the connection and is never read as the next response.
"""

import asyncio
import logging
import math
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import httptools

from mirror.addresses import TcpAddress
from mirror.core.pool import OPEN, REFUSED, WAIT, Pool
from mirror.errors import RemoteProtocolError, UpstreamRefusedError
from mirror.proxy.upstream.outbox import Outbox
from mirror.proxy.upstream.resolver import Resolver

log = logging.getLogger(__name__)

NO_PARSER = httptools.HttpResponseParser(object())
"""Replaces a connection's own parser before it is made and after it is lost. A parser and its
connection refer to each other, and such cycles would accumulate for the garbage collector. With an
upstream that gets each request on a new connection, the measured pause was 15 ms every 2 s."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an upstream is, and how its connections are opened."""

    host: str
    """Name or address; for a unix socket its path."""
    port: int = 0
    """0 for a unix socket."""
    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    """The name for SNI and the certificate; None stands for `host`."""
    connect_timeout_s: float = 1.0
    max_head_bytes: int = 40960
    resolve_interval_s: float = 30.0
    """Seconds after which a name is looked up again."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port else f"unix:{self.host}"

    @property
    def authority(self) -> str:
        """The Host of a request that asks for the origin itself."""
        return str(TcpAddress(self.host, self.port)) if self.port else "localhost"

    async def connect(
        self, make: Callable[[], asyncio.Protocol], address: str | None = None
    ) -> asyncio.BaseTransport:
        """Open one connection, to one `address` of the host or to any of them.

        Raises OSError (also of TLS and of time) or ValueError.
        """
        loop = asyncio.get_running_loop()
        name = (self.server_name or self.host) if self.tls else None
        async with asyncio.timeout(self.connect_timeout_s):
            if self.port:
                transport, _ = await loop.create_connection(
                    make, address or self.host, self.port, ssl=self.tls, server_hostname=name
                )
            else:
                transport, _ = await loop.create_unix_connection(make, self.host)
        return transport


class Upstream:
    """One upstream: its origin, its pool and its pending connects. A subclass defines what a leg
    gets from a connection."""

    def __init__(
        self, origin: Origin, pool: "Pool[Any, Any]", outbox: Outbox | None = None
    ) -> None:
        """Without an `outbox` everything is written at once."""
        self.origin = origin
        self.outbox = outbox or Outbox(most_writes=1)
        self.on_connect: Callable[[Exception | None], None] = lambda error: None
        """Called after every connect, with the error of a failed one."""
        self._pool = pool
        self._resolver = Resolver(origin.host, origin.resolve_interval_s)
        self._connects: set[asyncio.Task[None]] = set()
        self._ticked_at = 0.0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.origin} {self._pool!r}>"

    @property
    def load(self) -> tuple[int, int]:
        """How many legs wait for a connection, and how many connections there are."""
        return self._pool.waiting, self._pool.connections

    # --- what each kind of upstream defines ---

    def make_connection(self) -> "UpstreamConnection":
        raise NotImplementedError

    def connect_failed(self, leg: Any, error: Exception) -> None:
        """Fail `leg` because a connect failed with `error`."""
        raise NotImplementedError

    # --- legs ---

    def start(self, leg: Any, fresh: bool = False) -> bool:
        """Give `leg` a connection now or later; False if it may not even wait.

        `fresh` gives it a new connection, not an idle one.
        """
        assignment = self._pool.assign(leg, fresh)
        if assignment is OPEN:
            self.open()
        elif assignment is REFUSED:
            return False
        elif assignment is not WAIT:
            cast(UpstreamConnection, assignment).serve(leg)
        return True

    def withdraw(self, leg: Any) -> None:
        """Stop `leg` from waiting for a connection."""
        self._pool.withdraw(leg)

    def released(self, connection: "UpstreamConnection") -> None:
        """Give a connection that has served its leg to the next one."""
        if self._pool.is_surplus() or self.is_outdated(connection):
            connection.close()
        elif (leg := self._pool.released(connection)) is not None:
            connection.serve(leg)

    # --- connects ---

    def open(self) -> None:
        task = asyncio.get_running_loop().create_task(self._connect())
        self._connects.add(task)
        task.add_done_callback(self._connects.discard)

    def tick(self, now: float) -> None:
        """Look the upstream's name up again when it is due, and close what is outdated."""
        self._resolver.tick(now)
        self._ticked_at = now
        self.close_outdated()

    def close_outdated(self) -> None:
        """Close the idle connections that serve no further leg."""
        for connection in self._pool.idle:
            if self.is_outdated(connection):
                connection.close()

    def is_outdated(self, connection: "UpstreamConnection") -> bool:
        """Say whether a connection serves no further leg, although it could."""
        if connection.renews_at <= self._ticked_at:
            return True
        return connection.generation != self._resolver.generation and self.has_moved(connection)

    def has_moved(self, connection: "UpstreamConnection") -> bool:
        """Say whether the upstream's name no longer resolves to this connection's address."""
        connection.generation = self._resolver.generation
        return connection.address not in self._resolver.addresses

    def close(self) -> None:
        """Close what is idle or connecting; connections in use end with their legs."""
        self._resolver.close()
        for task in self._connects:
            task.cancel()
        for connection in self._pool.idle:
            connection.close()

    def opened(self, connection: "UpstreamConnection") -> None:
        """Give a new connection to the leg that has waited longest, or keep it idle."""
        self.on_connect(None)
        leg = self._pool.connected(connection)
        if leg is not None:
            connection.serve(leg)

    def closed(self, connection: "UpstreamConnection") -> None:
        self._pool.closed(connection)
        self.open_missing()

    def open_missing(self) -> None:
        """Open connections for the legs that wait without one, as far as the pool allows."""
        for _ in range(self._pool.to_open()):
            self.open()

    def open_failed(self, error: Exception) -> None:
        self.on_connect(error)
        for leg in self._pool.connect_failed():
            self.connect_failed(leg, error)

    async def _connect(self) -> None:
        # TimeoutError, ssl.SSLError and the resolver's gaierror are OSErrors; a name that cannot be
        # encoded is a ValueError.
        try:
            async with asyncio.timeout(self.origin.connect_timeout_s):
                addresses = await self._addresses()
        except (OSError, ValueError) as error:
            self.open_failed(error)
            return
        failure: Exception | None = None
        for address in addresses:
            failure = await self.connect_to(address)
            if failure is None:
                return
            if isinstance(failure, UpstreamRefusedError):
                break  # the other addresses are the same upstream
        assert failure is not None, "a name without addresses"
        self.open_failed(failure)
        # From Python 3.12 on, a traceback's frames know who awaited them: this coroutine would hold
        # itself, and with it the connection, until the garbage collector runs.
        failure = None

    async def connect_to(self, address: str) -> Exception | None:
        """Open a connection for the pool; return the error that prevented it, or None."""
        connection = self.connection_to(address)
        try:
            await self.origin.connect(lambda: connection, address)
        except (OSError, ValueError) as error:
            # A connect that timed out at the very end reaches the pool through connection_lost.
            return None if connection.was_made else error
        return None

    def connection_to(self, address: str) -> "UpstreamConnection":
        """Return a connection that is not made yet."""
        connection = self.make_connection()
        connection.address = address
        connection.generation = self._resolver.generation
        return connection

    async def _addresses(self) -> list[str]:
        return await self._resolver.in_turn() if self.origin.port else [self.origin.host]


class UpstreamConnection(asyncio.Protocol):
    """One socket to an upstream, with everything that both kinds of connection share."""

    __slots__ = (
        "_is_write_paused",
        "_outbox",
        "_parser",
        "_retired",
        "_transport",
        "_upstream",
        "address",
        "generation",
        "renews_at",
    )

    def __init__(self, upstream: Upstream) -> None:
        # per process
        self._outbox = upstream.outbox
        # per connection
        self._upstream = upstream
        self._transport: asyncio.Transport | None = None
        self._parser = NO_PARSER
        self._retired = False
        self._is_write_paused = False
        self.address = ""
        self.generation = 0
        """Generation of the resolver's answer that contained the address."""
        self.renews_at = math.inf
        """When it serves no further leg, on the clock of `tick`."""

    def serve(self, leg: Any) -> None:
        """Serve `leg`, while no other leg is being served."""
        raise NotImplementedError

    def new_parser(self) -> httptools.HttpResponseParser:
        """Return a parser that reports to this connection."""
        parser = httptools.HttpResponseParser(self)
        # RFC 9112, section 7.1.1: white space behind a chunk's size (BWS) must be accepted.
        parser.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)
        return parser

    @property
    def was_made(self) -> bool:
        return self._transport is not None

    def write(self, data: bytes) -> None:
        assert self._transport is not None
        self._outbox.write(self._transport, data)

    def close(self) -> None:
        """Close at once: unsent bytes belong to a request whose response nobody awaits."""
        self.retire()
        assert self._transport is not None
        self._transport.abort()

    def retire(self) -> None:
        """Leave the pool at the first sign of an end: a closing socket serves no other leg."""
        if not self._retired:
            self._retired = True
            self._upstream.closed(self)

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self._parser = self.new_parser()
        self._upstream.opened(self)

    def eof_received(self) -> None:
        self.retire()

    def connection_lost(self, exc: Exception | None) -> None:
        self.retire()
        self._parser = NO_PARSER

    def pause_writing(self) -> None:
        self._is_write_paused = True

    def resume_writing(self) -> None:
        self._is_write_paused = False


def log_bug(error: Exception) -> None:
    """Log an exception of a parser's callback that is our own bug."""
    cause = error.__context__
    is_of_callback = isinstance(error, httptools.HttpParserCallbackError)
    if is_of_callback and not isinstance(cause, RemoteProtocolError):
        log.error("unexpected error while reading a response", exc_info=cause)

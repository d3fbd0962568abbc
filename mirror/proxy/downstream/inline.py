"""Mode inline: a client's connection whose requests we proxy, in order.

Requests that a client pipelines wait their turn unread. One exchange is in inline_exchange.py.
"""

import asyncio
from collections import deque
from hashlib import blake2b

from mirror.config import Config
from mirror.core.hop import Hop
from mirror.core.http1 import NONE, error_response
from mirror.core.pool import Pool
from mirror.core.request_head import RequestHead
from mirror.errors import RemoteProtocolError
from mirror.proxy.downstream.acceptor import Acceptor
from mirror.proxy.downstream.connection import NEVER, DownstreamConnection
from mirror.proxy.downstream.inline_exchange import InlineExchange, Primary
from mirror.proxy.tee import Tee
from mirror.proxy.upstream.origins import primary_origin
from mirror.proxy.upstream.relaying import RelayingUpstream

_MOST_IDLE_CONNECTIONS = 256


def pseudonym_of(config: Config) -> bytes:
    """Return the name of this sidecar in Via, the same in all its workers.

    Another sidecar differs in its instance or in where it listens, also on the same host.
    """
    identity = "\n".join((config.instance, *map(str, config.listen)))
    return b"kagami-" + blake2b(identity.encode(), digest_size=4).hexdigest().encode()


class InlineAcceptor(Acceptor):
    """The acceptor of mode inline, which adds the primary."""

    def __init__(self, config: Config, tee: Tee) -> None:
        super().__init__(config, tee)
        assert config.primary is not None
        self._upstream = RelayingUpstream(
            primary_origin(config),
            Pool(None, 0, _MOST_IDLE_CONNECTIONS),
            tee.outbox,
        )
        self.primary = Primary(self._upstream, tee, config.timeouts.primary)
        self.extends_forwarded = config.forwarded == "append"
        self.hop = Hop(pseudonym_of(config))

    def tick(self, now: float) -> None:
        super().tick(now)
        self._upstream.tick(now)


class InlineConnection(DownstreamConnection):
    """One connection from nginx (or any client) that we proxy."""

    __slots__ = ("_held", "_is_starting", "_pipeline", "_refusal", "_shared")

    def __init__(self, acceptor: InlineAcceptor) -> None:
        super().__init__(acceptor)
        self._shared = acceptor
        self._pipeline: deque[InlineExchange] = deque()
        """The current exchange, followed by those that were read after it."""
        self._refusal: bytes | None = None
        """The response to a malformed request that followed other requests."""
        self._is_starting = False
        self._held = b""
        """Bytes after an upgrade request, held until the upgrade is decided."""

    @property
    def is_idle(self) -> bool:
        return not self._pipeline

    # --- DownstreamConnection ---

    def request_begun(self, head: RequestHead) -> None:
        pipeline = self._pipeline
        if pipeline and pipeline[-1].is_last:
            # The parser continues after an HTTP/1.0 request with keep-alive; we do not.
            raise RemoteProtocolError(400, "after_close")
        exchange = InlineExchange(self._shared.primary, head, self, self._exchange_ended)
        if not pipeline:
            self.set_deadline(NEVER)
            pipeline.append(exchange)
            if head.framing is not NONE:
                exchange.start()
        else:
            pipeline.append(exchange)
            self.pause_reading()  # further requests wait in the socket

    def request_body(self, data: bytes) -> None:
        if self._pipeline:
            self._pipeline[-1].relay_body(data)

    def request_ended(self, trailers: list[bytes]) -> None:
        pipeline = self._pipeline
        if not pipeline:
            return
        exchange = pipeline[-1]
        exchange.end_request(trailers)
        if exchange.head.framing is NONE and pipeline[0] is exchange:
            exchange.start()
        exchange.end(trailers)

    def request_broken(self) -> bool:
        if not self._pipeline:
            return True
        exchange = self._pipeline[-1]
        if exchange.is_request_complete:
            return False
        may_answer = not exchange.has_answered
        self._pipeline.pop()
        exchange.leave()
        return may_answer

    def refuse(self, status: int, reason: str) -> None:
        pipeline = self._pipeline
        is_alone = not pipeline or (len(pipeline) == 1 and not pipeline[0].is_request_complete)
        if self.is_closing or is_alone:
            super().refuse(status, reason)
            return
        # Requests before the malformed one are answered first.
        self.request_broken()
        self.stop_reading()
        if not pipeline[-1].is_last:  # what follows a last request is not read
            self._tee.refused(reason)
            self._refusal = error_response(status, close=True)

    def expire(self) -> None:
        pipeline = self._pipeline
        if not pipeline or (pipeline[0].is_uploading and not self.is_reading_paused):
            super().expire()  # we are waiting for the client
        else:
            self.set_deadline(NEVER)
            pipeline[0].time_out()

    def behind_upgrade(self, data: bytes) -> bytes:
        if not self._pipeline or not self._pipeline[-1].head.upgrade:
            return data
        self._held += data
        self.pause_reading()
        return b""

    def resume_reading(self) -> None:
        # Bytes after an upgrade request are no request until the upgrade is decided.
        if not self._pipeline or not self._pipeline[-1].head.upgrade:
            super().resume_reading()

    def take_held(self) -> bytes:
        held, self._held = self._held, b""
        return held

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._shared.extends_forwarded:
            address = transport.get_extra_info("peername")
            # A unix socket has no address; nginx writes `unix:` for it.
            shown = address[0] if isinstance(address, tuple) else "unix:"
            self._hop = self._shared.hop.with_address(shown.encode())
        else:
            self._hop = self._shared.hop

    def eof_received(self) -> bool:
        super().eof_received()
        if self._pipeline and not self._pipeline[-1].is_request_complete:
            self.request_broken()  # the end of the request will never arrive
        return bool(self._pipeline)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._leave_rest()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._pipeline:
            self._pipeline[0].pause_response()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._pipeline:
            self._pipeline[0].resume_response()
        else:
            self.resume_reading()

    # --- inside ---

    def _exchange_ended(self, exchange: InlineExchange, close: bool) -> None:
        """Continue with the next request after a response, or an error in its place, is written."""
        pipeline = self._pipeline
        if not pipeline or pipeline[0] is not exchange:
            return
        pipeline.popleft()
        if close:
            self._leave_rest()
            self.close()
        elif pipeline:
            if len(pipeline) == 1:
                self.resume_reading()
            self._start_next()
        elif self._refusal is not None:
            self.write(self._refusal)
            self.close()
        elif self.must_not_wait:
            self.close()
        else:
            self.wait_for_request()
            if not self.is_write_paused:
                self.resume_reading()
            if self._held:
                self.data_received(self.take_held())

    def _start_next(self) -> None:
        """Start the first exchange; a loop, as exchanges that end at once would nest too deep."""
        if self._is_starting:
            return
        self._is_starting = True
        started: InlineExchange | None = None
        while self._pipeline and self._pipeline[0] is not started:
            started = self._pipeline[0]
            started.start()
        self._is_starting = False

    def _leave_rest(self) -> None:
        while self._pipeline:
            self._pipeline.pop().leave()

"""Connections whose responses somebody receives: one leg at a time, read in full.

What one read of the socket brings is parsed completely and then handed to the leg in one call. If a
response turns out to be malformed within the read that began it, the leg never sees it begin.
"""

import asyncio
from typing import Protocol

import httptools

from mirror.core import http1, ledger
from mirror.core.opaque_head import OpaqueHead, read_opaque_response, response_head_end
from mirror.core.response_head import ResponseHead, read_response_head
from mirror.errors import RemoteProtocolError
from mirror.proxy.upstream.connection import Upstream, UpstreamConnection, log_bug


class RelayedLeg(Protocol):
    """One attempt to one upstream. The calls come in this order:

    on_assigned, on_informational for each 1xx, on_response once or more (the head with the first,
    `ended` with the last). on_failure or on_switched may come instead, and are the last call.
    """

    answers_head: bool
    """Whether the request's method is HEAD, so that its response has no body."""

    def on_assigned(self, connection: "RelayingConnection") -> None:
        """Write the request to `connection`."""

    def on_informational(self, head: ResponseHead) -> None: ...

    def on_response(
        self, head: ResponseHead | None, body: bytes, trailers: list[bytes], ended: bool
    ) -> None:
        """Take what one read of the socket brought; `head` comes only with the first call.

        With `ended` the connection no longer belongs to the leg.
        """

    def on_switched(self, head: ResponseHead, rest: bytes) -> None:
        """The upstream answered 101: the connection belongs to the leg until it is lost."""

    def on_failure(self, outcome: str, is_stale: bool) -> None:
        """`is_stale`: the connection served before, and closed without a byte of this answer."""

    def on_writable(self, writable: bool) -> None:
        """Apply or release back-pressure on the request body."""


class RelayingUpstream(Upstream):
    """An upstream whose responses are passed on to their legs."""

    def make_connection(self) -> "RelayingConnection":
        return RelayingConnection(self)

    def connect_failed(self, leg: RelayedLeg, error: Exception) -> None:
        leg.on_failure(ledger.CONNECT_FAILED, is_stale=False)


class RelayingConnection(UpstreamConnection):
    """One socket to an upstream, serving one leg at a time."""

    __slots__ = (
        "_answers_head",
        "_body",
        "_flat",
        "_head",
        "_is_head_new",
        "_is_refused",
        "_leg",
        "_opaque",
        "_raw_head",
        "_reason",
        "_received_any",
        "_request_ended",
        "_response_ended",
        "_served",
        "_stalled_bytes",
        "on_body",
    )

    def __init__(self, upstream: RelayingUpstream) -> None:
        super().__init__(upstream)
        # per connection
        self._body: list[bytes] = []
        self.on_body = self._body.append
        self._served = 0
        # per exchange
        self._leg: RelayedLeg | None = None
        self._answers_head = False
        self._head: ResponseHead | None = None
        self._is_head_new = False
        self._flat: list[bytes] = []
        """Fields of the head, then of the trailers: name, value, name, …"""
        self._reason = b""
        self._raw_head: bytes | None = b""
        """Bytes of an incomplete head; None once a head is complete."""
        self._is_refused = False
        """Whether the parser refused the head in `_raw_head`."""
        self._opaque: OpaqueHead | None = None
        """The head that the parser is being told in plain words."""
        self._received_any = False
        self._stalled_bytes = 0
        self._request_ended = False
        self._response_ended = False

    # --- called by the owner of a leg ---

    def serve(self, leg: RelayedLeg) -> None:
        """Serve `leg`, which writes its request in `on_assigned`."""
        self._leg = leg
        self._answers_head = leg.answers_head
        self._head = None
        self._raw_head = b""
        self._received_any = False
        self._stalled_bytes = 0
        self._request_ended = False
        self._response_ended = False
        leg.on_assigned(self)

    def end_request(self) -> None:
        """Record that the request is written; only now may the connection serve another leg."""
        self._request_ended = True

    def abort(self) -> None:
        """Cut the leg that is being served; it gets no further call."""
        self._leg = None
        self.close()

    def pause_reading(self) -> None:
        assert self._transport is not None
        if self._transport.is_reading():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        assert self._transport is not None
        if not self._transport.is_closing() and not self._transport.is_reading():
            self._transport.resume_reading()

    @property
    def transport(self) -> asyncio.Transport:
        """The transport, for a leg that switched protocols."""
        assert self._transport is not None
        return self._transport

    # --- asyncio.Protocol ---

    def data_received(self, data: bytes) -> None:
        leg = self._leg
        if leg is None:
            self.close()  # a late or surplus response
            return
        self._received_any = True
        self._stalled_bytes += len(data)
        if self._is_refused:
            self._read_opaque(data)
            return
        # An error is handled outside its handler, because that may go on to read requests, whose
        # own errors would get this one as their cause.
        failure: Exception | None = None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            is_of_bytes = not isinstance(error, httptools.HttpParserCallbackError)
            self._is_refused = is_of_bytes and self._raw_head is not None
            failure = error
        except httptools.HttpParserUpgrade as upgrade:
            self._switch(data[upgrade.args[0] :])
            return
        if failure is not None:
            if self._is_refused:
                self._read_opaque(data)
            else:
                self._fail_after(failure)
            failure = None  # its traceback knows this frame: a cycle for the garbage collector
            return
        if self._leg is not leg:
            return  # the owner of the leg aborted it in a callback
        if self._response_ended:
            self._finish(may_reuse=True)
            return
        head = self._take_head()
        body = self._take_body() if self._body else b""
        if head is not None or body:
            self._stalled_bytes = 0
            leg.on_response(head, body, [], ended=False)
        elif self._stalled_bytes > self._upstream.origin.max_head_bytes:
            self._fail()
        elif self._raw_head is not None:
            self._raw_head += data

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        leg, self._leg = self._leg, None
        if leg is None:
            return
        if self._head is not None and self._head.framing is http1.UNTIL_CLOSE and exc is None:
            leg.on_response(None, b"", [], ended=True)
        else:
            leg.on_failure(ledger.RESET, self._served > 0 and not self._received_any)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._leg is not None:
            self._leg.on_writable(False)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._leg is not None:
            self._leg.on_writable(True)

    # --- httptools callbacks; on_body is the list's own append ---

    def on_message_begin(self) -> None:
        if self._response_ended:
            raise RemoteProtocolError(502, "surplus")

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._flat += (name, value)

    def on_headers_complete(self) -> None:
        flat, self._flat = self._flat, []
        reason, self._reason = self._reason, b""
        self._raw_head = None
        if self._opaque is not None:
            flat, reason = self._opaque.flat, self._opaque.reason
            self._opaque = None
        limit = self._upstream.origin.max_head_bytes
        if self._stalled_bytes > limit and http1.fields_size_bytes(flat) > limit:
            raise RemoteProtocolError(502, "head_too_large")
        head = read_response_head(self._parser, reason, flat, self._answers_head)
        if head.status == 101 and not self._parser.should_upgrade():
            raise RemoteProtocolError(502, "upgrade")  # the response does not name the protocol
        if head.status >= 200 or head.status == 101:
            self._head = head
            self._is_head_new = True
            if self._answers_head and head.status >= 200:
                # The parser would wait for the body that the length announces.
                self._response_ended = True
                self._parser = self.new_parser()
        elif self._leg is not None:
            self._stalled_bytes = 0
            self._leg.on_informational(head)

    def on_message_complete(self) -> None:
        if self._head is not None:
            self._response_ended = True

    def _read_opaque(self, data: bytes) -> None:
        """Read a head that the parser refused, and tell a new parser in plain words."""
        assert self._raw_head is not None
        raw = self._raw_head + data
        end, body_at = response_head_end(raw)
        if not body_at and len(raw) <= self._upstream.origin.max_head_bytes:
            self._raw_head = raw
            return
        opaque = read_opaque_response(raw[:end]) if end > 0 else None
        if opaque is None:
            self._fail()
            return
        self._is_refused = False
        self._raw_head = None
        self._parser = self.new_parser()
        self._flat = []
        self._reason = b""
        self._opaque = opaque
        self.data_received(opaque.plain + raw[body_at:])

    # --- ends ---

    def _take_head(self) -> ResponseHead | None:
        if not self._is_head_new:
            return None
        self._is_head_new = False
        return self._head

    def _take_body(self) -> bytes:
        pieces = self._body
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return body

    def _finish(self, may_reuse: bool) -> None:
        """Free the connection of a complete response first, then call the leg."""
        leg, head = self._leg, self._head
        assert leg is not None
        assert head is not None
        new_head = head if self._is_head_new else None
        self._is_head_new = False
        body = self._take_body() if self._body else b""
        if body and self._answers_head:
            body, may_reuse = b"", False
        trailers = self._flat
        if trailers:
            self._flat = []
        self._leg = None
        self._served += 1
        if may_reuse and head.keep_alive and self._request_ended and not self._is_write_paused:
            self._upstream.released(self)
        else:
            self.close()
        leg.on_response(new_head, body, trailers, ended=True)

    def _switch(self, rest: bytes) -> None:
        """Handle a 101: what follows is not HTTP, and the connection serves no other leg."""
        leg, head = self._leg, self._take_head()
        if leg is None or head is None or not head.upgrade:
            self._fail()
            return
        self.retire()
        leg.on_switched(head, rest)

    def _fail_after(self, error: Exception) -> None:
        """Handle an exception of the parser or of a callback in it."""
        if self._response_ended and self._leg is not None:
            # The response was complete, and what follows it is not read.
            self._finish(may_reuse=False)
            return
        log_bug(error)
        self._fail()

    def _fail(self) -> None:
        leg = self._leg
        self.abort()
        if leg is not None:
            leg.on_failure(ledger.PROTOCOL_ERROR, is_stale=False)

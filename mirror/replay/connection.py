"""Connections of a load generator: one request at a time, of its answer only status and end.

Owns its sockets. Framing is checked as strictly as elsewhere, by three callbacks an answer, where
proxy/upstream/relaying.py needs one a header. Requests are never sent behind each other:
what a pipelined request waits for is the one before it, and would be counted as the upstream's.
Must never know when a request is due, nor what is counted of it.
"""

import time
from collections.abc import Callable

import httptools

from mirror.core import http1, ledger
from mirror.core.pool import Pool
from mirror.core.response_head import ResponseHead, read_response_head
from mirror.errors import RemoteProtocolError
from mirror.proxy.upstream.connection import Origin, Upstream, UpstreamConnection, log_bug
from mirror.replay.measurement import Measure

clock = time.perf_counter
"""The loop's own clock is libuv's, which counts milliseconds; this one is monotonic too."""


class Leg:
    """One request in flight."""

    __slots__ = ("connection", "data", "due_at", "is_head", "measure", "sent_at")

    def __init__(self, data: bytes, is_head: bool, due_at: float, measure: Measure) -> None:
        self.data = data
        """The whole request."""
        self.is_head = is_head
        """Its method is HEAD: the answer has no body, whatever length it announces."""
        self.due_at = due_at
        self.sent_at = due_at
        self.measure = measure
        """Of the part of the replay in which it was due."""
        self.connection: LoadConnection | None = None
        """None while it waits for one."""


class LoadUpstream(Upstream):
    """The upstream under load; `ended` hears the one outcome of each leg that is not cut."""

    def __init__(
        self,
        origin: Origin,
        pool: "Pool[LoadConnection, Leg]",
        ended: Callable[[Leg, str, bool], None],
    ) -> None:
        """`ended` gets the leg, its outcome, and whether it was answered."""
        super().__init__(origin, pool)
        self.ended = ended

    def cut(self, leg: Leg) -> bool:
        """Forget `leg`, of which nothing more is heard; False where it was never sent."""
        if leg.connection is None:
            self.withdraw(leg)
            return False
        leg.connection.cut()
        return True

    # --- Upstream ---

    def make_connection(self) -> "LoadConnection":
        return LoadConnection(self)

    def connect_failed(self, leg: Leg) -> None:
        self.ended(leg, ledger.CONNECT_FAILED, False)


class LoadConnection(UpstreamConnection):
    """One socket to the upstream."""

    __slots__ = ("_awaits_head", "_head", "_keep_alive", "_leg", "_load", "_status")

    def __init__(self, upstream: LoadUpstream) -> None:
        super().__init__(upstream)
        self._load = upstream
        # per request
        self._leg: Leg | None = None
        self._status = 0
        """Of the answer that is complete; 0 before."""
        self._keep_alive = False
        self._awaits_head = True
        self._head = b""
        """What came of an answer that one read did not bring whole, as far as its head."""

    def serve(self, leg: Leg) -> None:
        self._leg = leg
        leg.connection = self
        if leg.is_head:
            self._parser = AnswerHead(True, self._head_answered).parser
        leg.sent_at = clock()
        self.write(leg.data)

    def cut(self) -> None:
        self._leg = None
        self.close()

    # --- asyncio.Protocol ---

    def data_received(self, data: bytes) -> None:
        if self._leg is None:
            self.close()  # nobody asked: a late or surplus answer
            return
        is_new = self._awaits_head
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self._status:
                self._finish(may_reuse=False)  # what came behind the answer is not read
                return
            log_bug(error)
            self._fail(ledger.PROTOCOL_ERROR)
            return
        except httptools.HttpParserUpgrade:  # a 101 that nobody asked for
            self._fail(ledger.PROTOCOL_ERROR)
            return
        if self._status:
            self._finish(may_reuse=self._keep_alive)
        elif is_new:
            self._head += data
            if self._awaits_head and len(self._head) > self._upstream.origin.max_head_bytes:
                self._fail(ledger.PROTOCOL_ERROR)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        leg, self._leg = self._leg, None
        if leg is None:
            return
        status = 0 if self._awaits_head or exc is not None else self._until_close()
        if status:
            self._load.ended(leg, ledger.STATUS_CLASSES[status // 100], True)
        else:
            self._load.ended(leg, ledger.RESET, False)

    # --- httptools callbacks ---

    def on_message_begin(self) -> None:
        if self._status:
            raise RemoteProtocolError(502, "surplus")

    def on_headers_complete(self) -> None:
        self._awaits_head = False

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if 200 <= status <= 599:
            self._status = status
            self._keep_alive = self._parser.should_keep_alive()
        elif 100 <= status < 200:
            self._awaits_head = True
            self._head = b""  # bounds what is kept, however many of these come
        else:
            raise RemoteProtocolError(502, "status")

    # --- ends ---

    def _head_answered(self, head: ResponseHead) -> None:
        self._status = head.status
        self._keep_alive = head.keep_alive

    def _until_close(self) -> int:
        """The status, where the close was the announced end of the answer; else 0."""
        answer = AnswerHead(False, lambda head: None)
        try:
            answer.parser.feed_data(self._head)
        except httptools.HttpParserError:
            return 0
        head = answer.head
        return head.status if head is not None and head.framing is http1.UNTIL_CLOSE else 0

    def _finish(self, may_reuse: bool) -> None:
        """The answer is complete: free the connection first, then tell."""
        leg, status = self._leg, self._status
        assert leg is not None
        self._leg = None
        self._status = 0
        self._awaits_head = True
        self._head = b""
        if may_reuse and not self._is_write_paused:
            if leg.is_head:
                self._parser = httptools.HttpResponseParser(self)
            self._load.released(self)
        else:
            self.close()
        self._load.ended(leg, ledger.STATUS_CLASSES[status // 100], True)

    def _fail(self, outcome: str) -> None:
        leg = self._leg
        self.cut()
        if leg is not None:
            self._load.ended(leg, outcome, False)


class AnswerHead:
    """Reads the head of an answer with its fields: needed for HEAD, and without a length."""

    def __init__(self, answers_head: bool, on_head: Callable[[ResponseHead], None]) -> None:
        self.head: ResponseHead | None = None
        self._answers_head = answers_head
        self._on_head = on_head
        self._flat: list[bytes] = []
        self._reason = b""
        self.parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        if self.head is not None:
            raise RemoteProtocolError(502, "surplus")

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._flat += (name, value)

    def on_headers_complete(self) -> None:
        flat, self._flat = self._flat, []
        reason, self._reason = self._reason, b""
        head = read_response_head(self.parser, reason, flat, self._answers_head)
        if head.status >= 200:
            self.head = head
            self._on_head(head)

    def on_body(self, data: bytes) -> None:
        if self._answers_head:
            raise RemoteProtocolError(502, "surplus")

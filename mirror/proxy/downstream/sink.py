"""Mode sink: nginx serves production and mirrors to us; we acknowledge and pass the copy on.

The 204 is written before anything is done with the request, so that nginx is free again: its
mirror subrequest holds back the next request on the client's connection until it ends.
The 204 has no body: nginx closes its mirror connection after any response that has one.
"""

from mirror.core.http1 import CONTINUE, NO_CONTENT, NO_CONTENT_CLOSE, NONE
from mirror.core.request_head import RequestHead
from mirror.proxy.downstream.acceptor import Acceptor
from mirror.proxy.downstream.connection import NEVER, DownstreamConnection
from mirror.proxy.exchange import Exchange


class SinkConnection(DownstreamConnection):
    """One connection from nginx's `mirror`."""

    __slots__ = ("_exchange",)

    def __init__(self, acceptor: Acceptor) -> None:
        super().__init__(acceptor)
        self._exchange: Exchange | None = None

    @property
    def is_idle(self) -> bool:
        return self._exchange is None

    def request_begun(self, head: RequestHead) -> None:
        self.set_deadline(NEVER)
        self._exchange = Exchange(self._tee, head)
        if head.framing is not NONE:
            self.wait_for_body()
        if head.expects_continue:
            self.write(CONTINUE)

    def request_body(self, data: bytes) -> None:
        if self._exchange is not None:
            self._exchange.add_body(data)
            self.body_came(len(data))

    def request_ended(self, trailers: list[bytes]) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        self._exchange = None
        if exchange.head.keep_alive and not self.must_close:
            self.write(NO_CONTENT)
            self.wait_for_request()
        else:
            self.write(NO_CONTENT_CLOSE)
            self.close()
        exchange.end(trailers)

    def request_broken(self) -> bool:
        if self._exchange is not None:
            self._exchange.abandon()
            self._exchange = None
        return True

    def pause_writing(self) -> None:
        self.pause_reading()

    def resume_writing(self) -> None:
        self.resume_reading()

    def eof_received(self) -> bool:
        super().eof_received()
        return False  # nothing is pending, because every request was acknowledged at once

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.request_broken()

"""One inline exchange with its shadow leg, in process and without sockets.

The downstream connection, the exchange, the tee and both kinds of upstream connection run as in a
worker, over transports that discard what is written. A worker additionally spends CPU per request
in the kernel and the event loop.
"""

import asyncio
from typing import Any

from benchmarks.micro import heads
from benchmarks.micro.harness import Case
from mirror.config import parse
from mirror.core.pool import Pool
from mirror.core.slow_start import SlowStartPool
from mirror.proxy.downstream.inline import InlineAcceptor, InlineConnection
from mirror.proxy.tee import Tee
from mirror.proxy.upstream.discarding import DiscardingUpstream
from mirror.proxy.upstream.relaying import RelayingUpstream

CONFIG = """
mode: inline
listen: 127.0.0.1:1
primary: http://127.0.0.1:2
shadow: {url: "http://127.0.0.1:3"}
routes: ["/watch/{id}", "/api/*", "/static/*"]
"""


class Nowhere(asyncio.Transport):
    """A transport that accepts and discards everything."""

    def write(self, data: Any) -> None:
        pass

    def is_closing(self) -> bool:
        return False


class Primary(RelayingUpstream):
    """A primary whose connects succeed at once with a `Nowhere`."""

    def open(self) -> None:
        self.connection = self.make_connection()
        self.connection.connection_made(Nowhere())


class Shadow(DiscardingUpstream):
    """A shadow whose connects succeed at once with a `Nowhere`."""

    def open(self) -> None:
        self.connection = self.make_connection()
        self.connection.connection_made(Nowhere())


def cases() -> dict[str, Case]:
    name = "inline exchange with its shadow"
    return {
        name: asyncio.run(_exchange(CONFIG)),
        f"{name}, URIs not counted": asyncio.run(_exchange(f"{CONFIG}\nuris: {{most: 0}}")),
    }


async def _exchange(text: str) -> Case:
    config = parse(text)
    tee = Tee(config)
    tee.shadow = shadow = Shadow(tee.shadow.origin, SlowStartPool(1, 8), tee.leg_ended)
    shadow.unread_bytes = 1 << 60  # no tick renews it here
    acceptor = InlineAcceptor(config, tee)
    primary = Primary(acceptor.primary.upstream.origin, Pool(None, 0, 1))
    acceptor.primary.upstream = primary
    downstream = InlineConnection(acceptor)
    downstream.connection_made(Nowhere())
    # No event loop flushes at the end of its turn here.
    start_gathered = tee._start_gathered
    tee._call_soon = lambda callback: None

    def exchange() -> None:
        downstream.data_received(heads.SMALL)
        primary.connection.data_received(heads.RESPONSE)
        start_gathered()
        shadow.connection.data_received(heads.RESPONSE)

    return exchange

"""Checks the acceptor with connections that only record its calls.

test_connection.py and test_sink.py use real connections.
"""

from mirror.proxy.downstream.acceptor import Acceptor
from mirror.proxy.downstream.sink import SinkConnection
from mirror.proxy.tee import Tee
from tests.fakes import FakeTransport, make_config, run


class Noted:
    def __init__(self, expires_at: float = 1.0, is_idle: bool = True) -> None:
        self.expires_at = expires_at
        self.is_idle = is_idle
        self.calls: list[str] = []

    def expire(self) -> None:
        self.calls.append("expire")

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")


def acceptor_of(*connections: Noted, **sections: object) -> Acceptor:
    config = make_config(**sections)
    acceptor = Acceptor(config, Tee(config))
    acceptor.connections.update(connections)
    return acceptor


def test_tick_expires_what_is_due() -> None:
    async def main() -> None:
        early, late = Noted(1.0), Noted(2.0)
        acceptor = acceptor_of(early, late)
        acceptor.tick(1.5)
        assert (early.calls, late.calls) == (["expire"], [])

    run(main)


def test_connection_beyond_the_ceiling_is_not_admitted() -> None:
    async def main() -> None:
        acceptor = acceptor_of(Noted(), max_connections=2)
        assert acceptor.admits()
        acceptor.connections.add(Noted())
        assert not acceptor.admits()
        totals = acceptor.tee.ledger.report(0, 0).totals
        assert totals == {("connections.refused", "other", ""): 1}

    run(main)


def test_draining_closes_what_is_idle_and_cut_aborts_all() -> None:
    async def main() -> None:
        idle, busy = Noted(), Noted(is_idle=False)
        acceptor = acceptor_of(idle, busy)
        acceptor.drain()
        assert (idle.calls, busy.calls) == (["close"], [])
        acceptor.cut()
        assert busy.calls == ["abort"]

    run(main)


def test_connection_that_comes_while_draining_is_closed() -> None:
    async def main() -> None:
        acceptor = acceptor_of()
        acceptor.drain()
        late = SinkConnection(acceptor)
        transport = FakeTransport(late)
        late.connection_made(transport)
        assert transport.is_closing()

    run(main)

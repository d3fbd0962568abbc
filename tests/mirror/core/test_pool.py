"""Checks the decisions of the pool, with the tests in the role of the code that acts on them."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mirror.core.pool import OPEN, REFUSED, WAIT, Pool


def make_pool(
    max_connections: int | None = 2, max_waiting: int = 2, max_idle: int = 2
) -> Pool[str, str]:
    return Pool(max_connections, max_waiting, max_idle)


def connect(pool: Pool[str, str], leg: str, connection: str) -> None:
    assert pool.assign(leg) is OPEN
    assert pool.connected(connection) == leg


def test_first_leg_opens_a_connection() -> None:
    pool = make_pool()
    assert pool.assign("leg 1") is OPEN
    assert pool._open == 1
    assert pool.connected("connection 1") == "leg 1"


def test_warmest_idle_connection_is_reused() -> None:
    pool = make_pool()
    connect(pool, "leg 1", "cold")
    connect(pool, "leg 2", "warm")
    assert pool.released("cold") is None
    assert pool.released("warm") is None
    assert pool.assign("leg 3") == "warm"
    assert pool.assign("leg 4") == "cold"
    assert pool.idle == ()


def test_fresh_leg_leaves_idle_connections_alone() -> None:
    pool = make_pool()
    connect(pool, "leg 1", "connection 1")
    pool.released("connection 1")
    assert pool.assign("leg 2", fresh=True) is OPEN
    assert pool.idle == ("connection 1",)


def test_burst_opens_no_more_than_the_ceiling() -> None:
    pool = make_pool(max_connections=2, max_waiting=4)
    answers = [pool.assign(f"leg {n}") for n in range(7)]
    assert answers == [OPEN, OPEN, WAIT, WAIT, WAIT, WAIT, REFUSED]
    assert pool._open == 2


def test_pool_without_ceiling_opens_for_every_leg() -> None:
    pool = make_pool(max_connections=None, max_waiting=0)
    assert {pool.assign(f"leg {n}") for n in range(50)} == {OPEN}


def test_released_connection_serves_the_longest_waiting() -> None:
    pool = make_pool(max_connections=1, max_waiting=2)
    connect(pool, "leg 1", "connection 1")
    assert pool.assign("leg 2") is WAIT
    assert pool.assign("leg 3") is WAIT
    assert pool.released("connection 1") == "leg 2"
    assert pool.released("connection 1") == "leg 3"
    assert pool.released("connection 1") is None


def test_late_connection_is_idle_when_its_leg_was_served() -> None:
    pool = make_pool(max_connections=2)
    connect(pool, "leg 1", "connection 1")
    assert pool.assign("leg 2") is OPEN
    assert pool.released("connection 1") == "leg 2"
    assert pool.connected("connection 2") is None
    assert pool.idle == ("connection 2",)


def test_failed_connect_fails_one_leg_while_others_serve() -> None:
    pool = make_pool(max_connections=2, max_waiting=4)
    connect(pool, "leg 1", "connection 1")
    assert pool.assign("leg 2") is OPEN
    assert pool.assign("leg 3") is WAIT
    assert pool.connect_failed() == ["leg 2"]
    assert pool.released("connection 1") == "leg 3"


def test_last_failed_connect_fails_all_that_wait() -> None:
    pool = make_pool(max_connections=1, max_waiting=4)
    assert pool.assign("leg 1") is OPEN
    assert pool.assign("leg 2") is WAIT
    assert pool.connect_failed() == ["leg 1", "leg 2"]
    assert pool._open == 0


def test_failed_connect_of_a_served_leg_fails_none() -> None:
    pool = make_pool(max_connections=2)
    connect(pool, "leg 1", "connection 1")
    assert pool.assign("leg 2") is OPEN
    assert pool.released("connection 1") == "leg 2"
    assert pool.connect_failed() == []


def test_closed_connection_is_replaced_for_those_that_wait() -> None:
    pool = make_pool(max_connections=2, max_waiting=4)
    connect(pool, "leg 1", "connection 1")
    connect(pool, "leg 2", "connection 2")
    assert pool.assign("leg 3") is WAIT
    assert pool.assign("leg 4") is WAIT
    pool.closed("connection 1")
    assert pool.to_open() == 1
    pool.closed("connection 2")
    assert pool.to_open() == 1
    assert pool.to_open() == 0, "one is opening for each leg that waits"
    assert pool.connected("connection 3") == "leg 3"
    assert pool.connected("connection 4") == "leg 4"


def test_closed_connection_is_not_replaced_without_need() -> None:
    pool = make_pool()
    connect(pool, "leg 1", "connection 1")
    pool.closed("connection 1")
    assert pool.to_open() == 0
    assert pool._open == 0


def test_leg_with_a_connection_opening_needs_no_other() -> None:
    pool = make_pool(max_connections=2)
    connect(pool, "leg 1", "connection 1")
    assert pool.assign("leg 2") is OPEN
    pool.closed("connection 1")
    assert pool.to_open() == 0


def test_closed_idle_connection_is_never_given_out() -> None:
    pool = make_pool()
    connect(pool, "leg 1", "connection 1")
    pool.released("connection 1")
    pool.closed("connection 1")
    assert pool.assign("leg 2") is OPEN


def test_idle_connections_above_the_limit_are_surplus() -> None:
    pool = make_pool(max_connections=None, max_waiting=0, max_idle=1)
    connect(pool, "leg 1", "connection 1")
    connect(pool, "leg 2", "connection 2")
    assert not pool.is_surplus()
    pool.released("connection 1")
    assert pool.is_surplus()
    pool.assign("leg 3", fresh=True)
    assert not pool.is_surplus()


def test_withdrawn_leg_is_never_served() -> None:
    pool = make_pool()
    assert pool.assign("leg 1") is OPEN
    pool.withdraw("leg 1")
    pool.withdraw("leg 1")
    assert pool.connected("connection 1") is None


def test_pool_shows_its_counts() -> None:
    pool = make_pool(max_connections=1)
    pool.assign("leg 1")
    assert repr(pool) == "<Pool open=1 idle=0 waiting=1>"


class AnyHistory(RuleBasedStateMachine):
    """Tries any order of events: each leg is served exactly once, and the ceiling holds."""

    CEILING = 3

    def __init__(self) -> None:
        super().__init__()
        self.pool: Pool[int, int] = Pool(self.CEILING, max_waiting=4, max_idle=2)
        self.number = 0
        self.opening = 0
        self.serving: dict[int, int] = {}
        self.waiting: set[int] = set()

    def take(self, connection: int, leg: int | None) -> None:
        if leg is not None:
            assert leg in self.waiting
            self.waiting.remove(leg)
            self.serving[connection] = leg

    def close(self, connection: int) -> None:
        self.pool.closed(connection)
        self.opening += self.pool.to_open()

    @rule(fresh=st.booleans())
    def leg_arrives(self, fresh: bool) -> None:
        self.number += 1
        fresh = fresh and self.pool._open < self.CEILING  # never fresh at the ceiling
        answer: Any = self.pool.assign(self.number, fresh)
        if answer is OPEN:
            self.opening += 1
            self.waiting.add(self.number)
        elif answer is WAIT:
            self.waiting.add(self.number)
        elif answer is not REFUSED:
            assert answer not in self.serving
            self.serving[answer] = self.number

    @precondition(lambda self: self.opening)
    @rule()
    def connect_succeeds(self) -> None:
        self.opening -= 1
        self.number += 1
        self.take(self.number, self.pool.connected(self.number))

    @precondition(lambda self: self.opening)
    @rule()
    def connect_fails(self) -> None:
        self.opening -= 1
        self.waiting -= set(self.pool.connect_failed())

    @precondition(lambda self: self.serving)
    @rule(data=st.data())
    def response_ends(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from(sorted(self.serving)))
        del self.serving[connection]
        if self.pool.is_surplus():
            self.close(connection)
        else:
            self.take(connection, self.pool.released(connection))

    @precondition(lambda self: self.serving or self.pool.idle)
    @rule(data=st.data())
    def connection_closes(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from(sorted({*self.serving, *self.pool.idle})))
        self.serving.pop(connection, None)
        self.close(connection)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leg_withdraws(self, data: st.DataObject) -> None:
        leg = data.draw(st.sampled_from(sorted(self.waiting)))
        self.waiting.remove(leg)
        self.pool.withdraw(leg)

    @invariant()
    def counts_agree(self) -> None:
        idle = self.pool.idle
        assert self.pool.connections == self.opening + len(self.serving) + len(idle)
        assert self.pool.connections <= self.CEILING
        assert self.pool.waiting == max(0, len(self.waiting) - self.opening)
        assert len(set(idle)) == len(idle)

    @invariant()
    def somebody_will_serve_who_waits(self) -> None:
        if self.waiting:
            assert self.opening or self.serving
            assert not self.pool.idle or self.opening


TestAnyHistory = AnyHistory.TestCase

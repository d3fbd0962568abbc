"""Checks the slow start of the pool, with the tests in the role of the code that acts on it."""

import math

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mirror.core.pool import OPEN, REFUSED, WAIT
from mirror.core.slow_start import WINDOW, SlowStartPool


class Leg:
    def __init__(self, number: int = 0, expires_at: float = 0.0) -> None:
        self.number = number
        self.expires_at = expires_at


class Connection:
    def __init__(self) -> None:
        self.has_answered = False


Pool = SlowStartPool[Connection, Leg]


def crowded_pool() -> Pool:
    """Return a pool in which more legs wait than it may open connections."""
    pool: Pool = SlowStartPool(max_connections=1000, max_waiting=1000)
    for number in range(1000):
        pool.assign(Leg(number))
    return pool


def open_all(pool: Pool) -> list[Connection]:
    """Open every connection that the pool asks for, each with a leg."""
    connections: list[Connection] = []
    while pool._opening or pool.to_open():
        connections.append(Connection())
        assert pool.connected(connections[-1]) is not None
    return connections


def answer(pool: Pool, connection: Connection) -> None:
    connection.has_answered = True
    pool.answered()


def lose(pool: Pool, connection: Connection) -> int:
    """Lose a connection; return the number of connections to open in its place."""
    pool.closed(connection)
    return pool.to_open()


def test_legs_beyond_the_window_wait() -> None:
    pool: Pool = SlowStartPool(max_connections=1000, max_waiting=2)
    answers = [pool.assign(Leg()) for _ in range(WINDOW + 3)]
    assert answers == [OPEN] * WINDOW + [WAIT, WAIT, REFUSED]


def test_ceiling_holds_within_the_window() -> None:
    pool: Pool = SlowStartPool(max_connections=2, max_waiting=1)
    assert [pool.assign(Leg()) for _ in range(4)] == [OPEN, OPEN, WAIT, REFUSED]


def test_window_of_all_connections_bounds_nothing() -> None:
    pool: Pool = SlowStartPool(max_connections=100, max_waiting=0, window=100)
    assert [pool.assign(Leg()) for _ in range(101)] == [OPEN] * 100 + [REFUSED]


def test_few_are_opened_at_a_time() -> None:
    pool = crowded_pool()
    for connection in open_all(pool):
        answer(pool, connection)
    assert pool.to_open() == WINDOW, "though more may be without an answer"
    assert pool.to_open() == 0


def test_upstream_without_answers_holds_few_connections() -> None:
    assert len(open_all(crowded_pool())) == WINDOW


def test_each_first_answer_makes_the_window_larger() -> None:
    pool = crowded_pool()
    first, *others = open_all(pool)
    answer(pool, first)
    assert len(open_all(pool)) == 2, "one in its place and one more"
    for connection in others:
        answer(pool, connection)
    assert pool._open == WINDOW + 2
    open_all(pool)
    assert pool._open == 3 * WINDOW


def test_window_starts_again_when_a_connection_ends_unanswered() -> None:
    pool = crowded_pool()
    first, *others = open_all(pool)
    for connection in others:
        answer(pool, connection)
    unanswered = [first, *open_all(pool)]
    assert len(unanswered) == 2 * WINDOW - 1
    while len(unanswered) > WINDOW:
        assert lose(pool, unanswered.pop()) == 0
    assert lose(pool, unanswered.pop()) == 1


def test_answered_connection_that_ends_leaves_the_window_alone() -> None:
    pool = crowded_pool()
    first, *_ = open_all(pool)
    answer(pool, first)
    open_all(pool)
    assert lose(pool, first) == 0, "as many as before are without an answer"


def test_window_starts_again_when_a_connect_fails() -> None:
    pool = crowded_pool()
    _, *others = open_all(pool)
    for connection in others:
        answer(pool, connection)
    assert pool.to_open() == WINDOW
    pool.connect_failed()
    for _ in range(WINDOW - 1):
        pool.connected(Connection())
    assert pool.to_open() == 0


def test_window_starts_again_when_all_have_answered() -> None:
    pool = crowded_pool()
    connections = open_all(pool)
    pool.expired(math.inf)
    for connection in connections:
        answer(pool, connection)
    for _ in range(1000):
        pool.assign(Leg())
    assert len(open_all(pool)) == WINDOW


def test_legs_expire_in_the_order_of_their_arrival() -> None:
    pool: Pool = SlowStartPool(2, 4)
    for number in (1, 2, 3):
        pool.assign(Leg(number, expires_at=float(number)))
    assert pool.expired(0.5) == []
    assert [leg.number for leg in pool.expired(2.0)] == [1, 2]
    assert [leg.number for leg in pool.expired(math.inf)] == [3]
    assert pool.expired(math.inf) == []


class AnyHistory(RuleBasedStateMachine):
    """Tries any order of events: each leg is served once and in order, and the ceilings hold."""

    CEILING = 5
    FIRST_WINDOW = 2

    def __init__(self) -> None:
        super().__init__()
        self.pool: Pool = SlowStartPool(self.CEILING, 4, self.FIRST_WINDOW)
        self.arrived = 0
        self.opening = 0
        self.waiting: list[int] = []
        self.serving: dict[Connection, None] = {}  # a set has no stable order

    def take(self, connection: Connection, leg: Leg | None) -> None:
        assert connection not in self.serving
        if leg is not None:
            assert leg.number == self.waiting.pop(0)
            self.serving[connection] = None

    @rule()
    def leg_arrives(self) -> None:
        self.arrived += 1
        assignment = self.pool.assign(Leg(self.arrived, float(self.arrived)))
        if isinstance(assignment, Connection):
            self.serving[assignment] = None
        elif assignment is not REFUSED:
            self.waiting.append(self.arrived)
            self.opening += assignment is OPEN

    @rule()
    def time_passes_to_a_tick(self) -> None:
        self.opening += self.pool.to_open()

    @precondition(lambda self: self.opening)
    @rule()
    def connect_succeeds(self) -> None:
        self.opening -= 1
        connection = Connection()
        self.take(connection, self.pool.connected(connection))

    @precondition(lambda self: self.opening)
    @rule()
    def connect_fails(self) -> None:
        self.opening -= 1
        failed = [leg.number for leg in self.pool.connect_failed()]
        assert failed == self.waiting[: len(failed)]
        del self.waiting[: len(failed)]

    @precondition(lambda self: self.serving)
    @rule(data=st.data(), closes=st.booleans())
    def answer_ends(self, data: st.DataObject, closes: bool) -> None:
        connection = data.draw(st.sampled_from(list(self.serving)))
        del self.serving[connection]
        if not connection.has_answered:
            answer(self.pool, connection)
        if closes:
            self.opening += lose(self.pool, connection)
        else:
            self.take(connection, self.pool.released(connection))

    @precondition(lambda self: self.serving)
    @rule(data=st.data())
    def connection_is_lost(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from(list(self.serving)))
        del self.serving[connection]
        self.opening += lose(self.pool, connection)

    @precondition(lambda self: self.pool.idle)
    @rule()
    def idle_connection_closes(self) -> None:
        self.opening += lose(self.pool, self.pool.idle[0])

    @rule(data=st.data())
    def legs_expire(self, data: st.DataObject) -> None:
        now = data.draw(st.integers(0, self.arrived + 1))
        for leg in self.pool.expired(float(now)):
            assert leg.number == self.waiting.pop(0)
            assert leg.expires_at <= now

    @invariant()
    def counts_agree(self) -> None:
        idle = self.pool.idle
        assert self.pool._open == self.opening + len(self.serving) + len(idle)
        assert self.pool._open <= self.CEILING
        assert self.opening <= self.FIRST_WINDOW
        assert len(set(idle)) == len(idle)
        assert not set(idle) & self.serving.keys()

    @invariant()
    def somebody_will_serve_who_waits(self) -> None:
        if self.waiting:
            assert self.opening or self.serving
            assert not self.pool.idle or self.opening


TestAnyHistory = AnyHistory.TestCase

"""The pool only answers; what it was told to do is done, or not, by these tests."""

import math

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mirror.core.batch_pool import WINDOW, BatchPool
from mirror.core.pool import OPEN


class Leg:
    def __init__(self, number: int, is_alone: bool = False, expires_at: float = 0.0) -> None:
        self.number = number
        self.is_alone = is_alone
        self.expires_at = expires_at

    def __repr__(self) -> str:
        return f"{self.number}{'!' if self.is_alone else ''}"


class Sender:
    """A connection that takes so many legs at once."""

    def __init__(self, most_legs: int = 1) -> None:
        self.most_legs = most_legs
        self.has_answered = False


Pool = BatchPool[Sender, Leg]


def legs_of(text: str) -> list[Leg]:
    """`1 2! 3`: three legs, the second of them alone."""
    return [Leg(int(word.strip("!")), word.endswith("!")) for word in text.split()]


def shown(legs: list[Leg]) -> str:
    return " ".join(map(repr, legs))


def make_pool(max_connections: int = 2, max_waiting: int = 4) -> Pool:
    return BatchPool(max_connections, max_waiting, max_connections)


def pool_with(*connections: Sender, max_waiting: int = 4) -> Pool:
    """A pool with these idle connections and no room for more."""
    pool = make_pool(len(connections), max_waiting)
    pool.wait([Leg(0) for _ in connections])
    assert pool.to_open() == len(connections)
    pool.expired(math.inf)
    for connection in connections:
        assert pool.opened(connection) == []
    assert pool.idle == connections
    return pool


def batches_of(pool: Pool) -> list[tuple[Sender, str]]:
    return [(connection, shown(legs)) for connection, legs in pool.deal()]


# --- dealing ---


def test_unproven_connections_get_one_leg_each() -> None:
    cold, warm = Sender(), Sender()
    pool = pool_with(cold, warm)
    pool.wait(legs_of("1 2 3"))
    assert batches_of(pool) == [(warm, "1"), (cold, "2")], "the warmest first"
    assert pool.next_batch(cold)[0].number == 3


def test_proven_connection_gets_several_legs() -> None:
    connection = Sender(8)
    pool = pool_with(Sender(8), connection)
    pool.wait(legs_of("1 2 3"))
    assert batches_of(pool) == [(connection, "1 2 3")], "to as few connections as they need"


def test_batch_is_no_longer_than_its_connection_takes() -> None:
    one, other = Sender(2), Sender(2)
    pool = pool_with(one, other)
    pool.wait(legs_of("1 2 3 4 5"))
    assert batches_of(pool) == [(other, "1 2"), (one, "3 4")]
    assert shown(pool.next_batch(one)) == "5"


def test_lone_leg_shares_no_batch() -> None:
    one, other = Sender(8), Sender(8)
    pool = pool_with(one, other, Sender(8))
    pool.wait(legs_of("1 2 3! 4! 5"))
    assert [batch for _, batch in batches_of(pool)] == ["1 2", "3!", "4!"]
    assert shown(pool.next_batch(one)) == "5"


def test_nothing_waits_and_nothing_is_dealt() -> None:
    pool = pool_with(Sender())
    assert pool.deal() == []
    assert len(pool.idle) == 1


def test_free_connection_without_legs_is_idle() -> None:
    connection = Sender()
    pool = pool_with(connection)
    pool.wait(legs_of("1"))
    pool.deal()
    assert pool.idle == ()
    assert pool.next_batch(connection) == []
    assert pool.idle == (connection,)


def test_legs_that_were_not_sent_come_first_again() -> None:
    connection = Sender(2)
    pool = pool_with(connection)
    pool.wait(legs_of("1 2 3"))
    ((_, legs),) = pool.deal()
    pool.put_back(legs)
    assert shown(pool.next_batch(connection)) == "1 2"
    assert shown(pool.next_batch(connection)) == "3"


# --- opening ---


def test_connections_are_opened_for_who_waits() -> None:
    pool = make_pool(max_connections=8)
    pool.wait(legs_of("1 2 3"))
    assert pool.to_open() == 3
    assert pool.open_count == 3
    assert pool.to_open() == 0, "they are opening"
    pool.wait(legs_of("4"))
    assert pool.to_open() == 1


def test_ceiling_holds() -> None:
    pool = make_pool(max_connections=2, max_waiting=100)
    pool.wait(legs_of("1 2 3 4 5"))
    assert pool.to_open() == 2
    assert pool.to_open() == 0


def crowded_pool() -> Pool:
    """More legs wait than connections may be opened."""
    pool = make_pool(max_connections=1000, max_waiting=1000)
    pool.wait([Leg(number) for number in range(1000)])
    return pool


def open_all(pool: Pool) -> list[Sender]:
    """Every connection that the pool wants opened, each with a leg."""
    connections = []
    while number := pool.to_open():
        connections += [Sender() for _ in range(number)]
        for connection in connections[-number:]:
            pool.opened(connection)
    return connections


def answer(pool: Pool, connection: Sender) -> None:
    connection.has_answered = True
    pool.answered()


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
    assert pool.open_count == WINDOW + 2
    open_all(pool)
    assert pool.open_count == 3 * WINDOW


def test_window_starts_again_where_a_connection_ends_unanswered() -> None:
    pool = crowded_pool()
    first, *others = open_all(pool)
    for connection in others:
        answer(pool, connection)
    unanswered = [first, *open_all(pool)]
    assert len(unanswered) == 2 * WINDOW - 1
    while len(unanswered) > WINDOW:
        assert pool.closed(unanswered.pop()) is None
    assert pool.closed(unanswered.pop()) is OPEN


def test_window_starts_again_where_a_connect_fails() -> None:
    pool = crowded_pool()
    _, *others = open_all(pool)
    for connection in others:
        answer(pool, connection)
    assert pool.to_open() == WINDOW
    pool.connect_failed()
    for _ in range(WINDOW - 1):
        pool.opened(Sender())
    assert pool.to_open() == 0


def test_window_starts_again_where_all_have_answered() -> None:
    pool = crowded_pool()
    connections = open_all(pool)
    pool.expired(math.inf)
    for connection in connections:
        answer(pool, connection)
    pool.wait([Leg(number) for number in range(1000)])
    assert len(open_all(pool)) == WINDOW


def test_nothing_is_opened_for_nobody() -> None:
    assert make_pool().to_open() == 0


def test_opened_connection_sends_at_once() -> None:
    pool = make_pool()
    pool.wait(legs_of("1"))
    pool.to_open()
    connection = Sender()
    assert shown(pool.opened(connection)) == "1"
    assert pool.idle == ()
    pool.wait(legs_of("2"))
    assert pool.to_open() == 1, "the first is not opening any more"


def test_lost_connection_is_replaced_for_those_that_wait() -> None:
    connection = Sender()
    pool = pool_with(connection)
    pool.wait(legs_of("1 2"))
    pool.deal()
    assert pool.closed(connection) is OPEN
    assert shown(pool.opened(Sender())) == "2"


# --- room ---


def test_room_is_the_queue_and_the_free_connections() -> None:
    pool = make_pool(max_connections=2, max_waiting=4)
    assert pool.room == 6
    pool.wait(legs_of("1 2 3"))
    assert pool.room == 3
    assert pool.to_open() == 2
    assert pool.room == 1, "connections that open are taken"
    first = Sender()
    pool.opened(first)
    assert pool.room == 2
    pool.opened(Sender())
    assert pool.room == 3
    pool.next_batch(first)
    assert pool.room == 4
    pool.next_batch(first)
    assert pool.room == 5, "an idle connection is room for one"


def test_room_is_never_less_than_none() -> None:
    connection = Sender(8)
    pool = pool_with(connection, max_waiting=1)
    pool.wait(legs_of("1 2"))
    ((_, legs),) = pool.deal()
    pool.wait(legs_of("3"))
    pool.put_back(legs)
    assert pool.room == 0


# --- expiry ---


def test_legs_expire_in_the_order_of_their_arrival() -> None:
    pool = make_pool()
    pool.wait([Leg(number, expires_at=float(number)) for number in (1, 2, 3)])
    assert pool.expired(0.5) == []
    assert shown(pool.expired(2.0)) == "1 2"
    assert shown(pool.expired(math.inf)) == "3"
    assert pool.expired(math.inf) == []


class AnyHistory(RuleBasedStateMachine):
    """Any order of events: every leg is dealt in turn and once, and the ceilings hold."""

    CEILING = 3

    def __init__(self) -> None:
        super().__init__()
        self.pool = make_pool(self.CEILING, max_waiting=4)
        self.arrived = 0
        self.opening = 0
        self.waiting: list[int] = []
        self.sending: dict[Sender, list[Leg]] = {}

    def take(self, connection: Sender, legs: list[Leg]) -> None:
        assert connection not in self.sending
        assert len(legs) <= connection.most_legs
        assert len(legs) == 1 or not any(leg.is_alone for leg in legs)
        assert [leg.number for leg in legs] == self.waiting[: len(legs)]
        del self.waiting[: len(legs)]
        if legs:
            self.sending[connection] = legs

    @rule(alone=st.lists(st.booleans(), max_size=6))
    def legs_arrive(self, alone: list[bool]) -> None:
        legs = []
        for is_alone in alone[: self.pool.room]:
            self.arrived += 1
            legs.append(Leg(self.arrived, is_alone, float(self.arrived)))
            self.waiting.append(self.arrived)
        self.pool.wait(legs)
        for connection, batch in self.pool.deal():
            self.take(connection, batch)
        self.opening += self.pool.to_open()

    @precondition(lambda self: self.opening)
    @rule(most_legs=st.integers(1, 4))
    def connect_succeeds(self, most_legs: int) -> None:
        self.opening -= 1
        connection = Sender(most_legs)
        self.take(connection, self.pool.opened(connection))

    @precondition(lambda self: self.opening)
    @rule()
    def connect_fails(self) -> None:
        self.opening -= 1
        failed = [leg.number for leg in self.pool.connect_failed()]
        assert failed == self.waiting[: len(failed)]
        del self.waiting[: len(failed)]

    @precondition(lambda self: self.sending)
    @rule(data=st.data())
    def answers_end(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from(list(self.sending)))
        del self.sending[connection]
        if not connection.has_answered:
            answer(self.pool, connection)
        self.take(connection, self.pool.next_batch(connection))

    @precondition(lambda self: self.sending)
    @rule(data=st.data(), answered=st.integers(0, 4))
    def connection_says_close(self, data: st.DataObject, answered: int) -> None:
        connection = data.draw(st.sampled_from(list(self.sending)))
        rest = self.sending.pop(connection)[answered:]
        self.opening += self.pool.closed(connection) is OPEN
        self.pool.put_back(rest)
        self.waiting[:0] = [leg.number for leg in rest]
        for other, batch in self.pool.deal():
            self.take(other, batch)
        self.opening += self.pool.to_open()

    @precondition(lambda self: self.pool.idle)
    @rule()
    def idle_connection_closes(self) -> None:
        self.opening += self.pool.closed(self.pool.idle[0]) is OPEN

    @rule(data=st.data())
    def time_passes(self, data: st.DataObject) -> None:
        now = data.draw(st.integers(0, self.arrived + 1))
        for leg in self.pool.expired(float(now)):
            assert leg.number == self.waiting.pop(0)
            assert leg.expires_at <= now

    @invariant()
    def counts_agree(self) -> None:
        idle = self.pool.idle
        assert self.pool.open_count == self.opening + len(self.sending) + len(idle)
        assert self.pool.open_count <= self.CEILING
        assert len(set(idle)) == len(idle)
        assert not set(idle) & set(self.sending)

    @invariant()
    def somebody_will_send_who_waits(self) -> None:
        if self.waiting:
            assert self.opening or self.sending
            assert not self.pool.idle or self.opening


TestAnyHistory = AnyHistory.TestCase

"""Connections whose responses nobody gets, in dialogue: what is sent together, how each leg ends.

A leg's request is its name here, so that what was sent reads as `123`: legs 1, 2 and 3 at once.
"""

import gc
import logging
import math
from collections.abc import Callable

import pytest

from mirror.core.batch_pool import WINDOW, BatchPool
from mirror.proxy.upstream.connection import Origin
from mirror.proxy.upstream.discarding import (
    SLOW_S,
    DiscardingConnection,
    DiscardingLeg,
    DiscardingUpstream,
)
from tests.fakes import (
    OK,
    Cut,
    FakeTransport,
    StubUpstream,
    WiredDiscarding,
    both_ways,
    free_port,
    run,
    turns,
    until,
)

CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nabc"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
NOT_MODIFIED = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"
BROKEN = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
OK_CLOSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Now\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"


def leg_of(name: str, expires_at: float = 5.0) -> DiscardingLeg:
    """`a` shares its connection, `A` is alone, `H` asks for a head."""
    leg = DiscardingLeg()
    leg.data = name.encode()
    leg.route = "/a"
    leg.is_head = name == "H"
    leg.is_alone = name.isupper()
    leg.expires_at = expires_at
    return leg


class Play:
    """An upstream that the test plays."""

    def __init__(self, connections: int = 1, waiting: int = 32, most_legs: int = 8) -> None:
        self.upstream = WiredDiscarding(BatchPool(connections, waiting, connections), most_legs)

    def send(self, names: str, expires_at: float = 5.0) -> None:
        self.upstream.send([leg_of(name, expires_at) for name in names])

    def accept(self) -> tuple[DiscardingConnection, FakeTransport]:
        return self.upstream.accept()

    def proven(self) -> tuple[DiscardingConnection, FakeTransport]:
        """A connection that has answered quickly."""
        self.send("0")
        connection, transport = self.accept()
        connection.data_received(OK)
        assert transport.take_written() == b"0"
        assert self.ended() == "2xx: 0"
        return connection, transport

    def ended(self) -> str:
        """What became of which legs since the last look: `2xx: 12, reset: 3`."""
        heard, self.upstream.heard = self.upstream.heard, {}
        names = {
            outcome: b"".join(leg.data for leg in legs).decode() for outcome, legs in heard.items()
        }
        return ", ".join(f"{outcome}: {names[outcome]}" for outcome in sorted(names))

    @property
    def open_count(self) -> int:
        return self.upstream._pool.open_count


def feed(connection: DiscardingConnection, pieces: list[bytes]) -> None:
    for piece in pieces:
        connection.data_received(piece)


# --- one leg ---


@both_ways
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (OK, "2xx"),
        (CHUNKS, "2xx"),
        (NO_CONTENT, "2xx"),
        (NOT_MODIFIED, "3xx"),
        (NOT_FOUND, "4xx"),
        (BROKEN, "5xx"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + EARLY_HINTS + OK, "2xx"),
        (b"HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n", "5xx"),
    ],
)
def test_answer_ends_its_leg_and_the_next_is_sent(cut: Cut, answer: bytes, outcome: str) -> None:
    async def main() -> None:
        play = Play()
        play.send("ab")
        connection, transport = play.accept()
        assert transport.take_written() == b"a", "nothing is known of it yet"
        feed(connection, cut(answer[:-1]))
        assert play.ended() == ""
        connection.data_received(answer[-1:])
        assert play.ended() == f"{outcome}: a"
        assert transport.take_written() == b"b"
        feed(connection, cut(answer))
        assert play.ended() == f"{outcome}: b"
        assert connection in play.upstream._pool.idle

    run(main)


@both_ways
def test_answer_to_head_ends_at_its_head(cut: Cut) -> None:
    async def main() -> None:
        play = Play()
        play.send("HHa")
        connection, transport = play.accept()
        for _ in range(2):
            assert transport.take_written() == b"H"
            feed(connection, cut(EARLY_HINTS + OK_HEAD))
            assert play.ended() == "2xx: H"
        assert transport.take_written() == b"a"
        feed(connection, cut(OK))
        assert play.ended() == "2xx: a"

    run(main)


@pytest.mark.parametrize(
    "surplus", [b"123456789", OK, b"x", OK_HEAD, b"garbage\r\n\r\n"], ids=lambda data: data[:9]
)
def test_body_behind_an_answer_to_head_closes(surplus: bytes) -> None:
    async def main() -> None:
        play = Play()
        play.send("H")
        connection, transport = play.accept()
        connection.data_received(OK_HEAD + surplus)
        assert play.ended() == "2xx: H"
        assert transport.is_aborted
        assert play.open_count == 0

    run(main)


@pytest.mark.parametrize("surplus", [OK, b"H", b"garbage"])
def test_answer_behind_an_answer_to_head_closes(surplus: bytes) -> None:
    async def main() -> None:
        play = Play()
        play.send("H")
        connection, transport = play.accept()
        connection.data_received(BROKEN + surplus)
        assert play.ended() == "5xx: H"
        assert transport.is_aborted

    run(main)


def test_answer_to_head_may_close_its_connection() -> None:
    async def main() -> None:
        play = Play()
        play.send("Ha")
        connection, transport = play.accept()
        connection.data_received(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        assert play.ended() == "2xx: H"
        assert transport.is_aborted
        assert play.accept()[1].written == b"a"

    run(main)


@both_ways
@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 404 No\r\nA: 1\r\n"])
def test_end_of_connection_ends_an_unframed_answer(cut: Cut, head: bytes) -> None:
    async def main() -> None:
        play = Play()
        play.send("ab")
        connection, _ = play.accept()
        feed(connection, cut(head + b"\r\nabc"))
        assert play.ended() == ""
        connection.eof_received()
        connection.connection_lost(None)
        assert play.ended() == ("2xx: a" if b"200" in head else "4xx: a")
        assert play.accept()[1].written == b"b"

    run(main)


@both_ways
@pytest.mark.parametrize("status", [b"000", b"099", b"600", b"999"])
@pytest.mark.parametrize("name", ["a", "H"])
def test_answer_with_no_status_is_none(cut: Cut, name: str, status: bytes) -> None:
    async def main() -> None:
        play = Play()
        play.send(name)
        connection, transport = play.accept()
        feed(connection, cut(b"HTTP/1.1 " + status + b" Hm\r\nContent-Length: 0\r\n\r\n"))
        assert play.ended() == f"protocol_error: {name}"
        assert transport.is_aborted

    run(main)


@pytest.mark.parametrize("status", [b"000", b"099", b"600", b"999"])
def test_unframed_answer_with_no_status_is_none(status: bytes) -> None:
    async def main() -> None:
        play = Play()
        play.send("a")
        connection, _ = play.accept()
        connection.data_received(b"HTTP/1.1 " + status + b" Hm\r\n\r\nabc")
        connection.connection_lost(None)
        assert play.ended() == "protocol_error: a"
        assert play.open_count == 0

    run(main)


@pytest.mark.parametrize(
    ("begun", "error"),
    [
        (b"", None),
        (b"", ConnectionResetError()),
        (OK[:-1], None),
        (b"HTTP/1.1 200", None),
        (EARLY_HINTS, None),
        (CHUNKS[:-1], None),
        (UNTIL_CLOSE, ConnectionResetError()),
    ],
)
def test_lost_connection_is_a_reset(begun: bytes, error: Exception | None) -> None:
    async def main() -> None:
        play = Play()
        play.send("a")
        connection, _ = play.accept()
        if begun:
            connection.data_received(begun)
        connection.connection_lost(error)
        assert play.ended() == "reset: a"
        assert play.open_count == 0

    run(main)


# --- what must not be believed ---


@both_ways
@pytest.mark.parametrize(
    "answer",
    [
        b"garbage that is no response\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 600 Hm\r\nContent-Length: 0\r\n\r\n",
        SWITCHING,
    ],
)
@pytest.mark.parametrize("name", ["a", "H"])
def test_bad_answer_fails_its_leg(cut: Cut, answer: bytes, name: str) -> None:
    async def main() -> None:
        play = Play()
        play.send(name + "b")
        connection, transport = play.accept()
        feed(connection, cut(answer))
        assert play.ended() == f"protocol_error: {name}"
        assert transport.is_aborted
        assert play.accept()[1].written == b"b", "the next leg has done nothing"

    run(main)


@both_ways
def test_bad_chunk_fails_its_leg(cut: Cut) -> None:
    async def main() -> None:
        play = Play()
        play.send("a")
        connection, transport = play.accept()
        feed(connection, cut(CHUNKS[:-11] + b"zz\r\n"))
        assert play.ended() == "protocol_error: a"
        assert transport.is_aborted

    run(main)


@pytest.mark.parametrize("surplus", [OK, NO_CONTENT, b"garbage", b"H"])
def test_surplus_bytes_are_never_the_next_answer(surplus: bytes) -> None:
    async def main() -> None:
        play = Play()
        play.send("ab")
        connection, transport = play.accept()
        connection.data_received(OK + surplus)
        assert play.ended() == "2xx: a"
        assert transport.is_aborted
        assert transport.written == b"a"
        assert play.accept()[1].written == b"b"

    run(main)


def test_unasked_answer_closes_an_idle_connection() -> None:
    async def main() -> None:
        play = Play()
        connection, transport = play.proven()
        connection.data_received(OK)
        assert transport.is_aborted
        assert (play.ended(), play.open_count) == ("", 0)
        connection.connection_lost(None)
        play.upstream.tick(math.inf)

    run(main)


def test_idle_connection_may_end() -> None:
    async def main() -> None:
        play = Play()
        connection, _ = play.proven()
        connection.eof_received()
        connection.connection_lost(None)
        assert (play.ended(), play.open_count) == ("", 0)

    run(main)


def test_bug_in_an_outcome_is_logged_and_fails_the_leg(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(DiscardingConnection):
        def answered(self, status: int, keep_alive: bool) -> None:
            raise ZeroDivisionError

    async def main() -> None:
        play = Play()
        play.upstream.make_connection = lambda: Broken(play.upstream)  # type: ignore[method-assign]
        play.send("a")
        connection, transport = play.accept()
        with caplog.at_level(logging.ERROR):
            connection.data_received(OK)
        assert "unexpected error" in caplog.text
        assert play.ended() == "protocol_error: a"
        assert transport.is_aborted

    run(main)


# --- several legs on one connection ---


def test_proven_connection_sends_legs_together() -> None:
    async def main() -> None:
        play = Play(most_legs=3)
        connection, transport = play.proven()
        play.send("abcde")
        assert transport.take_written() == b"abc"
        connection.data_received(OK * 3)
        assert play.ended() == "2xx: abc"
        assert transport.take_written() == b"de"

    run(main)


@both_ways
def test_answers_belong_to_legs_in_order(cut: Cut) -> None:
    async def main() -> None:
        play = Play()
        connection, _ = play.proven()
        play.send("abcdef")
        feed(connection, cut(OK + NOT_FOUND + EARLY_HINTS + CHUNKS + BROKEN + NOT_MODIFIED))
        assert play.ended() == "2xx: ac, 3xx: e, 4xx: b, 5xx: d"
        assert [leg.data for leg in connection.legs] == [b"f"]
        feed(connection, cut(OK))
        assert play.ended() == "2xx: f"

    run(main)


def test_answers_may_come_in_any_number_of_reads() -> None:
    async def main() -> None:
        play = Play()
        connection, transport = play.proven()
        play.send("abc")
        feed(connection, [OK + OK[:5], OK[5:], OK])
        assert play.ended() == "2xx: abc"
        assert transport.take_written() == b"abc"
        play.send("de")
        assert transport.written == b"de", "quick, and proven still"

    run(main)


@pytest.mark.parametrize("name", ["A", "H"])
def test_lone_leg_waits_for_its_own_turn(name: str) -> None:
    async def main() -> None:
        play = Play()
        connection, transport = play.proven()
        play.send("ab" + name + "cd")
        assert transport.take_written() == b"ab"
        connection.data_received(OK * 2)
        assert transport.take_written() == name.encode()
        connection.data_received(OK_HEAD if name == "H" else OK)
        assert transport.take_written() == b"cd"
        connection.data_received(OK * 2)
        assert play.ended() == f"2xx: ab{name}cd"

    run(main)


def test_slow_connection_gets_one_leg_at_a_time() -> None:
    async def main() -> None:
        play = Play()
        connection, transport = play.proven()
        play.send("ab")
        assert transport.take_written() == b"ab"
        play.upstream.clock_s += 2 * SLOW_S * 1.01
        connection.data_received(OK * 2)
        play.send("cd")
        assert transport.take_written() == b"c"
        play.upstream.clock_s += SLOW_S * 0.99
        connection.data_received(OK)
        assert transport.take_written() == b"d"
        play.send("ef")
        connection.data_received(OK)
        assert transport.take_written() == b"ef", "it is quick again"

    run(main)


def test_pipelining_may_be_turned_off() -> None:
    async def main() -> None:
        play = Play(most_legs=1)
        connection, transport = play.proven()
        play.send("ab")
        assert transport.take_written() == b"a"

    run(main)


@pytest.mark.parametrize("closing", [OK_CLOSE, b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"])
def test_legs_behind_a_last_answer_are_sent_elsewhere(closing: bytes) -> None:
    async def main() -> None:
        play = Play()
        connection, transport = play.proven()
        play.send("abcd")
        play.send("e")
        connection.data_received(OK + closing)
        assert play.ended() == "2xx: ab"
        assert transport.is_aborted
        second, transport = play.accept()
        assert transport.take_written() == b"c"
        second.data_received(OK)
        assert transport.take_written() == b"de"
        second.data_received(OK * 2)
        assert play.ended() == "2xx: cde"

    run(main)


def test_legs_behind_an_unframed_answer_are_sent_elsewhere() -> None:
    async def main() -> None:
        play = Play()
        connection, _ = play.proven()
        play.send("ab")
        connection.data_received(UNTIL_CLOSE)
        connection.connection_lost(None)
        assert play.ended() == "2xx: a"
        assert play.accept()[1].written == b"b"

    run(main)


@pytest.mark.parametrize("rest", [b"garbage", SWITCHING])
def test_answers_before_a_bad_one_count(rest: bytes) -> None:
    async def main() -> None:
        play = Play()
        connection, transport = play.proven()
        play.send("abc")
        connection.data_received(OK + rest)
        assert play.ended() == "2xx: a, protocol_error: bc"
        assert transport.is_aborted

    run(main)


def test_surplus_behind_a_batch_closes() -> None:
    async def main() -> None:
        play = Play()
        connection, transport = play.proven()
        play.send("ab")
        connection.data_received(OK * 3)
        assert play.ended() == "2xx: ab"
        assert transport.is_aborted

    run(main)


def test_lost_connection_resets_what_was_not_answered() -> None:
    async def main() -> None:
        play = Play()
        connection, _ = play.proven()
        play.send("abc")
        connection.data_received(OK + OK[:-1])
        connection.connection_lost(None)
        assert play.ended() == "2xx: a, reset: bc"

    run(main)


def test_answer_before_the_request_was_sent_closes() -> None:
    async def main() -> None:
        play = Play()
        play.send("ab")
        connection, transport = play.accept()
        connection.pause_writing()
        connection.data_received(OK)
        assert play.ended() == "2xx: a"
        assert transport.is_aborted, "flushing to somebody who does not read would never end"
        assert play.accept()[1].written == b"b"

    run(main)


def test_request_that_was_sent_after_all_keeps_its_connection() -> None:
    async def main() -> None:
        play = Play()
        play.send("a")
        connection, transport = play.accept()
        connection.pause_writing()
        connection.resume_writing()
        connection.data_received(OK)
        assert not transport.is_closing()

    run(main)


# --- several connections ---


def test_legs_wait_for_connections_that_open() -> None:
    async def main() -> None:
        play = Play(connections=2, waiting=2)
        assert play.upstream.room == 4
        play.send("abcd")
        assert (play.upstream.opening, play.upstream.room) == (2, 0)
        first, transport = play.accept()
        assert transport.take_written() == b"a"
        assert play.accept()[1].written == b"b"
        first.data_received(OK)
        assert transport.take_written() == b"cd"

    run(main)


def test_late_connection_is_idle() -> None:
    async def main() -> None:
        play = Play(connections=2)
        play.send("a")
        first, _ = play.accept()
        play.send("b")
        first.data_received(OK)
        second, transport = play.accept()
        assert transport.written == b""
        assert second in play.upstream._pool.idle

    run(main)


def test_refused_connect_fails_who_waited_longest() -> None:
    async def main() -> None:
        play = Play(connections=2)
        play.send("abc")
        play.upstream.refuse()
        assert play.ended() == "connect_failed: a"
        play.upstream.refuse()
        assert play.ended() == "connect_failed: bc", "nobody is left to serve them"

    run(main)


def crowd() -> tuple[Play, list[DiscardingConnection]]:
    """An upstream with more legs than it gets connections before its first answer."""
    play = Play(connections=100, waiting=100)
    play.send("a" * 100)
    connections = [play.accept()[0] for _ in range(WINDOW)]
    assert play.upstream.opening == 0
    return play, connections


def test_first_answer_lets_another_connection_open() -> None:
    async def main() -> None:
        play, (first, *_) = crowd()
        first.data_received(OK)
        play.upstream.tick(0.0)
        assert play.upstream.opening == 2, "one in its place and one more"
        first.data_received(OK)
        play.upstream.tick(0.0)
        assert play.upstream.opening == 2, "it was not the first"

    run(main)


def test_first_answer_may_be_the_only_one() -> None:
    async def main() -> None:
        play, (first, *_) = crowd()
        first.data_received(b"HTTP/1.0 200 OK\r\n\r\n")
        first.eof_received()
        first.connection_lost(None)
        assert play.ended() == "2xx: a"
        assert play.upstream.opening == 2

    run(main)


def test_connections_without_an_answer_are_replaced_when_they_are_cut() -> None:
    async def main() -> None:
        play, _ = crowd()
        play.send("b", expires_at=9.0)
        play.upstream.tick(5.0)
        assert play.ended() == "timeout: " + "a" * 100
        assert play.open_count == play.upstream.opening == 1
        assert play.accept()[1].written == b"b"

    run(main)


# --- time ---


def test_silence_times_out_and_cuts_what_is_behind() -> None:
    async def main() -> None:
        play = Play()
        connection, transport = play.proven()
        legs = [leg_of("a", 1.0), leg_of("b", 2.0), leg_of("c", 3.0)]
        play.upstream.send(legs)
        play.upstream.tick(0.9)
        assert play.ended() == ""
        play.upstream.tick(2.0)
        assert play.ended() == "aborted: c, timeout: ab"
        assert transport.is_aborted
        await turns()
        play.upstream.tick(9.0)
        assert (play.ended(), play.open_count) == ("", 0)

    run(main)


def test_answered_legs_of_a_batch_do_not_time_out() -> None:
    async def main() -> None:
        play = Play()
        connection, _ = play.proven()
        play.upstream.send([leg_of("a", 1.0), leg_of("b", 2.0)])
        connection.data_received(OK)
        play.upstream.tick(1.5)
        assert play.ended() == "2xx: a"
        play.upstream.tick(2.0)
        assert play.ended() == "timeout: b"

    run(main)


def test_endless_answer_times_out() -> None:
    async def main() -> None:
        play = Play()
        play.send("a", expires_at=1.0)
        connection, transport = play.accept()
        connection.data_received(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000)
        play.upstream.tick(1.0)
        assert play.ended() == "timeout: a"
        assert transport.is_aborted

    run(main)


def test_waiting_leg_times_out_unsent() -> None:
    async def main() -> None:
        play = Play()
        play.send("ab", expires_at=1.0)
        play.upstream.tick(1.0)
        assert play.ended() == "timeout: ab"
        assert play.accept()[1].written == b""

    run(main)


def test_legs_that_two_connections_gave_back_end_once() -> None:
    """The younger ones came back last and are first: expiry is not in order any more."""

    async def main() -> None:
        play = Play(connections=2)
        play.send("01")
        one, _ = play.accept()
        other, _ = play.accept()
        one.data_received(OK)
        other.data_received(OK)
        play.upstream.send([leg_of("a", 1.0), leg_of("b", 1.0)])
        play.upstream.send(
            [leg_of(name, at) for name, at in zip("cdef", (2, 2, 2, 3), strict=True)]
        )
        other.data_received(OK_CLOSE)
        one.data_received(OK_CLOSE)
        assert play.ended() == "2xx: 01ac"
        third, transport = play.accept()
        third.data_received(OK)
        assert transport.written == b"d" + b"efb"
        play.upstream.tick(2.5)
        assert play.ended() == "2xx: d, aborted: f, timeout: eb"

    run(main)


# --- ends ---


def test_cut_ends_every_leg_as_aborted() -> None:
    async def main() -> None:
        play = Play()
        connection, transport = play.proven()
        play.send("ab")
        play.send("c")
        play.upstream.cut()
        assert play.ended() in ("aborted: abc", "aborted: cab")
        assert transport.is_aborted
        await turns()
        assert (play.ended(), play.open_count) == ("", 0)

    run(main)


def test_cut_closes_idle_connections() -> None:
    async def main() -> None:
        play = Play()
        _, transport = play.proven()
        play.upstream.cut()
        assert transport.is_aborted
        assert play.ended() == ""

    run(main)


# --- how much is read ---


def test_answers_beyond_the_quota_wait_for_the_next_tick() -> None:
    async def main() -> None:
        play = Play(connections=3)
        play.send("abc")
        pairs = [play.accept() for _ in range(3)]
        piece = b"x" * (1 << 20)
        pairs[0][0].data_received(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(16):
            pairs[0][0].data_received(piece)
        assert [transport.is_reading() for _, transport in pairs] == [False, True, True]
        pairs[1][0].data_received(OK)
        assert play.ended() == "2xx: b", "what came is read"
        assert [transport.is_reading() for _, transport in pairs] == [False, False, True]
        pairs[1][1].abort()
        play.upstream.tick(1.0)
        assert [transport.is_reading() for _, transport in pairs] == [True, False, True]
        pairs[0][0].data_received(piece)
        assert pairs[0][1].is_reading()

    run(main)


# --- on loopback ---


def real(port: int, ended: Callable[..., None]) -> DiscardingUpstream:
    return DiscardingUpstream(Origin("127.0.0.1", port), BatchPool(1, 64, 1), 8, ended)


@pytest.mark.parametrize("use_uvloop", [True, False])
@pytest.mark.parametrize("answer", [OK, CHUNKS, NO_CONTENT])
def test_batches_travel_on_one_connection(use_uvloop: bool, answer: bytes) -> None:
    async def main() -> None:
        outcomes: list[str] = []
        async with StubUpstream() as stub:
            stub._script = stub.answer(answer)
            upstream = real(stub.port, lambda legs, how, _: outcomes.extend([how] * len(legs)))
            for _ in range(4):
                legs = []
                for number in range(10):
                    leg = leg_of("a", upstream.now() + 60)
                    leg.data = b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number
                    legs.append(leg)
                upstream.send(legs)
                await until(lambda: not upstream._in_use and not upstream._connects)
            assert outcomes == ["2xx"] * 40
            assert (len(stub.requests), stub.connections) == (40, 1)
            numbers = [int(request.split()[1][1:]) for request in stub.requests]
            assert numbers == list(range(10)) * 4
            upstream.cut()
            await turns()

    run(main, use_uvloop)


def test_failed_connect_leaves_no_work_for_the_garbage_collector() -> None:
    async def main() -> None:
        outcomes: list[str] = []
        upstream = real(free_port(), lambda _, how, __: outcomes.append(how))
        gc.collect()
        gc.disable()
        try:
            upstream.send([leg_of("a", math.inf)])
            await until(lambda: outcomes == ["connect_failed"])
            await turns()
            left = [found for found in gc.get_objects() if isinstance(found, DiscardingConnection)]
        finally:
            gc.enable()
        assert left == []

    run(main)

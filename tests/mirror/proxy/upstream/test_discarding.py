"""Checks connections that discard responses: what is sent, and how each leg ends.

The name of a leg is also its request: the upstream receives `a`, for example, and `H` is a HEAD
request.
"""

import gc
import logging
import math
from collections.abc import Callable

import pytest

from mirror.core.comparison.answer import UNKNOWN_BYTES
from mirror.core.slow_start import WINDOW, SlowStartPool
from mirror.proxy.upstream.connection import Origin
from mirror.proxy.upstream.discarding import (
    MOST_TEXT_BYTES,
    DiscardingConnection,
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


class Leg:
    def __init__(self, name: str, expires_at: float = 5.0) -> None:
        self.data = name.encode()
        self.is_head = name == "H"
        self.expires_at = expires_at
        self.sent_at = 0.0
        self.status = 0
        self.body_bytes = UNKNOWN_BYTES
        self.opening = b""


class Play:
    """An upstream with the test in the role of the server."""

    def __init__(self, connections: int = 1, waiting: int = 32) -> None:
        self.upstream = WiredDiscarding(SlowStartPool(connections, waiting))

    def send(self, names: str, expires_at: float = 5.0) -> None:
        for name in names:
            assert self.upstream.start(Leg(name, expires_at))

    def accept(self) -> tuple[DiscardingConnection, FakeTransport]:
        return self.upstream.accept()

    def idle(self) -> tuple[DiscardingConnection, FakeTransport]:
        """Return a connection that has answered once and now serves no leg."""
        self.send("0")
        connection, transport = self.accept()
        connection.data_received(OK)
        assert transport.take_written() == b"0"
        assert self.ended() == "2xx: 0"
        return connection, transport

    def ended(self) -> str:
        """Return the outcomes of legs since the last call, such as `2xx: 12, reset: 3`."""
        heard, self.upstream.heard = self.upstream.heard, {}
        names = {
            outcome: b"".join(leg.data for leg in legs).decode() for outcome, legs in heard.items()
        }
        return ", ".join(f"{outcome}: {names[outcome]}" for outcome in sorted(names))

    @property
    def open_count(self) -> int:
        return self.upstream._pool._open


def feed(connection: DiscardingConnection, pieces: list[bytes]) -> None:
    for piece in pieces:
        connection.data_received(piece)


# --- what is kept of an answer ---


def kept_of(play: Play, connection: DiscardingConnection, pieces: list[bytes]) -> Leg:
    """Send one more leg and play its answer; return the leg."""
    leg = Leg("a")
    assert play.upstream.start(leg)
    feed(connection, pieces)
    assert play.ended().endswith(": a")
    return leg


@both_ways
@pytest.mark.parametrize(
    ("answer", "status", "body_bytes", "is_kept"),
    [
        (OK, 200, 2, False),
        (CHUNKS, 200, len(CHUNKS) - CHUNKS.index(b"3;x=y"), False),
        (NO_CONTENT, 204, 0, False),
        (NOT_MODIFIED, 304, 0, False),
        (NOT_FOUND, 404, 2, True),
        (BROKEN, 503, 0, True),
        (b"HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n", 302, 0, True),
        (EARLY_HINTS + OK, 200, 2, False),
    ],
)
def test_status_size_and_unusual_answers_are_kept(
    cut: Cut, answer: bytes, status: int, body_bytes: int, is_kept: bool
) -> None:
    async def main() -> None:
        play = Play()
        connection, _ = play.idle()
        leg = kept_of(play, connection, cut(answer))
        assert leg.status == status
        assert leg.opening.partition(b"\r\n\r\n")[0] == (
            answer.partition(b"\r\n\r\n")[0] if is_kept else b""
        )
        assert leg.body_bytes == body_bytes
        # The next answer begins anew.
        after = kept_of(play, connection, [OK])
        assert (after.status, after.body_bytes, after.opening) == (200, 2, b"")

    run(main)


def test_a_body_is_measured_and_only_its_beginning_kept() -> None:
    async def main() -> None:
        play = Play()
        connection, _ = play.idle()
        head = b"HTTP/1.1 500 No\r\nContent-Length: 100000\r\n\r\n"
        leg = kept_of(play, connection, [head + b"x" * 60_000, b"y" * 30_000, b"z" * 10_000])
        assert leg.body_bytes == 100_000
        assert leg.opening == head + b"x" * MOST_TEXT_BYTES

    run(main)


def test_the_first_answer_of_a_connection_is_kept() -> None:
    async def main() -> None:
        play = Play()
        leg = Leg("a")
        assert play.upstream.start(leg)
        connection, _ = play.accept()
        connection.data_received(OK)
        assert leg.opening == OK

    run(main)


def test_an_answer_that_ends_with_its_connection_is_measured() -> None:
    async def main() -> None:
        play = Play()
        connection, _ = play.idle()
        leg = Leg("a")
        assert play.upstream.start(leg)
        feed(connection, [UNTIL_CLOSE, b"defg"])
        connection.connection_lost(None)
        assert (leg.status, leg.body_bytes) == (200, 7)

    run(main)


def test_the_answer_to_head_has_no_body_and_surplus_makes_a_size_unknown() -> None:
    async def main() -> None:
        play = Play()
        connection, _ = play.idle()
        head = Leg("H")
        assert play.upstream.start(head)
        connection.data_received(OK_HEAD)
        assert (head.status, head.body_bytes, play.ended()) == (200, 0, "2xx: H")
        leg = kept_of(play, connection, [OK + b"HTTP/1.1 200 OK\r\n"])
        assert (leg.status, leg.body_bytes) == (200, UNKNOWN_BYTES)

    run(main)


def test_a_leg_without_an_answer_keeps_nothing() -> None:
    async def main() -> None:
        play = Play()
        connection, _ = play.idle()
        leg = Leg("a")
        assert play.upstream.start(leg)
        connection.data_received(NOT_FOUND[:-1])
        connection.connection_lost(None)
        assert (leg.status, leg.body_bytes, leg.opening) == (0, UNKNOWN_BYTES, b"")

    run(main)


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
        assert transport.take_written() == b"a", "one at a time"
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
@pytest.mark.parametrize("status", [b"000", b"099"])
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


@pytest.mark.parametrize("status", [b"000", b"099"])
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
        (OK_CLOSE[:-1], None),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\no", None),
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


@pytest.mark.parametrize("name", ["a", "H"])
def test_endless_head_fails_its_leg(name: str) -> None:
    async def main() -> None:
        play = Play()
        play.send(name)
        connection, transport = play.accept()
        connection.data_received(EARLY_HINTS + b"HTTP/1.1 200 OK\r\nA: ")
        for _ in range(5):
            connection.data_received(b"x" * 8000)
            assert play.ended() == ""
        connection.data_received(b"x" * 8000)
        assert play.ended() == f"protocol_error: {name}"
        assert transport.is_aborted

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
        connection, transport = play.idle()
        connection.data_received(OK)
        assert transport.is_aborted
        assert (play.ended(), play.open_count) == ("", 0)
        connection.connection_lost(None)
        play.upstream.tick(math.inf)

    run(main)


def test_idle_connection_may_end() -> None:
    async def main() -> None:
        play = Play()
        connection, _ = play.idle()
        connection.eof_received()
        connection.connection_lost(None)
        assert (play.ended(), play.open_count) == ("", 0)

    run(main)


def test_bug_in_a_callback_is_logged_and_fails_the_leg(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(DiscardingConnection):
        def on_headers_complete(self) -> None:
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


@pytest.mark.parametrize("closing", [OK_CLOSE, b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"])
def test_leg_behind_a_last_answer_is_sent_elsewhere(closing: bytes) -> None:
    async def main() -> None:
        play = Play()
        connection, transport = play.idle()
        play.send("ab")
        connection.data_received(closing)
        assert play.ended() == "2xx: a"
        assert transport.is_aborted
        assert play.accept()[1].written == b"b"

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
        play.send("abcd")
        assert not play.upstream.start(Leg("e"))
        assert play.upstream.opening == 2
        first, transport = play.accept()
        assert transport.take_written() == b"a"
        assert play.accept()[1].written == b"b"
        first.data_received(OK)
        assert transport.take_written() == b"c"

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
    """Return an upstream with more legs than connections before its first response."""
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


def test_silence_times_out() -> None:
    async def main() -> None:
        play = Play()
        _, transport = play.idle()
        play.send("a", expires_at=1.0)
        play.upstream.tick(0.9)
        assert play.ended() == ""
        play.upstream.tick(1.0)
        assert play.ended() == "timeout: a"
        assert transport.is_aborted
        await turns()
        play.upstream.tick(9.0)
        assert (play.ended(), play.open_count) == ("", 0)

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


# --- ends ---


def test_cut_ends_every_leg_as_aborted() -> None:
    async def main() -> None:
        play = Play()
        connection, transport = play.idle()
        play.send("ab")
        play.send("c")
        play.upstream.cut()
        assert play.ended() == "aborted: bca"
        assert transport.is_aborted
        await turns()
        assert (play.ended(), play.open_count) == ("", 0)

    run(main)


def test_cut_closes_idle_connections() -> None:
    async def main() -> None:
        play = Play()
        _, transport = play.idle()
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


def real(port: int, ended: Callable[[Leg, str, int], None]) -> DiscardingUpstream:
    return DiscardingUpstream(Origin("127.0.0.1", port), SlowStartPool(1, 64), ended)


@pytest.mark.parametrize("use_uvloop", [True, False])
@pytest.mark.parametrize("answer", [OK, CHUNKS, NO_CONTENT])
def test_legs_travel_on_one_connection_in_order(use_uvloop: bool, answer: bytes) -> None:
    async def main() -> None:
        outcomes: list[str] = []
        async with StubUpstream() as stub:
            stub._script = stub.answer(answer)
            upstream = real(stub.port, lambda leg, outcome, _: outcomes.append(outcome))
            for number in range(40):
                upstream.start(Leg(f"GET /{number} HTTP/1.1\r\nHost: h\r\n\r\n", math.inf))
            await until(lambda: len(outcomes) == 40)
            assert outcomes == ["2xx"] * 40
            assert stub.connections == 1
            assert [int(request.split()[1][1:]) for request in stub.requests] == list(range(40))
            upstream.cut()
            await turns()

    run(main, use_uvloop)


def test_failed_connect_leaves_no_work_for_the_garbage_collector() -> None:
    async def main() -> None:
        outcomes: list[str] = []
        upstream = real(free_port(), lambda _, outcome, __: outcomes.append(outcome))
        gc.collect()
        gc.disable()
        try:
            upstream.start(Leg("a", math.inf))
            await until(lambda: outcomes == ["connect_failed"])
            await turns()
            left = [found for found in gc.get_objects() if isinstance(found, DiscardingConnection)]
        finally:
            gc.enable()
        assert left == []

    run(main)

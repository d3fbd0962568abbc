"""Checks the tee: what each request counts, which legs it gets, and how each leg ends."""

import asyncio
import logging
import time

import pytest

from mirror.core import breaker
from mirror.core.breaker import FIRST_WAIT_S
from mirror.core.budget import PIECE_BYTES
from mirror.core.comparison.answer import NOT_ANSWERED
from mirror.core.http1 import CHUNKED, LENGTH
from mirror.core.request_head import SHADOW_MARK, RequestHead
from mirror.core.slow_start import SlowStartPool
from mirror.process.merger import Merger
from mirror.proxy.exchange import Exchange
from mirror.proxy.recent_ids import RecentIds, create_table
from mirror.proxy.tee import Tee
from mirror.proxy.upstream.discarding import DiscardingConnection
from tests.fakes import (
    OK,
    PATIENCE_S,
    FakeTransport,
    StubUpstream,
    WiredDiscarding,
    make_config,
    run,
    turns,
)


def head_of(
    method: bytes = b"GET", target: bytes = b"/a", length: int = 0, is_shadow: bool = False
) -> RequestHead:
    head = RequestHead(method, 1, keep_alive=True)
    head.target = target
    head.start = b"%b %b HTTP/1.1\r\nHost: h\r\n" % (method, target)
    head.is_shadow = is_shadow
    if length:
        head.framing = LENGTH
        head.content_length = length
    return head


class Play:
    """A tee with the test in the role of the shadow, and its ledger."""

    def __init__(
        self,
        connections: int = 4,
        waiting: int = 4,
        recent_ids: RecentIds | None = None,
        **sections: object,
    ) -> None:
        self.tee = Tee(make_config(**sections), None, recent_ids)
        pool: SlowStartPool[DiscardingConnection, object] = SlowStartPool(connections, waiting)
        self.shadow = WiredDiscarding(pool, self.tee.leg_ended)
        self.shadow.on_connect = self.tee.shadow.on_connect
        self.shadow.spoiled = self.tee.shadow.spoiled
        self.tee.shadow = self.shadow

    def begin(self, head: RequestHead | None = None) -> Exchange:
        return Exchange(self.tee, head or head_of())

    def request(self, head: RequestHead | None = None, body: bytes = b"") -> Exchange:
        """Make one complete request; its legs are sent at the end of the loop's turn."""
        exchange = self.begin(head)
        if body:
            exchange.add_body(body)
        exchange.end([])
        return exchange

    async def send(self, head: RequestHead | None = None, body: bytes = b"") -> Exchange:
        """Make one complete request in its own turn of the loop."""
        exchange = self.request(head, body)
        await turns(1)
        return exchange

    def accept(self) -> tuple[DiscardingConnection, FakeTransport]:
        return self.shadow.accept()

    def tick(self, after_s: float) -> None:
        self.tee.tick(self.tee._now() + after_s)

    def later(self, seconds: float) -> None:
        """Advance the clock of the tee by `seconds`."""
        clock = self.tee._now
        self.tee._now = lambda: clock() + seconds

    def totals(self) -> dict[tuple[str, str, str], int]:
        """Return the totals of the ledger, which must add up."""
        report = self.tee.ledger.report(self.tee.in_flight, self.tee.reading)
        merger = Merger(0)
        merger.worker_started(1)
        merger.worker_reported(1, report)
        assert merger.status()["balanced"], merger.status()
        return report.totals

    def outcomes(self) -> dict[str, int]:
        totals = self.totals()
        return {label: n for (metric, _, label), n in totals.items() if metric == "shadow.requests"}

    def latencies(self) -> dict[tuple[str, str], dict[int, int]]:
        """Return the histograms of the open second."""
        self.tee.ledger.roll(self.tee.ledger.second + 1)
        closed = self.tee.ledger.report(0, 0).seconds
        return closed[-1][2] if closed else {}

    def shed(self) -> dict[str, int]:
        return {label: n for (metric, _, label), n in self.totals().items() if metric == "shed"}


def test_request_is_counted_once_and_sent_once() -> None:
    async def main() -> None:
        play = Play()
        await play.send()
        connection, transport = play.accept()
        assert transport.written == b"GET /a HTTP/1.1\r\nHost: h\r\n" + SHADOW_MARK + b"\r\n"
        assert play.totals() == {("requests", "/a", "safe"): 1, ("shadow.sent", "/a", ""): 1}
        assert play.tee.in_flight == 1
        connection.data_received(OK)
        assert play.outcomes() == {"2xx": 1}
        assert play.tee.in_flight == 0
        assert play.tee.budget.held_bytes == 0

    run(main)


@pytest.mark.parametrize(
    ("method", "target", "key"),
    [
        (b"GET", b"/a", ("requests", "/a", "safe")),
        (b"GET", b"/api/x?y", ("requests", "/api/_", "safe")),
        (b"GET", b"/nowhere", ("requests", "other", "safe")),
        (b"DELETE", b"/a", ("requests", "/a", "unsafe")),
    ],
)
def test_request_is_counted_under_its_route(
    method: bytes, target: bytes, key: tuple[str, str, str]
) -> None:
    async def main() -> None:
        play = Play()
        play.begin(head_of(method, target)).end([])
        assert play.totals()[key] == 1

    run(main)


def test_method_that_is_not_listed_is_left_out() -> None:
    async def main() -> None:
        play = Play()
        await play.send(head_of(b"POST", length=2), b"hi")
        assert play.shadow.opening == 0
        assert play.totals()["not_selected", "/a", "method"] == 1
        assert play.tee.budget.held_bytes == 0

    run(main)


def test_ratio_leaves_out_and_amplifies() -> None:
    async def main() -> None:
        half = Play(connections=50, shadow_ratio=0.5)
        for _ in range(10):
            await half.send()
        assert half.totals()["not_selected", "/a", "ratio"] == 5
        assert half.totals()["shadow.sent", "/a", ""] == 5
        more = Play(connections=50, shadow_ratio=2.5)
        for _ in range(10):
            await more.send()
        assert more.totals()["amplified", "/a", ""] == 15
        assert more.totals()["shadow.sent", "/a", ""] == 25

    run(main)


def test_mirrored_request_is_only_looped() -> None:
    async def main() -> None:
        play = Play()
        await play.send(head_of(is_shadow=True))
        probe = head_of(is_shadow=True)
        probe.is_probe = True
        await play.send(probe)
        assert play.totals() == {("looped", "/a", "copy"): 1, ("looped", "/a", "probe"): 1}
        assert play.shadow.opening == 0

    run(main)


def test_primary_and_malformed_are_counted() -> None:
    async def main() -> None:
        play = Play(shadow_ratio=0)
        exchange = await play.send()
        play.tee.primary_ended(exchange.route, exchange.uri, "5xx", NOT_ANSWERED)
        play.tee.refused("syntax")
        assert play.totals()["primary.requests", "/a", "5xx"] == 1
        assert play.totals()["malformed", "other", "syntax"] == 1

    run(main)


# --- URIs ---


def test_uris_count_what_counts_as_a_request() -> None:
    async def main() -> None:
        recent_ids = RecentIds(create_table())
        play = Play(recent_ids=recent_ids, shadow_ratio=0)
        exchange = await play.send(head_of(target=b"/a?token=x"))
        play.tee.primary_ended(exchange.route, exchange.uri, "2xx", NOT_ANSWERED)
        await play.send(head_of(target=b"/b", is_shadow=True))
        for _ in range(2):
            await play.send(with_id(b"1"))
        play.tee.refused("syntax")
        report = play.tee.report()
        assert report.uris is not None and report.uris.seen == 2
        assert play.totals()["requests", "/a", "safe"] == 2
        found = {(each.uri.names, each.count): each.outcomes for each in report.uris.additions}
        assert found == {(("token",), 1): {"2xx": 1}, ((), 1): {}}
        assert all(each.first == each.last > 0 for each in report.uris.additions)
        recent_ids.close()

    run(main)


def test_uris_are_not_counted_where_that_is_off() -> None:
    async def main() -> None:
        play = Play(uris={"most": 0})
        exchange = await play.send()
        play.tee.primary_ended(exchange.route, exchange.uri, "2xx", NOT_ANSWERED)
        assert exchange.uri is None and play.tee.report().uris is None

    run(main)


def test_names_of_the_captures_secrets_are_secrets_of_uris() -> None:
    async def main() -> None:
        play = Play(capture={"query_keys": ["ticketnr"]})
        await play.send(head_of(target=b"/a;ticketnr=5/b"))
        report = play.tee.report()
        assert report.uris is not None
        assert [each.uri.path for each in report.uris.additions] == ["/a/b"]

    run(main)


# --- the body's copy ---


def test_body_is_copied_whole() -> None:
    async def main() -> None:
        play = Play(shadow_methods=["POST"])
        exchange = play.begin(head_of(b"POST", length=4))
        exchange.add_body(b"ab")
        exchange.add_body(b"cd")
        assert (play.tee.reading, play.tee.budget.held_bytes) == (1, 4 + 2 * PIECE_BYTES)
        exchange.end([])
        assert play.tee.reading == 1, "until the turn ends"
        await turns(1)
        assert play.tee.reading == 0
        _, transport = play.accept()
        assert transport.written.endswith(b"Content-Length: 4\r\n" + SHADOW_MARK + b"\r\nabcd")

    run(main)


def test_body_too_large_sheds_all_copies() -> None:
    async def main() -> None:
        play = Play(shadow_methods=["POST"], shadow_ratio=3, shadow_max_body_bytes=10)
        exchange = play.begin(head_of(b"POST", length=12))
        exchange.add_body(b"x" * 10)
        exchange.add_body(b"x")
        assert play.tee.budget.held_bytes == 0
        exchange.add_body(b"x")
        exchange.end([])
        exchange.abandon()
        await turns(1)
        assert play.shed() == {"body_too_large": 3}
        assert (play.tee.reading, play.shadow.opening) == (0, 0)

    run(main)


def test_full_buffer_sheds_while_reading_and_when_sending() -> None:
    async def main() -> None:
        play = Play(shadow_methods=["POST"], shadow_buffer_bytes=100)
        exchange = play.begin(head_of(b"POST", length=200))
        exchange.add_body(b"x" * 101)
        assert play.shed() == {"buffer_full": 1}
        await play.send(head_of(b"POST", length=60), b"x" * 60)  # too large with its head
        assert play.shed() == {"buffer_full": 2}
        assert play.tee.budget.held_bytes == 0

    run(main)


def test_tiny_pieces_cost_what_they_hold() -> None:
    async def main() -> None:
        play = Play(shadow_methods=["POST"], shadow_buffer_bytes=10 * (PIECE_BYTES + 1))
        exchange = play.begin(head_of(b"POST", length=100))
        for _ in range(10):
            exchange.add_body(b"x")
        assert play.shed() == {}
        exchange.add_body(b"x")
        assert play.shed() == {"buffer_full": 1}
        assert play.tee.budget.held_bytes == 0

    run(main)


def test_request_that_never_ends_is_shed() -> None:
    async def main() -> None:
        play = Play(shadow_methods=["POST"])
        exchange = play.begin(head_of(b"POST", length=9))
        exchange.add_body(b"x")
        exchange.abandon()
        exchange.abandon()
        assert play.shed() == {"downstream_lost": 1}
        assert (play.tee.reading, play.tee.budget.held_bytes) == (0, 0)

    run(main)


@pytest.mark.parametrize("body", [b"", b"abc"])
def test_chunks_and_trailers_are_copied_as_such(body: bytes) -> None:
    async def main() -> None:
        play = Play(shadow_methods=["POST"])
        head = head_of(b"POST")
        head.framing = CHUNKED
        exchange = play.begin(head)
        if body:
            exchange.add_body(body)
        exchange.end([b"T", b"1"])
        await turns(1)
        _, transport = play.accept()
        chunks = b"3\r\nabc\r\n" if body else b""
        assert transport.written.endswith(
            b"Transfer-Encoding: chunked\r\n"
            + SHADOW_MARK
            + b"\r\n"
            + chunks
            + b"0\r\nT: 1\r\n\r\n"
        )

    run(main)


def test_body_of_a_request_left_out_is_not_kept() -> None:
    async def main() -> None:
        play = Play(shadow_ratio=0, shadow_methods=["POST"])
        exchange = play.begin(head_of(b"POST", length=4))
        exchange.add_body(b"abcd")
        assert play.tee.budget.held_bytes == 0
        exchange.abandon()
        assert play.shed() == {}

    run(main)


# --- the legs of one turn ---


def test_legs_of_one_turn_are_sent_together() -> None:
    async def main() -> None:
        play = Play(connections=3)
        for _ in range(3):
            play.request()
        assert play.shadow.opening == 0, "production comes first"
        assert play.tee.reading == 3
        await turns(1)
        assert play.shadow.opening == 3
        assert (play.tee.reading, play.tee.in_flight) == (0, 3)
        for connection in [play.accept()[0] for _ in range(3)]:
            connection.data_received(OK)
        assert play.outcomes() == {"2xx": 3}

    run(main)


def test_budget_takes_of_one_turn_what_fits() -> None:
    async def main() -> None:
        size = len(head_of().to_shadow(b"", []))
        play = Play(shadow_buffer_bytes=2 * size + 1)
        for _ in range(5):
            play.request()
        await turns(1)
        assert play.shed() == {"buffer_full": 3}
        assert (play.tee.in_flight, play.tee.budget.held_bytes) == (2, 2 * size)
        assert play.tee.report().held == (2 * size, *play.tee.shadow.load)

    run(main)


def test_queue_takes_of_one_turn_what_fits() -> None:
    async def main() -> None:
        play = Play(connections=1, waiting=2)
        for _ in range(10):
            play.request()
        await turns(1)
        assert play.shed() == {"waiting_full": 7}
        assert play.tee.in_flight == 3
        assert play.tee.shadow.load == (2, 1)
        play.tick(1000)
        assert play.outcomes() == {"timeout": 3}
        assert play.tee.budget.held_bytes == 0

    run(main)


def test_open_breaker_sheds_the_turn_whole() -> None:
    async def main() -> None:
        play = Play(shadow_breaker={"failures": 1})
        await play.send()
        play.shadow.refuse()
        for _ in range(3):
            play.request()
        assert play.shed() == {}
        await turns(1)
        assert play.shed() == {"breaker_open": 3}
        assert (play.tee.reading, play.tee.budget.held_bytes) == (0, 0)

    run(main)


def test_client_that_leaves_takes_no_complete_copy_along() -> None:
    async def main() -> None:
        play = Play()
        exchange = play.request()
        exchange.abandon()
        await turns(1)
        assert play.accept()[1].written
        assert play.shed() == {}

    run(main)


# --- how a leg ends ---


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (OK, "2xx"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "3xx"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "4xx"),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "5xx"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK, "2xx"),
        (b"garbage", "protocol_error"),
    ],
)
def test_answer_gives_the_outcome(answer: bytes, outcome: str) -> None:
    async def main() -> None:
        play = Play()
        await play.send()
        connection, _ = play.accept()
        connection.data_received(answer)
        assert play.outcomes() == {outcome: 1}
        assert play.tee.budget.held_bytes == 0

    run(main)


def test_latency_counts_from_writing_the_request() -> None:
    async def main() -> None:
        play = Play()
        await play.send()
        play.shadow.clock_s = 5.0  # the leg waits for its connection
        connection, _ = play.accept()
        play.shadow.clock_s = 5.000_123_5
        connection.data_received(OK[:-1])
        play.shadow.clock_s = 5.000_200_5
        connection.data_received(OK[-1:])
        assert play.latencies() == {("shadow.latency", "/a"): {200: 1}}

    run(main)


def test_only_an_answered_leg_has_a_latency() -> None:
    async def main() -> None:
        play = Play()
        await play.send()
        play.accept()[0].connection_lost(ConnectionResetError())
        await play.send()
        play.tick(1000)
        assert play.outcomes() == {"reset": 1, "timeout": 1}
        assert play.latencies() == {}

    run(main)


def test_head_is_answered_without_a_body() -> None:
    async def main() -> None:
        play = Play()
        await play.send(head_of(b"HEAD"))
        connection, _ = play.accept()
        connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        assert play.outcomes() == {"2xx": 1}

    run(main)


def test_reset_is_counted_and_not_sent_again() -> None:
    async def main() -> None:
        play = Play()
        await play.send()
        connection, _ = play.accept()
        connection.data_received(OK)
        await play.send()
        connection.connection_lost(ConnectionResetError())
        assert play.outcomes() == {"2xx": 1, "reset": 1}
        assert play.shadow.opening == 0

    run(main)


def test_silent_shadow_times_out() -> None:
    async def main() -> None:
        play = Play(shadow_timeout=5)
        await play.send()
        _, transport = play.accept()
        play.tick(4.9)
        assert play.tee.in_flight == 1
        play.tick(5.1)
        assert play.outcomes() == {"timeout": 1}
        assert transport.is_aborted
        assert play.tee.budget.held_bytes == 0

    run(main)


def test_endless_answer_times_out() -> None:
    async def main() -> None:
        play = Play(shadow_timeout=5)
        await play.send()
        connection, transport = play.accept()
        connection.data_received(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000)
        play.tick(5.1)
        assert play.outcomes() == {"timeout": 1}
        assert transport.is_aborted

    run(main)


def test_waiting_leg_times_out_unsent() -> None:
    async def main() -> None:
        play = Play(connections=1, shadow_timeout=5)
        await play.send()
        await play.send()
        play.tick(5.1)
        assert play.outcomes() == {"timeout": 2}
        _, transport = play.accept()
        assert transport.written == b""

    run(main)


def test_legs_beyond_the_queue_are_shed() -> None:
    async def main() -> None:
        play = Play(connections=1, waiting=2)
        for _ in range(10):
            await play.send()
        assert play.shed() == {"waiting_full": 7}
        assert play.tee.in_flight == 3

    run(main)


def test_shadow_that_is_away_is_shed_and_found_again(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        play = Play(shadow_breaker={"failures": 2}, connections=8)
        with caplog.at_level(logging.INFO):
            for _ in range(2):
                await play.send()
                play.shadow.refuse()
            await play.send()
            assert play.outcomes() == {"connect_failed": 2}
            assert play.shed() == {"breaker_open": 1}
            play.later(FIRST_WAIT_S)
            for _ in range(5):
                await play.send()
            assert play.shed() == {"breaker_open": 3}, "three are probes"
            for connection in [play.accept()[0] for _ in range(3)]:
                connection.data_received(OK)
            await play.send()
        assert play.shed() == {"breaker_open": 3}
        messages = [record.getMessage() for record in caplog.records]
        assert ["breaker open" in text for text in messages] == [True, False]
        assert "2 legs in a row failed, the last as connect_failed (" in messages[0]
        assert "breaker closed" in messages[1]
        changes = {k[2]: n for k, n in play.totals().items() if k[0] == "shadow.breaker.changes"}
        assert changes == {"open": 1, "half_open": 1, "closed": 1}

    run(main)


@pytest.mark.parametrize("outcome", ["reset", "timeout", "protocol_error"])
def test_every_leg_without_an_answer_is_a_failure(outcome: str) -> None:
    async def main() -> None:
        play = Play(shadow_breaker={"failures": 1})
        await play.send()
        connection, _ = play.accept()
        if outcome == "reset":
            connection.connection_lost(ConnectionResetError())
        elif outcome == "timeout":
            play.tick(1000)
        else:
            connection.data_received(b"garbage")
        assert play.outcomes() == {outcome: 1}
        assert play.tee.breaker.state == breaker.OPEN
        assert outcome in play.tee.breaker.cause

    run(main)


def test_errors_of_the_application_leave_the_breaker_closed() -> None:
    async def main() -> None:
        play = Play(shadow_breaker={"failures": 1})
        await play.send()
        connection, _ = play.accept()
        for _ in range(3):
            connection.data_received(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
            await play.send()
        assert play.tee.breaker.state == breaker.CLOSED

    run(main)


def test_answers_that_each_cost_their_connection_open_the_breaker() -> None:
    async def main() -> None:
        play = Play(shadow_breaker={"failures": 3})
        for surplus in (b"x", b"garbage", b"", b"garbage", OK, b"\0"):
            assert play.tee.breaker.state == breaker.CLOSED
            await play.send()
            connection, _ = play.accept()
            connection.data_received(OK + surplus)
            connection.connection_lost(None)
        assert play.outcomes() == {"2xx": 6}
        assert play.tee.breaker.state == breaker.OPEN
        assert play.tee.breaker.cause == (
            "3 legs in a row failed, the last as surplus bytes behind an answer"
        )

    run(main)


def test_body_behind_answers_to_head_leaves_the_breaker_closed() -> None:
    async def main() -> None:
        play = Play(shadow_breaker={"failures": 1})
        await play.send(head_of(method=b"HEAD"))
        connection, _ = play.accept()
        connection.data_received(OK)
        assert play.outcomes() == {"2xx": 1}
        assert play.tee.breaker.state == breaker.CLOSED

    run(main)


def test_probe_that_we_abort_leaves_room_for_another() -> None:
    async def main() -> None:
        play = Play(shadow_breaker={"failures": 1})
        await play.send()
        play.shadow.refuse()
        play.later(FIRST_WAIT_S)
        for _ in range(4):
            await play.send()
        assert play.shed() == {"breaker_open": 1}
        play.tee.cut()
        assert play.outcomes() == {"connect_failed": 1, "aborted": 3}
        assert play.tee.breaker.most(play.tee._now()) == 3

    run(main)


def test_error_without_words_is_named_by_its_type() -> None:
    async def main() -> None:
        play = Play(shadow_breaker={"failures": 1})
        await play.send()
        play.shadow.open_failed(TimeoutError())
        assert "(TimeoutError)" in play.tee.breaker.cause

    run(main)


def test_cut_ends_every_leg_as_aborted() -> None:
    async def main() -> None:
        play = Play(connections=2)
        for _ in range(3):
            await play.send()
        _, transport = play.accept()
        play.tee.cut()
        await turns()
        assert play.outcomes() == {"aborted": 3}
        assert transport.is_aborted
        assert play.tee.in_flight == 0

    run(main)


def test_leg_ignores_what_it_need_not_know() -> None:
    async def main() -> None:
        play = Play()
        await play.send()
        connection, transport = play.accept()
        transport.is_stuck = True
        connection.pause_writing()
        connection.resume_writing()
        connection.data_received(OK[:-1])
        assert play.tee.in_flight == 1

    run(main)


def test_copies_of_one_request_share_their_bytes() -> None:
    async def main() -> None:
        play = Play(shadow_ratio=2)
        await play.send()
        first, second = (play.accept()[1].written for _ in range(2))
        assert first == second
        assert play.tee.budget.held_bytes == 2 * len(first)

    run(main)


def test_request_closes_the_seconds_before_it() -> None:
    async def main() -> None:
        play = Play()
        play.tee.ledger.second -= 5
        before = play.tee.ledger.second
        await play.send()
        assert play.tee.ledger.second >= before + 5

    run(main)


def test_seconds_are_of_the_monotonic_clock_and_its_offset() -> None:
    async def main() -> None:
        before = int(time.monotonic() + 1000.0)
        tee = Tee(make_config(), clock_offset_s=1000.0)
        tee.ledger.second -= 5
        tee.refused("syntax")
        assert before <= tee.ledger.second <= tee.second_at(time.monotonic()) <= before + 5

    run(main)


# --- requests that nginx mirrors twice ---


def with_id(request_id: bytes) -> RequestHead:
    head = head_of()
    head.start += b"X-Mirror-Request-Id: %b\r\n" % request_id
    return head


def test_a_request_that_comes_twice_is_counted_and_sent_once() -> None:
    async def main() -> None:
        recent_ids = RecentIds(create_table())
        play = Play(recent_ids=recent_ids)
        for request_id in (b"4a", b"4a", b"4b"):
            await play.send(with_id(request_id))
        assert play.totals() == {
            ("requests", "/a", "safe"): 2,
            ("repeated", "/a", ""): 1,
            ("shadow.sent", "/a", ""): 2,
        }
        recent_ids.close()

    run(main)


def test_requests_without_an_id_are_all_counted(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        recent_ids = RecentIds(create_table())
        play = Play(recent_ids=recent_ids)
        await play.send(head_of())
        await play.send(with_id(b""))
        assert play.totals()[("requests", "/a", "safe")] == 2
        assert caplog.text.count("without the field x-mirror-request-id") == 1
        recent_ids.close()

    run(main)


def test_ids_are_nothing_to_a_tee_that_remembers_none() -> None:
    async def main() -> None:
        play = Play()
        for _ in range(2):
            await play.send(with_id(b"4a"))
        assert play.totals()[("requests", "/a", "safe")] == 2

    run(main)


# --- on loopback ---


def test_breaker_finds_a_shadow_that_comes_back() -> None:
    async def main() -> None:
        async with StubUpstream() as stub:
            port = stub.port
        tee = Tee(make_config(shadow=port, shadow_breaker={"failures": 3}))

        async def send_until(state: int) -> None:
            async with asyncio.timeout(PATIENCE_S):
                while tee.breaker.state != state:
                    Exchange(tee, head_of()).end([])
                    await asyncio.sleep(0.005)

        await send_until(breaker.OPEN)
        assert "connect_failed" in tee.breaker.cause
        server = await asyncio.start_server(stub._play, "127.0.0.1", port)
        await send_until(breaker.CLOSED)
        server.close()
        tee.cut()
        await turns()
        assert (tee.in_flight, tee.budget.held_bytes) == (0, 0)

    run(main)


CANARY = b"/a?mirror-canary=0123456789abcdef0123456789abcdef"


def canary_of(play: Play) -> dict[str, object]:
    piece = play.tee.report().canaries
    assert piece is not None
    (canary,) = piece.canaries
    return {
        name: value
        for name in ("copies", "repeated", "legs", "why_none", "outcome", "status", "is_from_proxy")
        if (value := getattr(canary, name))
    }


def test_a_canary_is_followed_to_its_outcome() -> None:
    async def main() -> None:
        play = Play()
        await play.send(head_of(target=CANARY))
        await play.send(head_of(target=b"/b"))
        assert canary_of(play) == {"copies": 1, "legs": 1}
        assert play.tee.report().canaries is None
        connection, _ = play.accept()
        connection.data_received(OK)
        assert canary_of(play) == {"copies": 1, "legs": 1, "outcome": "2xx", "status": 200}
        connection.data_received(OK)  # to /b
        await play.send(head_of(target=CANARY.replace(b"=0", b"=f")))
        connection.data_received(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
        missed = {"outcome": "4xx", "status": 404, "is_from_proxy": True}
        assert canary_of(play) == {"copies": 1, "legs": 1, **missed}

    run(main)


def test_a_canary_without_a_leg_says_why() -> None:
    async def main() -> None:
        play = Play()
        play.tee.set_ratio(0.0)
        await play.send(head_of(target=CANARY))
        assert canary_of(play) == {"copies": 1, "why_none": "ratio"}
        play = Play()
        await play.send(head_of(target=CANARY, is_shadow=True))
        assert canary_of(play) == {"copies": 1, "why_none": "looped"}
        play = Play(connections=1, waiting=0)
        await play.send()
        await play.send(head_of(target=CANARY))
        assert canary_of(play) == {"copies": 1, "legs": 1, "outcome": "shed waiting_full"}

    run(main)


def test_a_canary_that_nginx_mirrors_twice_has_two_copies() -> None:
    async def main() -> None:
        play = Play(recent_ids=RecentIds(create_table()))
        for _ in range(2):
            head = head_of(target=CANARY)
            head.start += b"X-Mirror-Request-Id: 1\r\n"
            await play.send(head)
        assert canary_of(play) == {"copies": 2, "repeated": 1, "legs": 1}

    run(main)

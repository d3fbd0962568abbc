"""The tee in dialogue: what each request counts, which legs it gets, how each leg ends."""

import logging

import pytest

from mirror.core.http1 import SHADOW_MARK, HeadFields, RequestHead, read_request_head
from mirror.core.ledger import Merger
from mirror.core.pool import Pool
from mirror.proxy.tee import Exchange, Tee
from mirror.proxy.upstream import UpstreamConnection
from tests.fakes import OK, FakeTransport, WiredUpstream, make_config, run, turns


def head_of(
    method: bytes = b"GET", target: bytes = b"/a", length: int = 0, is_shadow: bool = False
) -> RequestHead:
    fields = HeadFields()
    fields.add(b"Host", b"h")
    if length:
        fields.add(b"Content-Length", b"%d" % length)
    if is_shadow:
        fields.add(b"X-Mirror-Leg", b"shadow")
    return read_request_head(method, target, "1.1", True, False, fields)


class Play:
    """A tee whose shadow the test plays, and its ledger."""

    def __init__(self, connections: int = 4, waiting: int = 4, **sections: object) -> None:
        self.tee = Tee(make_config(**sections))
        self.shadow = WiredUpstream(Pool(connections, waiting, connections))
        self.shadow.on_connect = self.tee.shadow.on_connect
        self.tee.shadow = self.shadow

    def send(self, head: RequestHead | None = None, body: bytes = b"") -> Exchange:
        exchange = self.tee.begin(head or head_of())
        if body:
            exchange.add_body(body)
        exchange.end()
        return exchange

    def accept(self) -> tuple[UpstreamConnection, FakeTransport]:
        return self.shadow.accept()

    def tick(self, after_s: float) -> None:
        self.tee.tick(self.tee._now() + after_s)

    def totals(self) -> dict[tuple[str, str, str], int]:
        """Also checks that the ledger adds up, whenever a test looks at it."""
        report = self.tee.ledger.report(self.tee.in_flight, self.tee.reading)
        merger = Merger(0)
        merger.worker_started(1)
        merger.worker_reported(1, report)
        assert merger.status()["balanced"], merger.status()
        return report.totals

    def outcomes(self) -> dict[str, int]:
        totals = self.totals()
        return {label: n for (metric, _, label), n in totals.items() if metric == "shadow.requests"}

    def shed(self) -> dict[str, int]:
        return {label: n for (metric, _, label), n in self.totals().items() if metric == "shed"}


def test_request_is_counted_once_and_sent_once() -> None:
    async def main() -> None:
        play = Play()
        play.send()
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
        play.tee.begin(head_of(method, target)).end()
        assert play.totals()[key] == 1

    run(main)


def test_method_that_is_not_listed_is_left_out() -> None:
    async def main() -> None:
        play = Play()
        play.send(head_of(b"POST", length=2), b"hi")
        assert play.shadow.opening == 0
        assert play.totals()["not_selected", "/a", "method"] == 1
        assert play.tee.budget.held_bytes == 0

    run(main)


def test_ratio_leaves_out_and_amplifies() -> None:
    async def main() -> None:
        half = Play(connections=50, shadow_ratio=0.5)
        for _ in range(10):
            half.send()
        assert half.totals()["not_selected", "/a", "ratio"] == 5
        assert half.totals()["shadow.sent", "/a", ""] == 5
        more = Play(connections=50, shadow_ratio=2.5)
        for _ in range(10):
            more.send()
        assert more.totals()["amplified", "/a", ""] == 15
        assert more.totals()["shadow.sent", "/a", ""] == 25

    run(main)


def test_mirrored_request_is_only_looped() -> None:
    async def main() -> None:
        play = Play()
        play.send(head_of(is_shadow=True))
        assert play.totals() == {("looped", "/a", ""): 1}
        assert play.shadow.opening == 0

    run(main)


def test_primary_and_malformed_are_counted() -> None:
    async def main() -> None:
        play = Play(shadow_ratio=0)
        exchange = play.send()
        play.tee.primary_ended(exchange, "5xx")
        play.tee.refused("syntax")
        assert play.totals()["primary.requests", "/a", "5xx"] == 1
        assert play.totals()["malformed", "other", "syntax"] == 1

    run(main)


# --- the body's copy ---


def test_body_is_copied_whole() -> None:
    async def main() -> None:
        play = Play(shadow_methods=["POST"])
        exchange = play.tee.begin(head_of(b"POST", length=4))
        exchange.add_body(b"ab")
        exchange.add_body(b"cd")
        assert (play.tee.reading, play.tee.budget.held_bytes) == (1, 4)
        exchange.end()
        assert play.tee.reading == 0
        _, transport = play.accept()
        assert transport.written.endswith(b"Content-Length: 4\r\n" + SHADOW_MARK + b"\r\nabcd")

    run(main)


def test_body_too_large_sheds_all_copies() -> None:
    async def main() -> None:
        play = Play(shadow_methods=["POST"], shadow_ratio=3, shadow_max_body_bytes=10)
        exchange = play.tee.begin(head_of(b"POST", length=12))
        exchange.add_body(b"x" * 10)
        exchange.add_body(b"x")
        assert play.tee.budget.held_bytes == 0
        exchange.add_body(b"x")
        exchange.end()
        exchange.abandon()
        assert play.shed() == {"body_too_large": 3}
        assert (play.tee.reading, play.shadow.opening) == (0, 0)

    run(main)


def test_full_buffer_sheds_while_reading_and_when_sending() -> None:
    async def main() -> None:
        play = Play(shadow_methods=["POST"], shadow_buffer_bytes=100)
        exchange = play.tee.begin(head_of(b"POST", length=200))
        exchange.add_body(b"x" * 101)
        assert play.shed() == {"buffer_full": 1}
        play.send(head_of(b"POST", length=60), b"x" * 60)  # fits, but not with its head
        assert play.shed() == {"buffer_full": 2}
        assert play.tee.budget.held_bytes == 0

    run(main)


def test_request_that_never_ends_is_shed() -> None:
    async def main() -> None:
        play = Play(shadow_methods=["POST"])
        exchange = play.tee.begin(head_of(b"POST", length=9))
        exchange.add_body(b"x")
        exchange.abandon()
        exchange.abandon()
        assert play.shed() == {"downstream_lost": 1}
        assert (play.tee.reading, play.tee.budget.held_bytes) == (0, 0)

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
        play.send()
        connection, _ = play.accept()
        connection.data_received(answer)
        assert play.outcomes() == {outcome: 1}
        assert play.tee.budget.held_bytes == 0

    run(main)


def test_head_is_answered_without_a_body() -> None:
    async def main() -> None:
        play = Play()
        play.send(head_of(b"HEAD"))
        connection, _ = play.accept()
        connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        assert play.outcomes() == {"2xx": 1}

    run(main)


def test_reset_is_counted_and_not_sent_again() -> None:
    async def main() -> None:
        play = Play()
        play.send()
        connection, _ = play.accept()
        connection.data_received(OK)
        play.send()
        connection.connection_lost(ConnectionResetError())
        assert play.outcomes() == {"2xx": 1, "reset": 1}
        assert play.shadow.opening == 0

    run(main)


def test_silent_shadow_times_out() -> None:
    async def main() -> None:
        play = Play(shadow_timeout=5)
        play.send()
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
        play.send()
        connection, transport = play.accept()
        connection.data_received(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000)
        play.tick(5.1)
        assert play.outcomes() == {"timeout": 1}
        assert transport.is_aborted

    run(main)


def test_waiting_leg_times_out_unsent() -> None:
    async def main() -> None:
        play = Play(connections=1, shadow_timeout=5)
        play.send()
        play.send()
        play.tick(5.1)
        assert play.outcomes() == {"timeout": 2}
        _, transport = play.accept()
        assert transport.written == b""

    run(main)


def test_legs_beyond_the_queue_are_shed() -> None:
    async def main() -> None:
        play = Play(connections=1, waiting=2)
        for _ in range(10):
            play.send()
        assert play.shed() == {"waiting_full": 8}
        assert play.tee.in_flight == 2

    run(main)


def test_shadow_that_is_away_is_shed_and_found_again(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        play = Play()
        with caplog.at_level(logging.INFO):
            play.send()
            play.shadow.refuse()
            for _ in range(5):
                play.send()
            assert play.outcomes() == {"connect_failed": 1}
            assert play.shed() == {"unavailable": 5}
            play.tee._reachability._retry_at = 0.0  # the wait is over
            play.send()
            play.shadow.refuse()
            play.tee._reachability._retry_at = 0.0
            play.send()
            play.accept()
            play.send()
        assert play.shed() == {"unavailable": 5}
        messages = [record.getMessage() for record in caplog.records]
        assert ["cannot be reached" in text for text in messages] == [True, False]
        assert "reachable again" in messages[1]

    run(main)


def test_error_without_words_is_named_by_its_type(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        play = Play()
        play.shadow.on_connect(TimeoutError())
        assert "(TimeoutError)" in caplog.text

    run(main)


def test_first_success_is_not_worth_a_word(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        with caplog.at_level(logging.INFO):
            Play().shadow.on_connect(None)
        assert caplog.text == ""

    run(main)


def test_cut_ends_every_leg_as_aborted() -> None:
    async def main() -> None:
        play = Play(connections=2)
        for _ in range(3):
            play.send()
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
        play.send()
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
        play.send()
        first, second = (play.accept()[1].written for _ in range(2))
        assert first == second
        assert play.tee.budget.held_bytes == 2 * len(first)

    run(main)

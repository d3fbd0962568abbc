"""Checks connections that relay responses: the received bytes, and the events of the leg."""

import logging

import pytest

from mirror.core.pool import Pool
from mirror.core.response_head import ResponseHead
from mirror.proxy.upstream.connection import Origin
from mirror.proxy.upstream.relaying import RelayingConnection, RelayingUpstream
from tests.fakes import (
    OK,
    Cut,
    FakeTransport,
    StubUpstream,
    WiredRelaying,
    both_ways,
    run,
    turns,
    until,
)

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n"
CHUNKS_BEGUN = CHUNKS.removesuffix(b"0\r\nT: 1\r\n\r\n")
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nabc"
CHUNKED_FIELD = b"Transfer-Encoding: chunked\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Now\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"


class RecordingLeg:
    """Sends one request and records its events."""

    def __init__(self, answers_head: bool = False, ends_request: bool = True) -> None:
        self.answers_head = answers_head
        self.ends_request = ends_request
        self.connection: RelayingConnection | None = None
        self.statuses: list[int] = []
        self.body = b""
        self.trailers: list[bytes] = []
        self.end = ""
        self.calls = 0
        self.writable: list[bool] = []

    def on_assigned(self, connection: RelayingConnection) -> None:
        self.connection = connection
        connection.write(REQUEST)
        if self.ends_request:
            connection.end_request()

    def on_informational(self, head: ResponseHead) -> None:
        assert not self.end
        assert head.status < 200
        self.statuses.append(head.status)

    def on_response(
        self, head: ResponseHead | None, body: bytes, trailers: list[bytes], ended: bool
    ) -> None:
        assert not self.end
        assert (head is None) is (self.calls > 0), "the head comes with the first call, and once"
        assert head or body or ended, "a call that says nothing"
        self.calls += 1
        if head is not None:
            self.statuses.append(head.status)
        self.body += body
        self.trailers += trailers
        if ended:
            self.end = "end"

    def on_switched(self, head: ResponseHead, rest: bytes) -> None:
        assert not self.end
        self.end = f"switched to {head.upgrade.decode()}"
        self.body = rest

    def on_failure(self, outcome: str, is_stale: bool) -> None:
        assert not self.end or self.end.startswith("switched")
        self.end = f"{outcome} stale" if is_stale else outcome

    def on_writable(self, writable: bool) -> None:
        self.writable.append(writable)


def wired(connections: int | None = 2, waiting: int = 4, idle: int = 2) -> WiredRelaying:
    return WiredRelaying(Pool(connections, waiting, idle))


def serve(
    upstream: WiredRelaying, leg: RecordingLeg
) -> tuple[RecordingLeg, RelayingConnection, FakeTransport]:
    assert upstream.start(leg)
    connection, transport = upstream.accept()
    assert transport.take_written() == REQUEST
    return leg, connection, transport


def feed(connection: RelayingConnection, pieces: list[bytes]) -> None:
    for piece in pieces:
        connection.data_received(piece)


# --- responses ---


@both_ways
@pytest.mark.parametrize(
    ("response", "status", "body"),
    [(OK, 200, b"ok"), (CHUNKS, 200, b"abc"), (NO_CONTENT, 204, b"")],
)
def test_response_ends_and_connection_is_kept(
    cut: Cut, response: bytes, status: int, body: bytes
) -> None:
    async def main() -> None:
        upstream = wired()
        leg, connection, transport = serve(upstream, RecordingLeg())
        feed(connection, cut(response))
        assert (leg.statuses, leg.body, leg.end) == ([status], body, "end")
        second = RecordingLeg()
        assert upstream.start(second)
        assert second.connection is connection
        assert transport.take_written() == REQUEST
        feed(connection, cut(response))
        assert (second.statuses, second.body, second.end) == ([status], body, "end")
        assert upstream.opening == 0

    run(main)


@both_ways
def test_interim_responses_come_before_the_final(cut: Cut) -> None:
    async def main() -> None:
        leg, connection, _ = serve(wired(), RecordingLeg())
        feed(connection, cut(b"HTTP/1.1 100 Continue\r\n\r\n" + EARLY_HINTS + OK))
        assert (leg.statuses, leg.body, leg.end) == ([100, 103, 200], b"ok", "end")

    run(main)


@both_ways
@pytest.mark.parametrize("length", [b"", b"Content-Length: 5\r\n", CHUNKED_FIELD])
def test_answer_to_head_ends_at_its_head(cut: Cut, length: bytes) -> None:
    async def main() -> None:
        upstream = wired()
        leg, connection, transport = serve(upstream, RecordingLeg(answers_head=True))
        feed(connection, cut(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n"))
        assert (leg.statuses, leg.body, leg.end) == ([200], b"", "end")
        second = RecordingLeg()
        upstream.start(second)
        feed(connection, cut(OK))
        assert second.body == b"ok"
        assert not transport.is_closing()

    run(main)


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.0 200 OK\r\n"]
)
def test_answer_to_head_may_close_its_connection(head: bytes) -> None:
    async def main() -> None:
        leg, connection, transport = serve(wired(), RecordingLeg(answers_head=True))
        connection.data_received(head + b"Content-Length: 5\r\n\r\n")
        assert (leg.statuses, leg.end) == ([200], "end")
        assert transport.is_closing()

    run(main)


def test_interim_before_answer_to_head() -> None:
    async def main() -> None:
        leg, connection, _ = serve(wired(), RecordingLeg(answers_head=True))
        connection.data_received(EARLY_HINTS)
        assert leg.end == ""
        connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        assert (leg.statuses, leg.end) == ([103, 200], "end")

    run(main)


@both_ways
def test_end_of_connection_ends_an_unframed_body(cut: Cut) -> None:
    async def main() -> None:
        leg, connection, _ = serve(wired(), RecordingLeg())
        feed(connection, cut(UNTIL_CLOSE))
        assert leg.end == ""
        connection.eof_received()
        connection.connection_lost(None)
        assert (leg.body, leg.end) == (b"abc", "end")

    run(main)


def test_reset_does_not_end_an_unframed_body() -> None:
    async def main() -> None:
        leg, connection, _ = serve(wired(), RecordingLeg())
        connection.data_received(UNTIL_CLOSE)
        connection.connection_lost(ConnectionResetError())
        assert leg.end == "reset"

    run(main)


def test_truncated_body_is_a_reset() -> None:
    async def main() -> None:
        leg, connection, _ = serve(wired(), RecordingLeg())
        connection.data_received(OK[:-1])
        connection.eof_received()
        connection.connection_lost(None)
        assert leg.end == "reset"

    run(main)


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.0 200 OK\r\n"]
)
def test_connection_that_will_close_is_not_kept(head: bytes) -> None:
    async def main() -> None:
        upstream = wired()
        leg, connection, transport = serve(upstream, RecordingLeg())
        connection.data_received(head + b"Content-Length: 2\r\n\r\nok")
        assert leg.end == "end"
        assert transport.is_closing()
        upstream.start(RecordingLeg())
        assert upstream.opening == 1

    run(main)


def test_one_read_is_told_in_one_call() -> None:
    async def main() -> None:
        leg, connection, _ = serve(wired(), RecordingLeg())
        connection.data_received(CHUNKS_BEGUN)
        assert (leg.body, leg.calls, leg.end) == (b"abc", 1, "")
        connection.data_received(CHUNKS[len(CHUNKS_BEGUN) :])
        assert (leg.calls, leg.end) == (2, "end")

    run(main)


@both_ways
def test_trailers_are_told_with_the_end(cut: Cut) -> None:
    async def main() -> None:
        leg, connection, _ = serve(wired(), RecordingLeg())
        feed(connection, cut(CHUNKS))
        assert (leg.end, leg.trailers) == ("end", [b"T", b"1"])

    run(main)


@both_ways
def test_reason_is_whole(cut: Cut) -> None:
    class ReasonLeg(RecordingLeg):
        def on_informational(self, head: ResponseHead) -> None:
            self.body += head.reason

    async def main() -> None:
        leg, connection, _ = serve(wired(), ReasonLeg())
        feed(connection, cut(EARLY_HINTS))
        assert leg.body == b"Early Hints"

    run(main)


# --- another protocol ---


@both_ways
def test_switched_connection_is_the_legs_alone(cut: Cut) -> None:
    async def main() -> None:
        upstream = wired()
        leg, connection, transport = serve(upstream, RecordingLeg())
        feed(connection, cut(SWITCHING))
        assert leg.end == "switched to x"
        assert connection.transport is transport
        assert not transport.is_closing()
        assert upstream._pool._open == 0, "no other leg may get it"
        connection.connection_lost(None)
        assert leg.end == "reset"

    run(main)


def test_bytes_behind_a_switch_are_not_read() -> None:
    async def main() -> None:
        leg, connection, _ = serve(wired(), RecordingLeg())
        connection.data_received(EARLY_HINTS + SWITCHING + b"\x81\x00" + OK)
        assert (leg.end, leg.body) == ("switched to x", b"\x81\x00" + OK)

    run(main)


@both_ways
@pytest.mark.parametrize("rest", [b"", b"rest"])
@pytest.mark.parametrize(
    "fields",
    [b"", b"Upgrade: x\r\n", b"Connection: upgrade\r\n", b"Upgrade: x\r\nConnection: x\r\n"],
)
def test_switch_to_nothing_is_no_answer(cut: Cut, fields: bytes, rest: bytes) -> None:
    async def main() -> None:
        leg, connection, transport = serve(wired(), RecordingLeg())
        feed(connection, cut(b"HTTP/1.1 101 Now\r\n" + fields + b"\r\n" + rest))
        assert (leg.statuses, leg.end) == ([], "protocol_error")
        assert transport.is_aborted

    run(main)


# --- what must not be believed ---


@both_ways
@pytest.mark.parametrize(
    "response",
    [
        b"garbage that is no response\r\n\r\n",
        b"HTTP/1.1 099 Hm\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 50_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 50_000 + b"\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_bad_response_fails_its_leg(cut: Cut, response: bytes) -> None:
    async def main() -> None:
        upstream = wired()
        leg, connection, transport = serve(upstream, RecordingLeg())
        feed(connection, cut(response))
        assert leg.end == "protocol_error"
        assert transport.is_aborted

    run(main)


def test_malformed_in_the_same_read_was_never_begun() -> None:
    async def main() -> None:
        leg, connection, _ = serve(wired(), RecordingLeg())
        connection.data_received(CHUNKS_BEGUN + b"zz\r\n")
        assert (leg.statuses, leg.body, leg.end) == ([], b"", "protocol_error")

    run(main)


def test_malformed_later_cuts_what_was_begun() -> None:
    async def main() -> None:
        leg, connection, _ = serve(wired(), RecordingLeg())
        connection.data_received(CHUNKS_BEGUN)
        connection.data_received(b"zz\r\n")
        assert (leg.statuses, leg.body, leg.end) == ([200], b"abc", "protocol_error")

    run(main)


def test_endless_chunk_extension_fails_its_leg() -> None:
    async def main() -> None:
        leg, connection, _ = serve(wired(), RecordingLeg())
        connection.data_received(b"HTTP/1.1 200 OK\r\n" + CHUNKED_FIELD + b"\r\n1;")
        connection.data_received(b"x" * 50_000)
        assert leg.end == "protocol_error"

    run(main)


@pytest.mark.parametrize("surplus", [OK, NO_CONTENT, b"garbage"])
def test_surplus_bytes_are_never_the_next_response(surplus: bytes) -> None:
    async def main() -> None:
        upstream = wired()
        leg, connection, transport = serve(upstream, RecordingLeg())
        connection.data_received(OK + surplus)
        assert (leg.statuses, leg.body, leg.end) == ([200], b"ok", "end")
        assert transport.is_closing()

    run(main)


def test_surplus_after_answer_to_head_closes() -> None:
    async def main() -> None:
        leg, connection, transport = serve(wired(), RecordingLeg(answers_head=True))
        connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        assert (leg.statuses, leg.body, leg.end) == ([200], b"", "end")
        assert transport.is_closing()

    run(main)


def test_unasked_response_closes_an_idle_connection() -> None:
    async def main() -> None:
        upstream = wired()
        _, connection, transport = serve(upstream, RecordingLeg())
        connection.data_received(OK)
        connection.data_received(OK)
        assert transport.is_closing()
        upstream.start(RecordingLeg())
        assert upstream.opening == 1

    run(main)


def test_answer_before_the_request_ended_closes() -> None:
    async def main() -> None:
        leg, connection, transport = serve(wired(), RecordingLeg(ends_request=False))
        connection.data_received(OK)
        assert leg.end == "end"
        assert transport.is_closing()

    run(main)


def test_answer_before_the_request_was_sent_closes() -> None:
    async def main() -> None:
        leg, connection, transport = serve(wired(), RecordingLeg())
        connection.pause_writing()
        connection.data_received(OK)
        assert leg.end == "end"
        assert transport.is_aborted, "flushing to somebody who does not read would never end"

    run(main)


def test_error_of_a_leg_is_logged_and_fails_it(caplog: pytest.LogCaptureFixture) -> None:
    class BrokenLeg(RecordingLeg):
        def on_informational(self, head: ResponseHead) -> None:
            raise ZeroDivisionError

    async def main() -> None:
        leg, connection, transport = serve(wired(), BrokenLeg())
        with caplog.at_level(logging.ERROR):
            connection.data_received(EARLY_HINTS + OK)
        assert "unexpected error" in caplog.text
        assert leg.end == "protocol_error"
        assert transport.is_aborted

    run(main)


# --- ends ---


def test_stale_connection_is_told_apart() -> None:
    async def main() -> None:
        upstream = wired()
        leg, connection, _ = serve(upstream, RecordingLeg())
        connection.data_received(OK)
        second = RecordingLeg()
        upstream.start(second)
        connection.connection_lost(ConnectionResetError())
        assert second.end == "reset stale"

    run(main)


def test_new_connection_is_not_stale() -> None:
    async def main() -> None:
        leg, connection, _ = serve(wired(), RecordingLeg())
        connection.connection_lost(None)
        assert leg.end == "reset"

    run(main)


def test_connection_with_half_an_answer_is_not_stale() -> None:
    async def main() -> None:
        upstream = wired()
        _, connection, _ = serve(upstream, RecordingLeg())
        connection.data_received(OK)
        second = RecordingLeg()
        upstream.start(second)
        connection.data_received(b"HTTP/1.1 2")
        connection.connection_lost(None)
        assert second.end == "reset"

    run(main)


def test_idle_connection_at_its_end_leaves_the_pool() -> None:
    async def main() -> None:
        upstream = wired()
        _, connection, _ = serve(upstream, RecordingLeg())
        connection.data_received(OK)
        connection.eof_received()
        upstream.start(RecordingLeg())
        assert upstream.opening == 1
        connection.connection_lost(None)

    run(main)


def test_aborted_leg_hears_nothing_more() -> None:
    async def main() -> None:
        upstream = wired()
        leg, connection, transport = serve(upstream, RecordingLeg())
        connection.abort()
        connection.data_received(OK)
        await turns()
        assert (leg.statuses, leg.end) == ([], "")
        assert transport.is_aborted
        assert repr(upstream) == "<WiredRelaying upstream.test:80 <Pool open=0 idle=0 waiting=0>>"

    run(main)


class AbortingLeg(RecordingLeg):
    """Aborts at the first event."""

    def on_informational(self, head: ResponseHead) -> None:
        assert self.connection is not None
        self.connection.abort()


@pytest.mark.parametrize("rest", [OK, OK[:-1], b"garbage", SWITCHING, EARLY_HINTS])
def test_leg_may_be_aborted_by_its_own_response(rest: bytes) -> None:
    async def main() -> None:
        leg, connection, transport = serve(wired(), AbortingLeg())
        connection.data_received(EARLY_HINTS + rest)
        assert (leg.end, leg.body) == ("", b"")
        assert transport.is_aborted

    run(main)


def test_leg_waits_for_a_released_connection() -> None:
    async def main() -> None:
        upstream = wired(connections=1)
        _, connection, _ = serve(upstream, RecordingLeg())
        second = RecordingLeg()
        assert upstream.start(second)
        assert second.connection is None
        connection.data_received(OK)
        assert second.connection is connection

    run(main)


def test_leg_beyond_the_queue_is_refused() -> None:
    async def main() -> None:
        upstream = wired(connections=1, waiting=1)
        serve(upstream, RecordingLeg())
        assert upstream.start(RecordingLeg())
        assert not upstream.start(RecordingLeg())

    run(main)


def test_withdrawn_leg_is_not_sent() -> None:
    async def main() -> None:
        upstream = wired()
        leg = RecordingLeg()
        upstream.start(leg)
        upstream.withdraw(leg)
        _, transport = upstream.accept()
        assert transport.written == b""

    run(main)


def test_surplus_idle_connection_is_closed() -> None:
    async def main() -> None:
        upstream = wired(idle=1)
        pairs = [serve(upstream, RecordingLeg()) for _ in range(2)]
        for _, connection, _ in pairs:
            connection.data_received(OK)
        assert [transport.is_closing() for _, _, transport in pairs] == [False, True]

    run(main)


def test_failed_connect_fails_its_leg() -> None:
    async def main() -> None:
        upstream = wired()
        errors: list[Exception | None] = []
        upstream.on_connect = errors.append
        leg = RecordingLeg()
        upstream.start(leg)
        upstream.refuse()
        assert leg.end == "connect_failed"
        assert isinstance(errors[0], ConnectionRefusedError)

    run(main)


# --- back-pressure ---


def test_full_socket_pauses_the_request() -> None:
    async def main() -> None:
        leg, connection, transport = serve(wired(), RecordingLeg(ends_request=False))
        transport.is_stuck = True
        connection.write(b"x" * 100_000)
        assert leg.writable == [False]
        transport.unstick()
        assert leg.writable == [False, True]

    run(main)


def test_nobody_hears_of_a_full_idle_connection() -> None:
    async def main() -> None:
        _, connection, _ = serve(wired(), RecordingLeg())
        connection.data_received(OK)
        connection.pause_writing()
        connection.resume_writing()

    run(main)


def test_reading_is_paused_and_resumed_once() -> None:
    async def main() -> None:
        _, connection, transport = serve(wired(), RecordingLeg())
        connection.pause_reading()
        connection.pause_reading()
        assert not transport.is_reading()
        connection.resume_reading()
        connection.resume_reading()
        assert transport.is_reading()
        connection.abort()
        connection.resume_reading()
        assert not transport.is_reading()

    run(main)


# --- on loopback ---


def real(port: int) -> RelayingUpstream:
    return RelayingUpstream(Origin("127.0.0.1", port), Pool(4, 8, 4))


@pytest.mark.parametrize("use_uvloop", [True, False])
def test_connection_is_reused_on_the_wire(use_uvloop: bool) -> None:
    async def main() -> None:
        async with StubUpstream() as stub:
            upstream = real(stub.port)
            for _ in range(3):
                leg = RecordingLeg()
                assert upstream.start(leg)
                await until(lambda leg=leg: leg.end)
                assert (leg.body, leg.end) == (b"ok", "end")
            assert stub.connections == 1
            assert stub.requests == [REQUEST] * 3
            upstream.close()
            await turns()

    run(main, use_uvloop)


@pytest.mark.parametrize("use_uvloop", [True, False])
def test_trickled_response_is_whole(use_uvloop: bool) -> None:
    async def main() -> None:
        async with StubUpstream() as stub:
            stub._script = stub.trickle(CHUNKS)
            upstream = real(stub.port)
            leg = RecordingLeg()
            upstream.start(leg)
            await until(lambda: leg.end)
            assert (leg.body, leg.trailers, leg.end) == (b"abc", [b"T", b"1"], "end")
            upstream.close()
            await turns()

    run(main, use_uvloop)


@pytest.mark.parametrize("use_uvloop", [True, False])
def test_unframed_response_ends_with_its_connection(use_uvloop: bool) -> None:
    async def main() -> None:
        async with StubUpstream() as stub:
            stub._script = stub.answer(UNTIL_CLOSE, close=True)
            upstream = real(stub.port)
            leg = RecordingLeg()
            upstream.start(leg)
            await until(lambda: leg.end)
            assert (leg.body, leg.end) == (b"abc", "end")
            assert upstream._pool._open == 0

    run(main, use_uvloop)

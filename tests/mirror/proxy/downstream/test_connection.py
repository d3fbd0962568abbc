"""Checks what both modes share: limits, deadlines, and responses to unreadable requests."""

import logging

import pytest

from mirror.core.request_head import RequestHead
from mirror.core.slow_start import SlowStartPool
from mirror.proxy.downstream.acceptor import Acceptor
from mirror.proxy.downstream.connection import NEVER, DownstreamConnection
from mirror.proxy.tee import Tee
from tests.fakes import FakeTransport, WiredDiscarding, make_config, run, split, turns, whole

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKS_HEAD = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


class Listening(DownstreamConnection):
    """A minimal mode that records the calls it receives."""

    def __init__(self, acceptor: Acceptor) -> None:
        super().__init__(acceptor)
        self.events: list[str] = []
        self.is_busy = False

    @property
    def is_idle(self) -> bool:
        return not self.is_busy

    def request_begun(self, head: RequestHead) -> None:
        if head.target == b"/bug":
            raise ZeroDivisionError
        self.events.append(f"{head.method.decode()} {head.target.decode()}")
        self.is_busy = True
        self.set_deadline(NEVER)

    def request_body(self, data: bytes) -> None:
        self.events.append(data.decode())

    def request_ended(self, trailers: list[bytes]) -> None:
        self.events.append(" ".join(["end", *(part.decode() for part in trailers)]))
        self.is_busy = False
        self.wait_for_request()

    def request_broken(self) -> bool:
        self.events.append("broken")
        return True


class Line:
    """One connection in mode `Listening`, with its own acceptor."""

    def __init__(self, **sections: object) -> None:
        config = make_config(max_head_bytes=1000, timeouts_head=10, timeouts_idle=75, **sections)
        self.tee = Tee(config)
        self.tee.shadow = WiredDiscarding(SlowStartPool(1, 1))
        self.acceptor = Acceptor(config, self.tee)
        self.downstream = Listening(self.acceptor)
        self.transport = FakeTransport(self.downstream)
        self.downstream.connection_made(self.transport)

    def send(self, data: bytes) -> None:
        self.downstream.data_received(data)

    def tick(self, after_s: float) -> None:
        self.acceptor.tick(self.acceptor.now() + after_s)

    @property
    def status(self) -> int:
        return int(self.transport.written[9:12] or 0)

    @property
    def reasons(self) -> list[str]:
        self.tee.ledger.roll(self.tee.ledger.second + 1)
        totals = self.tee.ledger.report(0, 0).totals
        return [label for metric, _, label in totals if metric == "malformed"]


def test_requests_are_told_in_order() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET + CHUNKS_HEAD + b"2\r\nhi\r\n0\r\n\r\n" + GET)
        assert line.downstream.events == ["GET /", "end", "POST /", "hi", "end", "GET /", "end"]

    run(main)


def test_upgrade_that_nobody_grants_is_a_request() -> None:
    async def main() -> None:
        line = Line()
        line.send(UPGRADE + GET)
        assert line.downstream.events == ["GET /ws", "end", "GET /", "end"]
        line.send(UPGRADE)
        assert line.downstream.events[-2:] == ["GET /ws", "end"]

    run(main)


def test_read_may_hold_thousands_of_upgrades() -> None:
    async def main() -> None:
        line = Line()
        line.acceptor.max_head_bytes = 32768
        line.send(UPGRADE * 3000 + GET)
        assert line.downstream.events == ["GET /ws", "end"] * 3000 + ["GET /", "end"]

    run(main)


def test_upgrade_may_be_the_last_request() -> None:
    async def main() -> None:
        class OneRequest(Listening):
            def request_ended(self, trailers: list[bytes]) -> None:
                super().request_ended(trailers)
                self.close()

        line = Line()
        downstream = OneRequest(line.acceptor)
        downstream.connection_made(FakeTransport(downstream))
        downstream.data_received(UPGRADE + GET)
        assert downstream.events == ["GET /ws", "end"]
        assert downstream.take_held() == b""

    run(main)


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (b"nonsense\r\n\r\n", 501, "method"),
        (b"GET / HTTP/1.1\r\nBad : 1\r\n\r\n", 400, "syntax"),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "host"),
        (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505, "version"),
        (b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 501, "connect"),
        (b"GET /" + b"x" * 8192 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414, "target_too_long"),
        (GET[:-2] + b"X: " + b"x" * 1000 + b"\r\n\r\n", 431, "head_too_large"),
        (GET[:-2] + b"X: " + b"x" * 1000, 431, "head_too_large"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http2"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + GET, 400, "proxy_protocol"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 400, "proxy_protocol"),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", 400, "tls"),
        (b"\r\n" * 5 + GET, 400, "empty_lines"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\x01\r\n\r\nx", 400, "syntax"),
    ],
)
def test_what_cannot_be_read_is_answered_and_closed(data: bytes, status: int, reason: str) -> None:
    async def main() -> None:
        line = Line()
        line.send(data)
        assert line.status == status
        assert b"Connection: close\r\n" in line.transport.written
        assert line.transport.is_closing()
        assert line.reasons == [reason]
        assert line.downstream.events == ["broken"]
        line.send(GET)
        assert line.downstream.events == ["broken"], "nothing is read after that"

    run(main)


@pytest.mark.parametrize(
    "data",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + GET,
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nBad : 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    ],
)
def test_it_is_refused_byte_by_byte_too(data: bytes) -> None:
    async def main() -> None:
        line = Line()
        for piece in split(data):
            line.send(piece)
        assert line.status in (400, 501, 505)
        assert line.transport.is_closing()
        assert line.downstream.events == ["broken"]
        assert len(line.reasons) == 1

    run(main)


def test_empty_lines_hold_a_connection_no_longer() -> None:
    async def main() -> None:
        line = Line()
        for after_s in (30, 60):
            line.send(b"\r\n")
            line.tick(after_s)
        assert not line.transport.is_closing()
        line.tick(76)
        assert line.transport.is_closing()

    run(main)


def test_an_odd_head_has_the_deadline_of_a_head() -> None:
    async def main() -> None:
        line = Line()
        line.send(b"BAN /x HTT")
        line.tick(9)
        line.send(b"P/1.1\r\n")
        assert not line.transport.is_closing()
        line.tick(11)
        assert (line.status, line.reasons) == (408, ["head_timeout"])

    run(main)


def test_trailers_are_told_with_the_end() -> None:
    async def main() -> None:
        for cut in (whole, split):
            line = Line()
            for piece in cut(CHUNKS_HEAD + b"2\r\nhi\r\n0\r\nA: 1\r\nB: 2\r\n\r\n" + GET):
                line.send(piece)
            assert line.downstream.events[-3:] == ["end A 1 B 2", "GET /", "end"]

    run(main)


def test_body_of_one_read_is_told_at_once() -> None:
    async def main() -> None:
        line = Line()
        line.send(CHUNKS_HEAD + b"2\r\nhi\r\n4\r\n you\r\n")
        assert line.downstream.events == ["POST /", "hi you"]

    run(main)


@pytest.mark.parametrize("tail", [b"1;" + b"x" * 1000, b"0\r\nT: " + b"x" * 1000])
def test_body_without_progress_is_bounded_too(tail: bytes) -> None:
    async def main() -> None:
        line = Line()
        line.send(CHUNKS_HEAD)
        for index in range(len(tail)):
            line.send(tail[index : index + 1])
        assert line.status == 431

    run(main)


def test_limits_count_one_head_at_a_time() -> None:
    async def main() -> None:
        line = Line()
        for _ in range(50):
            line.send(GET[:10])
            line.send(GET[10:] + GET[:20])
            line.send(GET[20:])
        assert line.status == 0
        assert line.downstream.events.count("end") == 100

    run(main)


def test_refusal_is_given_once() -> None:
    async def main() -> None:
        line = Line()
        line.downstream.refuse(400, "syntax")
        line.downstream.refuse(408, "head_timeout")
        assert line.reasons == ["syntax"]

    run(main)


def test_slow_head_is_timed_out() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET[:10])
        line.tick(9)
        assert line.status == 0
        line.tick(11)
        assert line.status == 408
        assert line.reasons == ["head_timeout"]

    run(main)


def test_idle_connection_is_closed_without_a_word() -> None:
    async def main() -> None:
        line = Line()
        line.tick(74)
        assert not line.transport.is_closing()
        line.tick(76)
        assert line.transport.is_closing()
        assert line.transport.written == b""

    run(main)


def test_request_under_way_is_not_idle() -> None:
    async def main() -> None:
        line = Line()
        line.send(CHUNKS_HEAD)
        line.tick(1000)
        assert not line.transport.is_closing(), "how long it may take is the mode's to say"
        line.send(b"0\r\n\r\n")
        line.tick(76)
        assert line.transport.is_closing()

    run(main)


def test_body_that_stalls_is_timed_out() -> None:
    async def main() -> None:
        line = Line()
        line.send(CHUNKS_HEAD)
        line.downstream.wait_for_body()
        line.tick(74)
        assert line.status == 0
        line.tick(76)
        assert line.status == 408
        assert line.reasons == ["body_timeout"]

    run(main)


def test_trickling_body_is_timed_out() -> None:
    async def main() -> None:
        line = Line()
        line.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n")
        line.downstream.wait_for_body()
        deadline = line.downstream.expires_at
        for _ in range(1023):
            line.downstream.body_came(1)
        assert line.downstream.expires_at == deadline
        # The clock stands still, so only a longer timeout makes a new deadline visible.
        line.downstream._acceptor.idle_timeout_s += 1
        line.downstream.body_came(1)
        assert line.downstream.expires_at > deadline
        line.downstream.body_came(1023)
        line.tick(77)
        assert (line.status, line.reasons) == (408, ["body_timeout"])

    run(main)


def test_client_that_does_not_take_the_last_answer_is_cut() -> None:
    async def main() -> None:
        line = Line()
        line.transport.is_stuck = True
        line.send(b"nonsense\r\n")
        assert line.status == 501
        line.tick(74)
        await turns()
        assert not line.transport.is_aborted
        assert line.acceptor.connections == {line.downstream}
        line.tick(76)
        await turns()
        assert line.transport.is_aborted
        assert not line.acceptor.connections

    run(main)


def test_connection_beyond_the_ceiling_is_refused_and_counted() -> None:
    async def main() -> None:
        line = Line(max_connections=2)
        second, third = Listening(line.acceptor), Listening(line.acceptor)
        transports = [FakeTransport(second), FakeTransport(third)]
        second.connection_made(transports[0])
        third.connection_made(transports[1])
        await turns()
        assert [transport.is_aborted for transport in transports] == [False, True]
        assert transports[1].written == b""
        assert line.acceptor.connections == {line.downstream, second}
        assert line.tee.ledger.counts == {("connections.refused", "other", ""): 1}
        second.close()
        await turns()
        fourth = Listening(line.acceptor)
        fourth.connection_made(FakeTransport(fourth))
        assert fourth in line.acceptor.connections

    run(main)


def test_lost_connection_is_forgotten() -> None:
    async def main() -> None:
        line = Line()
        assert line.acceptor.connections == {line.downstream}
        line.downstream.connection_lost(None)
        assert not line.acceptor.connections
        line.tick(1000)
        assert line.transport.written == b""

    run(main)


def test_draining_closes_what_is_idle() -> None:
    async def main() -> None:
        line = Line()
        line.acceptor.drain()
        assert line.transport.is_closing()
        late = Listening(line.acceptor)
        transport = FakeTransport(late)
        late.connection_made(transport)
        assert transport.is_closing()

    run(main)


def test_draining_leaves_a_request_under_way() -> None:
    async def main() -> None:
        line = Line()
        line.send(CHUNKS_HEAD)
        assert not line.downstream.must_close
        line.acceptor.drain()
        assert not line.transport.is_closing()
        assert line.downstream.must_close

    run(main)


def test_cut_aborts_everything() -> None:
    async def main() -> None:
        line = Line()
        line.send(CHUNKS_HEAD)
        line.acceptor.cut()
        assert line.transport.is_aborted
        await turns()
        assert not line.acceptor.connections

    run(main)


@pytest.mark.parametrize("is_busy", [True, False])
def test_half_closed_connection_waits_for_its_answer(is_busy: bool) -> None:
    async def main() -> None:
        line = Line()
        line.send(CHUNKS_HEAD if is_busy else GET)
        assert line.downstream.eof_received() is is_busy
        assert line.downstream.must_close

    run(main)


def test_nothing_is_written_to_a_closing_connection() -> None:
    async def main() -> None:
        line = Line()
        line.downstream.close()
        line.downstream.write(b"late")
        assert line.transport.written == b""
        unconnected = Listening(line.acceptor)
        unconnected.write(b"early")
        unconnected.close()
        unconnected.abort()

    run(main)


def test_bug_closes_its_connection_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        line = Line()
        with caplog.at_level(logging.ERROR):
            line.send(b"GET /bug HTTP/1.1\r\nHost: h\r\n\r\n")
        assert "unexpected error" in caplog.text
        assert line.transport.is_closing()
        assert line.reasons == []

    run(main)


def test_head_after_closing_goes_nowhere() -> None:
    async def main() -> None:
        class OneRequest(Listening):
            def request_ended(self, trailers: list[bytes]) -> None:
                super().request_ended(trailers)
                self.close()

        line = Line()
        downstream = OneRequest(line.acceptor)
        transport = FakeTransport(downstream)
        downstream.connection_made(transport)
        downstream.data_received(GET + GET)
        assert downstream.events == ["GET /", "end"]
        assert transport.written == b""

    run(main)


def test_mode_must_say_what_a_request_means() -> None:
    async def main() -> None:
        line = Line()
        bare = DownstreamConnection(line.acceptor)
        with pytest.raises(NotImplementedError):
            bare.request_begun(RequestHead(b"GET", 1, True))
        with pytest.raises(NotImplementedError):
            bare.request_body(b"")
        with pytest.raises(NotImplementedError):
            bare.request_ended([])
        with pytest.raises(NotImplementedError):
            bare.request_broken()
        with pytest.raises(NotImplementedError):
            bool(bare.is_idle)

    run(main)

"""Checks dialogues in mode sink: the 204 comes first, and the rewritten copy follows."""

import pytest

from mirror.core.request_head import SHADOW_MARK
from mirror.core.slow_start import SlowStartPool
from mirror.proxy.downstream.acceptor import Acceptor
from mirror.proxy.downstream.sink import SinkConnection
from mirror.proxy.tee import Tee
from tests.fakes import (
    OK,
    Cut,
    FakeTransport,
    Sidecar,
    StubUpstream,
    WiredDiscarding,
    both_ways,
    free_port,
    make_config,
    run,
    turns,
    until,
)

GET = b"GET /a?q HTTP/1.1\r\nHost: h:81\r\nAccept: */*\r\n\r\n"
GET_CLOSE = b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
GET_OLD = b"GET /a HTTP/1.0\r\nHost: h\r\n\r\n"
HEAD = b"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
CHUNKS = (
    b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nhel\r\n2\r\nlo\r\n0\r\nT: 1\r\n\r\n"
)
EXPECT = b"POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
HOPS = (
    b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"
    b"TE: trailers\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\nAccept: */*\r\n\r\n"
)
MARKED = b"GET /a HTTP/1.1\r\nHost: h\r\n" + SHADOW_MARK + b"\r\n"

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
NO_CONTENT_CLOSE = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def copy_of(request_line: bytes, *fields: bytes, body: bytes = b"") -> bytes:
    lines = b"".join(field + b"\r\n" for field in fields)
    return request_line + b"\r\n" + lines + SHADOW_MARK + b"\r\n" + body


COPIES: dict[str, tuple[bytes, bytes, bytes]] = {
    # name: (nginx sends, nginx gets, the shadow gets)
    "GET": (
        GET,
        NO_CONTENT,
        copy_of(b"GET /a?q HTTP/1.1", b"Host: h:81", b"Accept: */*"),
    ),
    "GET that closes": (GET_CLOSE, NO_CONTENT_CLOSE, copy_of(b"GET /a HTTP/1.1", b"Host: h")),
    "GET of HTTP/1.0": (GET_OLD, NO_CONTENT_CLOSE, copy_of(b"GET /a HTTP/1.1", b"Host: h")),
    "HEAD": (HEAD, NO_CONTENT, copy_of(b"HEAD /a HTTP/1.1", b"Host: h")),
    "POST": (
        POST,
        NO_CONTENT,
        copy_of(b"POST /a HTTP/1.1", b"Host: h", b"Content-Length: 5", body=b"hello"),
    ),
    "POST in chunks": (
        CHUNKS,
        NO_CONTENT,
        copy_of(
            b"POST /a HTTP/1.1",
            b"Host: h",
            b"Transfer-Encoding: chunked",
            body=b"5\r\nhello\r\n0\r\nT: 1\r\n\r\n",
        ),
    ),
    "POST that expects": (
        EXPECT + b"hello",
        CONTINUE + NO_CONTENT,
        copy_of(b"POST /a HTTP/1.1", b"Host: h", b"Content-Length: 5", body=b"hello"),
    ),
    "hop-by-hop fields": (
        HOPS,
        NO_CONTENT,
        copy_of(b"GET /a HTTP/1.1", b"Host: h", b"Accept: */*"),
    ),
}


class Line:
    """nginx's connection, with the test in the role of the shadow."""

    def __init__(self) -> None:
        config = make_config(shadow_methods=["GET", "HEAD", "POST"])
        self.tee = Tee(config)
        pool: SlowStartPool[object, object] = SlowStartPool(4, 4)
        self.shadow = self.tee.shadow = WiredDiscarding(pool, self.tee.leg_ended)
        self.acceptor = Acceptor(config, self.tee)
        self.downstream = SinkConnection(self.acceptor)
        self.nginx = FakeTransport(self.downstream)
        self.downstream.connection_made(self.nginx)

    def send(self, data: bytes) -> None:
        self.downstream.data_received(data)

    def totals(self) -> dict[tuple[str, str], int]:
        self.tee.ledger.roll(self.tee.ledger.second + 1)
        report = self.tee.ledger.report(0, 0)
        return {(metric, label): number for (metric, _, label), number in report.totals.items()}


@both_ways
@pytest.mark.parametrize(("sent", "got", "copied"), COPIES.values(), ids=COPIES)
def test_request_is_acknowledged_and_copied(
    cut: Cut, sent: bytes, got: bytes, copied: bytes
) -> None:
    async def main() -> None:
        line = Line()
        pieces = cut(sent)
        for piece in pieces[:-1]:
            line.send(piece)
        assert NO_CONTENT not in line.nginx.written
        line.send(pieces[-1])
        assert line.nginx.written == got
        assert line.nginx.is_closing() is got.endswith(NO_CONTENT_CLOSE)
        await turns(1)
        connection, transport = line.shadow.accept()
        assert transport.written == copied
        assert line.tee.in_flight == 1
        connection.data_received(OK if b"HEAD" not in sent else OK[:-2])
        assert line.tee.in_flight == 0
        assert line.tee.budget.held_bytes == 0

    run(main)


@both_ways
def test_pipelined_requests_are_copied_in_order(cut: Cut) -> None:
    async def main() -> None:
        line = Line()
        for piece in cut(GET + CHUNKS + HEAD):
            line.send(piece)
        assert line.nginx.written == NO_CONTENT * 3
        await turns(1)
        copies = [line.shadow.accept()[1].written for _ in range(3)]
        assert copies == [COPIES[name][2] for name in ("GET", "POST in chunks", "HEAD")]

    run(main)


def test_upgrade_is_acknowledged_and_not_copied() -> None:
    async def main() -> None:
        line = Line()
        upgrade = b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
        line.send(upgrade + GET)
        await turns(1)
        assert line.nginx.written == NO_CONTENT * 2
        assert line.totals()["not_selected", "upgrade"] == 1
        assert line.shadow.accept()[1].written == COPIES["GET"][2]

    run(main)


def test_last_hop_is_acknowledged_like_any_other() -> None:
    async def main() -> None:
        line = Line()
        line.send(b"OPTIONS /a HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n")
        assert line.nginx.written == NO_CONTENT
        assert line.totals()["not_selected", "method"] == 1

    run(main)


@pytest.mark.parametrize("begun", [POST[:-5], POST[:-1], CHUNKS[:-1]])
def test_body_that_stalls_is_refused_and_its_copy_shed(begun: bytes) -> None:
    async def main() -> None:
        line = Line()
        line.send(begun)
        line.acceptor.tick(line.acceptor.now() + 76)
        assert line.nginx.written.startswith(b"HTTP/1.1 408 ")
        assert line.nginx.is_closing()
        assert line.totals()["shed", "downstream_lost"] == 1
        assert line.tee.budget.held_bytes == 0

    run(main)


def test_mark_stops_the_loop() -> None:
    async def main() -> None:
        line = Line()
        line.send(MARKED)
        assert line.nginx.written == NO_CONTENT
        await turns(1)
        assert line.shadow.opening == 0
        assert line.totals() == {("looped", "copy"): 1}

    run(main)


OF_INLINE = b"X-Mirror-Mode: inline\r\n"
OF_SINK = b"X-Mirror-Mode: sink\r\nX-Mirror-Request-Id: 1\r\n"


@both_ways
@pytest.mark.parametrize("request_bytes", [GET, POST, GET_CLOSE, HOPS, MARKED, EXPECT])
def test_a_request_of_production_gets_no_answer(cut: Cut, request_bytes: bytes) -> None:
    async def main() -> None:
        line = Line()
        for piece in cut(GET + request_bytes.replace(b"Host: h", OF_INLINE + b"Host: h") + GET):
            line.send(piece)
        assert line.nginx.written == NO_CONTENT, "only what came before"
        assert line.nginx.is_closing()
        await turns(1)
        assert line.shadow.opening == 1
        assert line.tee.reading == 0
        assert line.totals() == {
            ("requests", "safe"): 1,
            ("shadow.sent", ""): 1,
            ("wrong_mode", ""): 1,
        }

    run(main)


def test_the_mode_of_a_copy_is_not_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        line = Line()
        line.send(GET.replace(b"Accept", OF_SINK + b"Accept"))
        assert line.nginx.written == NO_CONTENT
        await turns(1)
        _, transport = line.shadow.accept()
        assert b"\r\nAccept: " in transport.written
        assert b"mirror-mode" not in transport.written.lower()
        for _ in range(3):
            Line().send(GET.replace(b"Accept", OF_INLINE + b"Accept"))
        line.tee.refused("wrong_mode")
        line.tee.refused("wrong_mode")
        assert caplog.text.count("nginx has the configuration of mode inline") == 4, "once each"

    run(main)


@both_ways
def test_broken_body_sheds_its_copy(cut: Cut) -> None:
    async def main() -> None:
        line = Line()
        for piece in cut(CHUNKS.removesuffix(b"0\r\nT: 1\r\n\r\n") + b"zz\r\n"):
            line.send(piece)
        assert line.nginx.written.startswith(b"HTTP/1.1 400 ")
        assert line.nginx.is_closing()
        await turns(1)
        assert line.shadow.opening == 0
        assert line.tee.reading == 0
        assert line.tee.budget.held_bytes == 0
        assert line.totals() == {
            ("requests", "unsafe"): 1,
            ("shed", "downstream_lost"): 1,
            ("malformed", "syntax"): 1,
        }

    run(main)


@both_ways
def test_malformed_head_is_no_request(cut: Cut) -> None:
    async def main() -> None:
        line = Line()
        for piece in cut(GET + b"GET / HTTP/1.1\r\nBad : 1\r\n\r\n"):
            line.send(piece)
        assert line.nginx.written.startswith(NO_CONTENT + b"HTTP/1.1 400 ")
        await turns(1)
        assert line.shadow.opening == 1
        assert line.totals()["malformed", "syntax"] == 1
        assert line.totals()["requests", "safe"] == 1

    run(main)


@pytest.mark.parametrize("ends_with_eof", [True, False])
def test_nginx_that_leaves_amid_a_body_sheds_its_copy(ends_with_eof: bool) -> None:
    async def main() -> None:
        line = Line()
        line.send(POST[:-1])
        assert line.tee.reading == 1
        if ends_with_eof:
            assert line.downstream.eof_received() is False
        line.downstream.connection_lost(None)
        assert line.tee.reading == 0
        assert line.tee.budget.held_bytes == 0
        assert line.totals()["shed", "downstream_lost"] == 1

    run(main)


def test_copy_outlives_the_connection_it_came_on() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        line.downstream.connection_lost(None)
        await turns(1)
        _, transport = line.shadow.accept()
        assert transport.written == COPIES["GET"][2]

    run(main)


def test_what_follows_a_last_request_is_not_read() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET_CLOSE + GET)
        assert line.nginx.written == NO_CONTENT_CLOSE
        assert line.totals()["requests", "safe"] == 1
        assert ("malformed", "syntax") not in line.totals()

    run(main)


def test_draining_closes_after_the_request() -> None:
    async def main() -> None:
        line = Line()
        line.send(POST[:-1])
        line.acceptor.drain()
        assert not line.nginx.is_closing()
        line.send(POST[-1:])
        assert line.nginx.written == NO_CONTENT_CLOSE
        assert line.nginx.is_closing()

    run(main)


def test_who_does_not_read_is_not_read() -> None:
    async def main() -> None:
        line = Line()
        line.nginx.is_stuck = True
        while line.nginx.is_reading():
            line.send(GET * 100)
            assert len(line.nginx.written) < 100_000
        line.nginx.unstick()
        assert line.nginx.is_reading()
        line.downstream.close()
        line.downstream.resume_writing()
        assert not line.nginx.is_reading()

    run(main)


# --- over loopback ---


@pytest.mark.parametrize("use_uvloop", [True, False])
def test_real_sockets_carry_the_copies(use_uvloop: bool) -> None:
    async def main() -> None:
        async with (
            StubUpstream() as shadow,
            Sidecar(make_config(shadow=shadow.port, shadow_connections=1)) as sidecar,
            sidecar.client() as nginx,
        ):
            for number in range(20):
                nginx.send(b"GET /api/%d HTTP/1.1\r\nHost: h\r\n\r\n" % number)
                assert await nginx.response() == (NO_CONTENT, b"")
            await until(lambda: len(shadow.requests) == 20)
            assert shadow.connections == 1
            lines = [request.partition(b" HTTP")[0] for request in shadow.requests]
            assert lines == [b"GET /api/%d" % number for number in range(20)]
            status = await sidecar.settled()
            assert status["outcomes"] == {"2xx": 20}

    run(main, use_uvloop)


SICK = {
    "never answers": lambda stub: stub.hang(),
    "never reads": lambda stub: stub.ignore(),
    "resets": lambda stub: stub.reset(),
    "garbage": lambda stub: stub.answer(b"garbage"),
    "endless": lambda stub: stub.endless(),
    "refuses": None,
}


@pytest.mark.parametrize("sickness", SICK)
def test_sick_shadow_delays_no_acknowledgement(sickness: str) -> None:
    async def main() -> None:
        make_script = SICK[sickness]
        async with StubUpstream() as shadow:
            if make_script is not None:
                shadow._script = make_script(shadow)
            config = make_config(
                shadow=shadow.port if make_script else free_port(),
                shadow_methods=["GET", "POST"],
                shadow_timeout=0.2,
                shadow_connections=2,
                shadow_waiting=3,
                shadow_buffer_bytes=100_000,
            )
            async with Sidecar(config) as sidecar, sidecar.client() as nginx:
                body = b"x" * 10_000
                post = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\n" + body
                for _ in range(50):
                    nginx.send(GET + post)
                    assert await nginx.response() == (NO_CONTENT, b"")
                    assert await nginx.response() == (NO_CONTENT, b"")
                    assert sidecar.tee.budget.held_bytes <= 100_000
                    assert sidecar.tee.in_flight <= 5
                status = await sidecar.settled()
                assert status["seen"] == 100
                assert "2xx" not in status["outcomes"] or sickness == "endless"

    run(main)


def test_body_that_trickles_is_refused() -> None:
    async def main() -> None:
        line = Line()
        line.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3000\r\n\r\n")
        deadline = line.downstream.expires_at
        line.send(b"x" * 1000)
        assert line.downstream.expires_at == deadline
        line.acceptor.idle_timeout_s += 1
        line.send(b"x" * 24)
        assert line.downstream.expires_at > deadline

    run(main)

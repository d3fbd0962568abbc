"""Checks single inline exchanges: the last hop, tunnels, and retries.

test_inline.py checks framing, pipelining, and the failure of connections.
"""

import asyncio

import pytest

from mirror.core.latency import bucket_of
from mirror.core.request_head import SHADOW_MARK
from mirror.proxy.downstream.inline import pseudonym_of
from mirror.proxy.upstream.discarding import DiscardingConnection
from tests.fakes import (
    OK,
    Cut,
    FakeTransport,
    Line,
    Sidecar,
    StubUpstream,
    both_ways,
    make_config,
    run,
    turns,
    until,
)

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
TRACE = b"TRACE /a HTTP/1.1\r\nHost: h\r\nCookie: c\r\nMax-Forwards: 0\r\n\r\n"
TRACE_SHOWN = b"TRACE /a HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n"
OPTIONS = b"OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n"
EMPTY_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
EMPTY_OK_CLOSE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
UPGRADE = b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
UPGRADE_SENT = (
    b"GET /ws HTTP/1.1\r\nHost: h\r\nVia: 1.1 %b\r\n"
    b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n"
) % pseudonym_of(make_config("inline", 9))
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"


def trace_answer(close: bool = False) -> bytes:
    start = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: message/http\r\n"
    end = b"Connection: close\r\n\r\n" if close else b"\r\n"
    return start % len(TRACE_SHOWN) + end + TRACE_SHOWN


# --- the last hop ---


@both_ways
@pytest.mark.parametrize(
    ("request_bytes", "answer"), [(TRACE, trace_answer()), (OPTIONS, EMPTY_OK)], ids=["TRACE", "*"]
)
def test_last_hop_answers_itself(cut: Cut, request_bytes: bytes, answer: bytes) -> None:
    async def main() -> None:
        line = Line()
        for piece in cut(request_bytes + request_bytes):
            line.send(piece)
        assert line.client.written == answer * 2
        assert line.primary.opening == 0
        assert line.count("primary.requests") == {"2xx": 2}
        line.client.take_written()
        line.exchange(GET)

    run(main)


@pytest.mark.parametrize(
    ("request_bytes", "answer"),
    [
        (TRACE[:-2] + b"Connection: close\r\n\r\n", trace_answer(close=True)),
        (OPTIONS[:-2] + b"Connection: close\r\n\r\n", EMPTY_OK_CLOSE),
        (OPTIONS.replace(b"HTTP/1.1", b"HTTP/1.0"), EMPTY_OK_CLOSE),
    ],
    ids=["TRACE", "OPTIONS", "HTTP/1.0"],
)
def test_last_hop_says_that_it_closes(request_bytes: bytes, answer: bytes) -> None:
    async def main() -> None:
        line = Line()
        line.send(request_bytes)
        assert line.client.written == answer
        assert line.client.is_closing()

    run(main)


def test_last_hop_of_a_draining_worker_says_that_it_closes() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET + OPTIONS)
        line.acceptor.drain()
        connection, _ = line.accept()
        connection.data_received(OK)
        assert line.client.written.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Connection: close\r\n" in line.client.written
        assert line.client.is_closing()

    run(main)


def test_last_hop_waits_its_turn() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET + TRACE + GET)
        connection, _ = line.accept()
        assert line.client.written == b""
        connection.data_received(OK)
        connection.data_received(OK)
        assert line.client.written == OK + trace_answer() + OK

    run(main)


def test_thousands_of_last_hops_are_no_recursion() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET + OPTIONS * 3000)
        connection, _ = line.accept()
        connection.data_received(OK)
        assert line.client.written == OK + EMPTY_OK * 3000

    run(main)


def test_last_hop_with_a_body_is_answered_and_closed() -> None:
    async def main() -> None:
        line = Line()
        line.send(OPTIONS[:-2] + b"Content-Length: 5\r\n\r\nhel")
        assert line.client.written == EMPTY_OK_CLOSE
        assert not line.client.is_closing(), "a close now would reset the answer away"
        line.send(b"lo")
        assert line.client.is_closing()
        assert line.primary.opening == 0

    run(main)


def test_hops_left_are_counted_down() -> None:
    async def main() -> None:
        line = Line()
        line.send(TRACE.replace(b"Forwards: 0", b"Forwards: 7"))
        _, transport = line.accept()
        assert b"Max-Forwards: 6\r\n" in transport.written

    run(main)


# --- X-Forwarded-For ---


@pytest.mark.parametrize(
    ("peername", "shown"),
    [
        (("192.0.2.7", 4711), b"192.0.2.7"),
        (("2001:db8::7", 4711, 0, 0), b"2001:db8::7"),
        ("", b"unix:"),
        (None, b"unix:"),
    ],
)
def test_address_of_the_client_is_appended(peername: object, shown: bytes) -> None:
    async def main() -> None:
        line = Line(forwarded="append")
        line.client.peername = peername
        line.downstream.connection_made(line.client)
        line.send(GET[:-2] + b"X-Forwarded-For: 198.51.100.1\r\n\r\n")
        await turns(1)
        field = b"X-Forwarded-For: 198.51.100.1, " + shown + b"\r\n"
        _, transport = line.accept()
        assert field in transport.written
        assert line.shadow.accept()[1].written == (
            b"GET /a HTTP/1.1\r\nHost: h\r\n" + field + SHADOW_MARK + b"\r\n"
        )

    run(main)


def test_address_is_passed_on_as_it_is_otherwise() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET[:-2] + b"X-Forwarded-For: 198.51.100.1\r\n\r\n")
        _, transport = line.accept()
        assert b"X-Forwarded-For: 198.51.100.1\r\n" in transport.written

    run(main)


# --- tunnels ---


def switched(line: Line, behind: bytes = b"", answer: bytes = SWITCHING) -> FakeTransport:
    """Open a tunnel and return the server's side of it."""
    line.send(UPGRADE + behind)
    connection, transport = line.accept()
    assert transport.take_written() == UPGRADE_SENT
    connection.data_received(answer)
    return transport


@both_ways
def test_upgrade_becomes_a_tunnel(cut: Cut) -> None:
    async def main() -> None:
        line = Line()
        for piece in cut(UPGRADE):
            line.send(piece)
        connection, transport = line.accept()
        assert transport.take_written() == UPGRADE_SENT
        for piece in cut(EARLY_HINTS + SWITCHING):
            connection.data_received(piece)
        assert line.client.take_written() == EARLY_HINTS + SWITCHING
        transport.get_protocol().data_received(b"\x81\x00")
        line.client.get_protocol().data_received(GET)
        assert line.client.written == b"\x81\x00"
        assert transport.written == GET, "no request any more"
        await turns()
        assert line.count("requests") == {"safe": 1}
        assert line.count("not_selected") == {"upgrade": 1}
        assert line.shadow.opening == 0, "a tunnel is never mirrored"

    run(main)


def test_bytes_sent_ahead_follow_the_switch() -> None:
    async def main() -> None:
        line = Line()
        transport = switched(line, behind=b"\x82ahead" + GET, answer=SWITCHING + b"\x81first")
        assert transport.written == b"\x82ahead" + GET
        assert line.client.written == SWITCHING + b"\x81first"
        assert line.client.is_reading() and transport.is_reading()

    run(main)


def test_many_bytes_sent_ahead_stop_their_sender() -> None:
    async def main() -> None:
        line = Line()
        line.send(UPGRADE + b"x" * 100_000)
        connection, transport = line.accept()
        transport.is_stuck = True
        connection.data_received(SWITCHING)
        assert not line.client.is_reading()
        transport.unstick()
        assert line.client.is_reading()

    run(main)


def test_client_that_is_full_already_stops_the_tunnel() -> None:
    async def main() -> None:
        line = Line()
        line.client.is_stuck = True
        transport = switched(line, answer=SWITCHING + b"x" * 100_000)
        assert not transport.is_reading()
        line.client.unstick()
        assert transport.is_reading()

    run(main)


@pytest.mark.parametrize("who", ["client", "server"])
def test_either_side_may_end_the_tunnel(who: str) -> None:
    async def main() -> None:
        line = Line()
        transport = switched(line)
        side = line.client if who == "client" else transport
        side.get_protocol().connection_lost(None)
        await turns()
        assert line.client.is_closing() or who == "client"
        assert transport.is_closing() or who == "server"
        assert line.count("primary.requests") == {"1xx": 1}
        assert not line.acceptor.connections
        assert line.primary._pool._open == 0

    run(main)


def test_tunnel_has_no_deadline() -> None:
    async def main() -> None:
        line = Line()
        transport = switched(line)
        line.acceptor.tick(line.acceptor.now() + 100_000)
        assert not line.client.is_closing() and not transport.is_closing()

    run(main)


def test_tunnel_is_cut_with_the_worker() -> None:
    async def main() -> None:
        line = Line()
        transport = switched(line)
        line.acceptor.drain()
        assert not line.client.is_closing()
        line.acceptor.cut()
        await turns()
        assert line.client.is_aborted and transport.is_aborted

    run(main)


@pytest.mark.parametrize("use_uvloop", [True, False])
def test_websocket_on_the_wire(use_uvloop: bool) -> None:
    async def main() -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(SWITCHING)
            while data := await reader.read(65536):
                writer.write(data)

        async with (
            StubUpstream(echo) as primary,
            Sidecar(make_config("inline", primary.port)) as sidecar,
            sidecar.client() as client,
        ):
            client.send(UPGRADE + b"ahead")
            assert await client.reader.readuntil(b"\r\n\r\n") == SWITCHING
            assert await client.reader.readexactly(5) == b"ahead"
            client.send(GET * 1000)
            assert await client.reader.readexactly(len(GET) * 1000) == GET * 1000
            client.send_eof()
            assert await client.is_ended()
            await until(lambda: not sidecar.acceptor.connections)
            assert sidecar.status()["primary"] == {"1xx": 1}

    run(main, use_uvloop)


# --- retries ---


def test_safe_request_is_sent_again_only_while_nothing_came() -> None:
    async def main() -> None:
        line = Line()
        connection, _ = line.exchange(GET)
        line.send(GET)
        connection.data_received(b"HTTP/1.1 2")
        connection.connection_lost(None)
        assert line.primary.opening == 0
        assert line.client.written.startswith(b"HTTP/1.1 502 ")

    run(main)


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"])
def test_idempotent_request_is_sent_again(method: bytes) -> None:
    async def main() -> None:
        line = Line()
        connection, _ = line.exchange(GET)
        line.send(GET.replace(b"GET", method))
        connection.connection_lost(None)
        assert line.client.written == b""
        assert line.accept()[1].written.startswith(method)

    run(main)


def test_other_request_is_not_sent_again() -> None:
    async def main() -> None:
        line = Line()
        connection, _ = line.exchange(GET)
        line.send(GET.replace(b"GET", b"POST"))
        connection.connection_lost(None)
        assert line.primary.opening == 0
        assert line.client.written.startswith(b"HTTP/1.1 502 ")

    run(main)


def test_exchange_shows_what_it_is() -> None:
    async def main() -> None:
        line = Line()
        line.send(POST[:-1])
        (exchange,) = line.downstream._pipeline
        assert repr(exchange) == "<InlineExchange b'POST' b'/a' uploading>"
        assert not exchange.is_last

    run(main)


# --- latency ---


@pytest.mark.parametrize(
    "request_bytes", [GET, b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"]
)
def test_answered_exchange_has_a_latency(request_bytes: bytes) -> None:
    async def main() -> None:
        line = Line()
        line.exchange(request_bytes)
        assert line.latencies() == {"/a": 1}

    run(main)


def test_slow_upload_is_not_the_primary_s_latency() -> None:
    async def main() -> None:
        line = Line()
        line.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nx")
        exchange = line.downstream._pipeline[0]
        exchange._asked_at -= 1000
        line.send(b"y")
        line.accept()[0].data_received(OK)
        (buckets,) = line.tee.ledger._latencies.values()
        assert max(buckets) < bucket_of(900_000_000)

    run(main)


@pytest.mark.parametrize("answer", [b"", b"garbage", OK[:-1]])
def test_exchange_without_a_whole_answer_has_no_latency(answer: bytes) -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        connection, _ = line.accept()
        if answer:
            connection.data_received(answer)
        connection.connection_lost(None)
        assert line.latencies() == {}

    run(main)


def test_tunnel_has_no_latency() -> None:
    async def main() -> None:
        line = Line()
        switched(line).get_protocol().connection_lost(None)
        assert line.latencies() == {}
        assert line.count("primary.requests") == {"1xx": 1}

    run(main)


def test_answer_before_the_end_of_the_request_has_no_latency() -> None:
    async def main() -> None:
        line = Line()
        line.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nx")
        line.accept()[0].data_received(OK)
        assert line.latencies() == {}
        assert line.count("primary.requests") == {"2xx": 1}

    run(main)


# --- pairs ---


def compared(line: Line) -> dict[str, int]:
    """Return the pairs by result, and the legs that make none by reason."""
    return line.count("compared") | line.count("uncompared")


async def shadow_of(line: Line) -> DiscardingConnection:
    """Return the shadow's connection of the request that was read last."""
    await turns(1)
    return line.shadow.accept()[0]


ORIGIN = b"x-envoy-upstream-service-time: 1\r\n"
MISS = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
FOUND = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n%bLocation: %b\r\n\r\n"


@pytest.mark.parametrize("is_primary_first", [True, False])
@pytest.mark.parametrize(
    ("primary", "shadow", "result"),
    [
        (OK, OK, "same"),
        (OK, MISS, "route_miss"),
        (OK, MISS.replace(b"\r\n\r\n", b"\r\n" + ORIGIN + b"\r\n"), "app_not_found"),
        (FOUND % (b"", b"/a?x=1"), FOUND % (ORIGIN, b"/a?x=2"), "same"),
        (FOUND % (b"", b"/a"), FOUND % (ORIGIN, b"/login"), "redirect"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "size",
        ),
    ],
)
def test_both_answers_are_compared(
    is_primary_first: bool, primary: bytes, shadow: bytes, result: str
) -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        leg = await shadow_of(line)
        connection, _ = line.accept()
        if is_primary_first:
            connection.data_received(primary)
            assert compared(line) == {}
            leg.data_received(shadow)
        else:
            leg.data_received(shadow)
            pairs = line.tee.comparing.pairs
            assert compared(line) == {} and pairs is not None and pairs.waiting == 1
            connection.data_received(primary)
        assert compared(line) == {result: 1}

    run(main)


def test_a_primary_that_fails_is_compared_and_a_client_that_leaves_is_not() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        leg = await shadow_of(line)
        connection, _ = line.accept()
        connection.connection_lost(None)
        leg.data_received(OK)
        assert compared(line) == {"better": 1}
        assert line.count("compared.classes") == {"none>2xx": 1}
        line.send(GET)
        await turns(1)
        line.client.abort()
        await turns()
        leg.data_received(OK)
        assert compared(line) == {"better": 1, "primary_aborted": 1}

    run(main)


def test_of_a_client_that_leaves_during_the_answer_the_status_is_compared() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        leg = await shadow_of(line)
        connection, _ = line.accept()
        connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 40)
        line.client.abort()
        await turns()
        leg.data_received(MISS)
        assert line.count("primary.requests") == {"aborted": 1}
        assert compared(line) == {"route_miss": 1}

    run(main)


def test_a_primary_that_breaks_off_its_answer_has_failed() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        leg = await shadow_of(line)
        leg.data_received(OK)
        connection, _ = line.accept()
        connection.data_received(OK[:-1])
        connection.connection_lost(None)
        assert compared(line) == {"better": 1}
        assert line.count("compared.classes") == {"none>2xx": 1}

    run(main)


def test_a_retried_primary_makes_one_pair() -> None:
    async def main() -> None:
        line = Line()
        connection, _ = line.exchange(GET)
        leg = await shadow_of(line)
        leg.data_received(OK)
        line.send(GET)
        await turns(1)
        connection.connection_lost(None)  # it had served before, so the request is sent again
        second, _ = line.accept()
        second.data_received(OK)
        leg.data_received(OK)
        assert compared(line) == {"same": 2}

    run(main)


def test_requests_in_a_row_are_each_their_own_pair() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET + GET)
        leg = await shadow_of(line)
        connection, _ = line.accept()
        leg.data_received(OK)
        leg.data_received(MISS)
        connection.data_received(MISS)
        connection.data_received(OK)
        assert sum(compared(line).values()) == 2
        assert line.count("compared.classes") == {"2xx>4xx": 1, "4xx>2xx": 1}

    run(main)


def test_the_drain_leaves_no_leg_uncounted() -> None:
    async def main() -> None:
        line = Line(shadow_ratio=2)
        line.send(GET)
        await turns(1)
        line.accept()
        line.tee.cut()
        line.client.abort()
        await turns()
        assert compared(line) == {"extra_copy": 1, "shadow_aborted": 1}
        assert line.count("shadow.requests") == {"aborted": 2}

    run(main)


def test_nothing_is_compared_where_that_is_off() -> None:
    async def main() -> None:
        line = Line(comparison={"enabled": False})
        line.send(GET)
        leg = await shadow_of(line)
        line.accept()[0].data_received(OK)
        leg.data_received(MISS)
        assert compared(line) == {}

    run(main)

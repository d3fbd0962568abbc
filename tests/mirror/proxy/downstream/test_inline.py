"""Checks dialogues in mode inline: the client's bytes, the primary's and the client's responses.

The first part uses transports without sockets, with data uncut and byte by byte. The second part
runs over loopback with a healthy shadow and with every kind of sick one: the client receives the
same bytes.
"""

import asyncio

import pytest

from mirror.proxy.downstream.inline import pseudonym_of
from tests.fakes import (
    OK,
    Cut,
    Line,
    Sidecar,
    StubUpstream,
    both_ways,
    free_port,
    make_config,
    run,
    split,
    turns,
    until,
    whole,
)

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
GET_CLOSE = b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
GET_OLD = b"GET /a HTTP/1.0\r\nHost: h\r\n\r\n"
HEAD = b"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n"
POST_HEAD = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
POST = POST_HEAD + b"hello"
CHUNKS_HEAD = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKS = CHUNKS_HEAD + b"5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nT: 1\r\n\r\n"
PUT = b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
EXPECT = b"POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
BROKEN = b"GET /a HTTP/1.1\r\nHost: h\r\nBad : 1\r\n\r\n"
BROKEN_BODY = CHUNKS_HEAD + b"zz\r\n"

PSEUDONYM = pseudonym_of(make_config("inline", 9))
VIA = b"Via: 1.1 %b\r\n" % PSEUDONYM


def via(request: bytes, version: bytes = b"1.1") -> bytes:
    """Return what the primary receives for a request with no field but Host."""
    return request.replace(
        b"Host: h\r\n", b"Host: h\r\nVia: " + version + b" " + PSEUDONYM + b"\r\n"
    )


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
OK_CLOSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
OK_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
OK_TRAILERS = OK_CHUNKS[:-2] + b"T: 1\r\n\r\n"
OK_UNFRAMED = b"HTTP/1.1 200 OK\r\n\r\nok"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
NOT_MODIFIED = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n"
BAD_GATEWAY = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nContent-Length: 16\r\n\r\n"
    b"502 Bad Gateway\n"
)
BAD_GATEWAY_CLOSE = BAD_GATEWAY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
BAD_REQUEST_START = b"HTTP/1.1 400 Bad Request\r\n"
BIG = 300_000
BIG_OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG + b"x" * BIG


# --- one exchange, every framing ---

EXCHANGES: dict[str, tuple[bytes, bytes, bytes, bytes]] = {
    # name: (client sends, primary sees, primary answers, client gets)
    "GET": (GET, via(GET), OK, OK),
    "GET that closes": (GET_CLOSE, via(GET), OK, OK_CLOSE),
    "GET of an old client": (GET_OLD, via(GET, b"1.0"), OK, OK_CLOSE),
    "HEAD": (HEAD, via(HEAD), OK_HEAD, OK_HEAD),
    "HEAD without a length": (HEAD, via(HEAD), OK_UNFRAMED[:-2], OK_UNFRAMED[:-2]),
    "POST": (POST, via(POST), OK, OK),
    "POST in chunks": (CHUNKS, b"", OK, OK),
    "answer in chunks": (GET, via(GET), OK_CHUNKS, OK_CHUNKS),
    "answer with trailers": (GET, via(GET), OK_TRAILERS, OK_TRAILERS),
    "204": (GET, via(GET), NO_CONTENT, NO_CONTENT),
    "304": (GET, via(GET), NOT_MODIFIED, NOT_MODIFIED),
    "103 first": (GET, via(GET), EARLY_HINTS + OK, EARLY_HINTS + OK),
    "103 to an old client": (GET_OLD, via(GET, b"1.0"), EARLY_HINTS + OK, OK_CLOSE),
}


@both_ways
@pytest.mark.parametrize(("sent", "seen", "answered", "got"), EXCHANGES.values(), ids=EXCHANGES)
def test_exchange_is_relayed(
    cut: Cut, sent: bytes, seen: bytes, answered: bytes, got: bytes
) -> None:
    async def main() -> None:
        line = Line()
        pieces = cut(sent)
        line.send(pieces[0])
        primary = None
        for piece in pieces[1:]:
            if line.primary.opening:
                primary = line.accept()
            line.send(piece)
        connection, transport = primary or line.accept()
        if seen:
            assert transport.written == seen
        for piece in cut(answered):
            connection.data_received(piece)
        if answered in (OK_CHUNKS, OK_TRAILERS) and cut is split:
            end = answered.partition(b"ok\r\n")[2]
            assert line.client.written.endswith(b"1\r\no\r\n1\r\nk\r\n" + end)
        else:
            assert line.client.written == got
        assert line.client.is_closing() is (b"Connection: close" in got)
        outcome = "3xx" if answered is NOT_MODIFIED else "2xx"
        assert line.count("primary.requests") == {outcome: 1}

    run(main)


@both_ways
def test_chunked_upload_is_chunked_anew(cut: Cut) -> None:
    async def main() -> None:
        line = Line()
        for piece in cut(CHUNKS_HEAD):
            line.send(piece)
        _, transport = line.accept()
        assert transport.take_written() == via(CHUNKS_HEAD)
        for piece in cut(CHUNKS[len(CHUNKS_HEAD) :]):
            line.send(piece)
        if cut is whole:
            assert transport.written == b"6\r\nhello!\r\n0\r\nT: 1\r\n\r\n"
        else:
            letters = b"".join(b"1\r\n%c\r\n" % letter for letter in b"hello!")
            assert transport.written == letters + b"0\r\nT: 1\r\n\r\n"

    run(main)


@both_ways
def test_unframed_answer_becomes_chunks(cut: Cut) -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        connection, _ = line.accept()
        connection.data_received(OK_UNFRAMED)
        assert line.client.written == OK_CHUNKS[:-5]
        connection.connection_lost(None)
        assert line.client.written == OK_CHUNKS
        assert not line.client.is_closing()

    run(main)


def test_unframed_answer_to_an_old_client_ends_by_closing() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET_OLD)
        connection, _ = line.accept()
        connection.data_received(OK_UNFRAMED)
        connection.connection_lost(None)
        assert line.client.written == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok"
        assert line.client.is_closing()

    run(main)


def test_expectation_is_relayed_both_ways() -> None:
    async def main() -> None:
        line = Line()
        line.send(EXPECT)
        connection, transport = line.accept()
        assert transport.take_written() == via(EXPECT)
        connection.data_received(CONTINUE)
        assert line.client.take_written() == CONTINUE
        line.send(b"hello")
        assert transport.take_written() == b"hello"
        connection.data_received(OK)
        assert line.client.take_written() == OK
        assert not line.client.is_closing()

    run(main)


def test_refused_expectation_closes() -> None:
    async def main() -> None:
        line = Line()
        line.send(EXPECT)
        connection, transport = line.accept()
        connection.data_received(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
        head = b"HTTP/1.1 417 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        assert line.client.written == head
        assert transport.is_closing()
        line.send(b"hello")
        await turns()
        assert line.client.is_closing()
        assert line.count("shed") == {}

    run(main)


def test_upload_may_be_answered_early() -> None:
    async def main() -> None:
        line = Line()
        line.send(POST[:-3])
        connection, transport = line.accept()
        connection.data_received(OK_HEAD)
        assert line.client.take_written() == OK_CLOSE[:-2]
        line.send(POST[-3:-1])
        assert transport.take_written() == via(POST[:-1])
        connection.data_received(b"ok")
        assert line.client.take_written() == b"ok"
        assert not line.client.is_closing(), "a close now would reset the answer away"
        line.send(POST[-1:])
        assert line.client.is_closing()
        assert line.count("primary.requests") == {"2xx": 1}

    run(main)


def test_early_answer_may_end_after_the_upload() -> None:
    async def main() -> None:
        line = Line()
        line.send(POST[:-1])
        connection, _ = line.accept()
        connection.data_received(OK_HEAD)
        line.send(POST[-1:])
        connection.data_received(b"ok")
        assert line.client.written == OK_CLOSE
        assert line.client.is_closing()

    run(main)


# --- keep-alive and pipelining ---


def test_connections_are_kept_on_both_sides() -> None:
    async def main() -> None:
        line = Line()
        connection, transport = line.exchange(GET)
        line.send(GET)
        assert line.primary.opening == 0
        assert transport.take_written() == via(GET)
        connection.data_received(OK)
        assert line.client.take_written() == OK

    run(main)


@both_ways
def test_pipelined_requests_are_answered_in_order(cut: Cut) -> None:
    async def main() -> None:
        line = Line()
        requests = [b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number for number in range(3)]
        for piece in cut(b"".join(requests)):
            line.send(piece)
        assert not line.client.is_reading(), "what is behind waits in the socket"
        connection, transport = line.accept()
        for number, request in enumerate(requests):
            assert transport.take_written() == via(request)
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number
            connection.data_received(answer)
            assert line.client.take_written() == answer
        assert line.client.is_reading()
        assert line.count("requests") == {"safe": 3}

    run(main)


def test_pipelined_bodies_wait_their_turn() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET + POST + CHUNKS)
        assert not line.client.is_reading()
        connection, transport = line.accept()
        assert transport.take_written() == via(GET)
        connection.data_received(OK)
        assert transport.take_written() == via(POST)
        connection.data_received(OK)
        assert transport.take_written() == via(CHUNKS_HEAD) + b"6\r\nhello!\r\n0\r\nT: 1\r\n\r\n"
        connection.data_received(OK)
        assert line.client.written == OK * 3

    run(main)


def test_nothing_is_read_behind_a_last_request() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET_CLOSE + GET)
        connection, transport = line.accept()
        connection.data_received(OK)
        assert transport.written == via(GET)
        assert line.client.written == OK_CLOSE
        assert line.count("malformed") == {}
        assert line.count("requests") == {"safe": 1}

    run(main)


def test_draining_closes_after_the_exchange() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        line.acceptor.drain()
        connection, _ = line.accept()
        connection.data_received(OK)
        assert line.client.written == OK_CLOSE
        assert line.client.is_closing()

    run(main)


def test_drain_amid_an_answer_closes_after_it() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        connection, _ = line.accept()
        connection.data_received(OK[:-1])
        line.acceptor.drain()
        connection.data_received(OK[-1:])
        assert line.client.written == OK
        assert line.client.is_closing()

    run(main)


def test_retiring_closes_behind_an_answer_that_says_so() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        connection, _ = line.accept()
        connection.data_received(OK[:-1])
        line.acceptor.retire()
        connection.data_received(OK[-1:])
        assert line.client.take_written() == OK
        assert not line.client.is_closing(), "the answer did not say that it closes"
        line.send(GET)
        connection.data_received(OK)
        assert line.client.written == OK_CLOSE
        assert line.client.is_closing()

    run(main)


# --- requests behind an upgrade request ---


UPGRADE = b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
UPGRADE_SENT = (
    b"GET /ws HTTP/1.1\r\nHost: h\r\n" + VIA + b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n"
)
SECOND = b"GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"


def test_refused_upgrade_is_followed_by_requests() -> None:
    async def main() -> None:
        line = Line()
        line.send(UPGRADE + SECOND + GET)
        assert not line.client.is_reading(), "nobody knows yet what the bytes behind it are"
        connection, transport = line.accept()
        assert transport.take_written() == UPGRADE_SENT
        connection.data_received(OK)
        assert transport.take_written() == via(SECOND)
        connection.data_received(OK)
        assert transport.take_written() == via(GET)
        connection.data_received(OK)
        assert line.client.written == OK * 3
        assert line.client.is_reading()
        assert line.count("not_selected") == {"upgrade": 1}

    run(main)


@both_ways
def test_refused_upgrade_without_more_is_an_exchange(cut: Cut) -> None:
    async def main() -> None:
        line = Line()
        for piece in cut(UPGRADE):
            line.send(piece)
        connection, transport = line.accept()
        connection.data_received(OK)
        assert line.client.take_written() == OK
        assert line.client.is_reading()
        line.send(GET)
        assert transport.written.endswith(via(GET))

    run(main)


def test_nothing_overtakes_what_is_held_behind_an_upgrade() -> None:
    """Checks that bytes behind an upgrade request wait until the upgrade is answered."""

    async def main() -> None:
        line = Line()
        line.send(GET + UPGRADE + SECOND)
        connection, transport = line.accept()
        connection.data_received(OK)
        assert transport.take_written() == via(GET) + UPGRADE_SENT
        assert not line.client.is_reading()
        line.client.is_stuck = True
        connection.data_received(BIG_OK)
        assert transport.take_written() == via(SECOND)
        line.client.unstick()
        connection.data_received(OK)
        assert line.client.is_reading()
        assert line.client.written == OK + BIG_OK + OK

    run(main)


def test_upload_before_an_upgrade_does_not_read_past_it() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET + POST + UPGRADE + SECOND)
        connection, transport = line.accept()
        transport.is_stuck = True
        connection.data_received(OK)
        connection.pause_writing()
        connection.resume_writing()
        assert not line.client.is_reading()

    run(main)


def test_thousands_of_refused_upgrades_are_no_recursion() -> None:
    async def main() -> None:
        line = Line()
        count = 2000
        line.send(UPGRADE.replace(b"websocket", b"h2c") * count)
        connection, _ = line.accept()
        for _ in range(count):
            connection.data_received(OK)
        assert line.client.written == OK * count

    run(main)


# --- malformed ---


@both_ways
@pytest.mark.parametrize("request_bytes", [BROKEN, BROKEN_BODY])
def test_malformed_request_is_refused(cut: Cut, request_bytes: bytes) -> None:
    async def main() -> None:
        line = Line()
        for piece in cut(request_bytes):
            line.send(piece)
        assert line.client.written.startswith(BAD_REQUEST_START)
        assert b"Connection: close" in line.client.written
        assert line.client.is_closing()
        assert line.count("malformed") == {"syntax": 1}
        if request_bytes is BROKEN:
            assert line.primary.opening == 0
            assert line.count("requests") == {}
        else:
            _, transport = line.accept()
            assert transport.written == b"", "withdrawn before it was sent"
            assert line.count("primary.requests") == {"aborted": 1}
            assert line.count("not_selected") == {"method": 1}

    run(main)


OF_SINK = (b"X-Mirror-Mode: sink\r\n", b"X-Mirror-Request-Id: 9f\r\n")
OF_INLINE = b"X-Mirror-Mode: inline\r\n"


@both_ways
@pytest.mark.parametrize("field", OF_SINK)
@pytest.mark.parametrize("request_bytes", [GET, POST, CHUNKS, EXPECT, GET_OLD])
def test_a_copy_gets_no_answer_and_no_primary(cut: Cut, request_bytes: bytes, field: bytes) -> None:
    async def main() -> None:
        line = Line()
        for piece in cut(request_bytes.replace(b"Host", field + b"Host") + GET):
            line.send(piece)
        assert line.client.written == b""
        assert line.client.is_closing()
        assert line.primary.opening == 0
        assert line.shadow.opening == 0
        assert line.count("requests") == {}
        assert line.count("malformed") == {}
        assert line.count("wrong_mode") == {"": 1}

    run(main)


@both_ways
def test_a_request_before_a_copy_is_answered(cut: Cut) -> None:
    async def main() -> None:
        line = Line()
        for piece in cut(GET + GET.replace(b"Host", OF_SINK[0] + b"Host") + GET):
            line.send(piece)
        connection, transport = line.accept()
        assert transport.take_written() == via(GET)
        connection.data_received(OK)
        assert line.client.written == OK
        assert line.client.is_closing()
        assert transport.written == b""
        assert line.count("wrong_mode") == {"": 1}

    run(main)


@both_ways
def test_the_mode_is_not_passed_on_and_vouches_for_an_id(cut: Cut) -> None:
    async def main() -> None:
        line = Line()
        sent = GET.replace(b"\r\n\r\n", b"\r\nX-Mirror-Request-Id: mine\r\n\r\n")
        for piece in cut(sent.replace(b"Host", OF_INLINE + b"Host")):
            line.send(piece)
        _, transport = line.accept()
        id_field = b"X-Mirror-Request-Id: mine\r\n"
        expected = via(GET).replace(b"Via", id_field + b"Via")
        assert transport.written == expected, "nginx names the mode, so a client chose the id"
        await turns(1)
        _, copy = line.shadow.accept()
        assert b"x-mirror-mode" not in copy.written.lower()
        assert line.count("wrong_mode") == {}

    run(main)


@both_ways
@pytest.mark.parametrize("request_bytes", [BROKEN, BROKEN_BODY])
def test_good_request_before_a_malformed_is_answered(cut: Cut, request_bytes: bytes) -> None:
    async def main() -> None:
        line = Line()
        for piece in cut(GET + request_bytes + GET):
            line.send(piece)
        connection, transport = line.accept()
        assert transport.take_written() == via(GET)
        connection.data_received(OK)
        assert line.client.written.startswith(OK + BAD_REQUEST_START)
        assert line.client.is_closing()
        assert transport.written == b""
        assert line.count("malformed") == {"syntax": 1}

    run(main)


def test_malformed_body_after_an_early_answer_closes() -> None:
    async def main() -> None:
        line = Line()
        line.send(CHUNKS_HEAD)
        connection, transport = line.accept()
        connection.data_received(OK_HEAD)
        line.send(b"zz\r\n")
        assert b"400" not in line.client.written
        assert line.client.is_closing()
        assert transport.is_aborted
        await turns()
        assert line.count("primary.requests") == {"aborted": 1}

    run(main)


# --- the primary fails ---


@both_ways
@pytest.mark.parametrize("request_bytes", [GET, HEAD, POST])
def test_refused_connect_is_a_502(cut: Cut, request_bytes: bytes) -> None:
    async def main() -> None:
        line = Line()
        for piece in cut(request_bytes):
            line.send(piece)
        line.primary.refuse()
        expected = BAD_GATEWAY
        if request_bytes is HEAD:
            expected = BAD_GATEWAY.removesuffix(b"502 Bad Gateway\n")
        assert line.client.take_written() == expected
        assert line.count("primary.requests") == {"connect_failed": 1}
        line.exchange(GET)

    run(main)


def test_refused_connect_amid_an_upload_closes_at_its_end() -> None:
    async def main() -> None:
        line = Line()
        line.send(POST[:-1])
        line.primary.refuse()
        assert line.client.written.startswith(b"HTTP/1.1 502 ")
        assert b"Connection: close" in line.client.written
        assert line.client.is_reading() and not line.client.is_closing()
        line.send(POST[-1:])
        assert line.client.is_closing()

    run(main)


@both_ways
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 101 Now\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 101 Now\r\n\r\n",
    ],
    ids=["two lengths", "101 that nobody asked for", "101 to nothing"],
)
def test_bad_answer_is_a_502_and_closes_both_sides(cut: Cut, answer: bytes) -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        connection, transport = line.accept()
        for piece in cut(answer):
            connection.data_received(piece)
        assert line.client.written == BAD_GATEWAY_CLOSE
        assert line.client.is_closing()
        assert transport.is_aborted
        assert line.count("primary.requests") == {"protocol_error": 1}

    run(main)


def test_malformed_chunk_in_the_first_read_is_a_502() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        connection, _ = line.accept()
        connection.data_received(OK_CHUNKS[:-5] + b"zz\r\n")
        assert line.client.written == BAD_GATEWAY_CLOSE

    run(main)


def test_malformed_chunk_later_cuts_the_client() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        connection, _ = line.accept()
        connection.data_received(OK_CHUNKS[:-5])
        connection.data_received(b"zz\r\n")
        assert line.client.written == OK_CHUNKS[:-5]
        assert line.client.is_aborted

    run(main)


def test_reset_amid_the_answer_cuts_the_client() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        connection, _ = line.accept()
        connection.data_received(OK[:-1])
        connection.connection_lost(ConnectionResetError())
        assert line.client.written == OK[:-1]
        assert line.client.is_aborted
        await turns()
        assert line.count("primary.requests") == {"reset": 1}

    run(main)


def test_reset_cuts_what_is_pipelined_behind() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET + GET)
        connection, _ = line.accept()
        connection.data_received(OK[:-1])
        connection.connection_lost(None)
        await turns()
        assert line.count("primary.requests") == {"aborted": 1, "reset": 1}

    run(main)


@pytest.mark.parametrize("request_bytes", [GET, HEAD])
def test_stale_connection_is_retried_once(request_bytes: bytes) -> None:
    async def main() -> None:
        line = Line()
        connection, transport = line.exchange(GET)
        line.send(request_bytes)
        connection.connection_lost(ConnectionResetError())
        assert line.client.written == b""
        second, transport = line.accept()
        assert transport.written == via(request_bytes)
        second.data_received(OK_HEAD if request_bytes is HEAD else OK)
        assert line.client.written.startswith(OK_HEAD)
        assert line.count("primary.requests") == {"2xx": 2}

    run(main)


@pytest.mark.parametrize("request_bytes", [POST, CHUNKS, PUT])
def test_stale_connection_is_not_retried_with_a_body(request_bytes: bytes) -> None:
    async def main() -> None:
        line = Line()
        connection, _ = line.exchange(GET)
        line.send(request_bytes)
        connection.connection_lost(ConnectionResetError())
        assert line.primary.opening == 0
        assert line.client.written == BAD_GATEWAY

    run(main)


def test_retry_that_fails_too_is_a_502() -> None:
    async def main() -> None:
        line = Line()
        connection, _ = line.exchange(GET)
        line.send(GET)
        connection.connection_lost(ConnectionResetError())
        line.primary.refuse()
        assert line.client.written == BAD_GATEWAY

    run(main)


def test_client_may_leave_while_the_retry_waits() -> None:
    async def main() -> None:
        line = Line()
        connection, _ = line.exchange(GET)
        line.send(GET)
        connection.connection_lost(ConnectionResetError())
        line.downstream.connection_lost(None)
        _, transport = line.accept()
        assert transport.written == b""
        assert line.count("primary.requests") == {"2xx": 1, "aborted": 1}

    run(main)


def test_silent_primary_is_a_504() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        _, transport = line.accept()
        line.acceptor.tick(line.acceptor.now() + 59)
        assert line.client.written == b""
        line.acceptor.tick(line.acceptor.now() + 61)
        assert line.client.written.startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
        assert transport.is_aborted
        assert line.count("primary.requests") == {"timeout": 1}

    run(main)


def test_answer_may_take_long_while_it_goes_on() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        connection, _ = line.accept()
        connection.data_received(OK_HEAD)
        for _ in range(2):
            line.acceptor.tick(line.acceptor.now() + 59)
            assert not line.client.is_closing()
            connection.data_received(b"o")
        assert line.client.written == OK_HEAD + b"oo"
        assert line.count("primary.requests") == {"2xx": 1}

    run(main)


def test_answer_that_stalls_is_cut() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        connection, transport = line.accept()
        connection.data_received(OK_HEAD)
        line.acceptor.tick(line.acceptor.now() + 61)
        assert transport.is_aborted and line.client.is_aborted
        assert line.count("primary.requests") == {"timeout": 1}

    run(main)


def test_upload_that_stalls_is_refused() -> None:
    async def main() -> None:
        line = Line()
        line.send(POST[:-1])
        _, transport = line.accept()
        line.acceptor.tick(line.acceptor.now() + 74)
        assert line.client.written == b""
        line.acceptor.tick(line.acceptor.now() + 76)
        assert line.client.written.startswith(b"HTTP/1.1 408 ")
        assert transport.is_aborted and line.client.is_closing()
        assert line.count("primary.requests") == {"aborted": 1}

    run(main)


def test_upload_that_trickles_is_refused() -> None:
    async def main() -> None:
        line = Line()
        line.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3000\r\n\r\n")
        _, transport = line.accept()
        deadline = line.downstream.expires_at
        line.send(b"x")
        assert line.downstream.expires_at == deadline
        line.acceptor.tick(line.acceptor.now() + 76)
        assert line.client.written.startswith(b"HTTP/1.1 408 ")
        assert transport.is_aborted

    run(main)


def test_upload_that_the_primary_held_up_gets_its_time_back() -> None:
    async def main() -> None:
        line = Line()
        line.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n")
        _, transport = line.accept()
        transport.is_stuck = True
        line.send(b"x" * 100_000)
        line.downstream.expires_at -= 70
        transport.unstick()
        line.acceptor.tick(line.acceptor.now() + 74)
        assert line.client.written == b""

    run(main)


def test_client_that_takes_nothing_of_an_answer_is_cut() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        connection, transport = line.accept()
        line.client.is_stuck = True
        connection.data_received(
            b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 100_000
        )
        assert not transport.is_reading()
        line.acceptor.tick(line.acceptor.now() + 61)
        await turns()
        assert transport.is_aborted and line.client.is_aborted
        assert not line.acceptor.connections
        assert line.count("primary.requests") == {"timeout": 1}

    run(main)


def test_client_that_takes_no_end_of_an_answer_is_cut() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        connection, _ = line.accept()
        line.client.is_stuck = True
        connection.data_received(OK)
        assert line.count("primary.requests") == {"2xx": 1}
        line.acceptor.tick(line.acceptor.now() + 76)
        line.acceptor.tick(line.acceptor.now() + 152)
        await turns()
        assert line.client.is_aborted
        assert not line.acceptor.connections

    run(main)


def test_upload_that_the_primary_does_not_take_is_a_504() -> None:
    async def main() -> None:
        line = Line()
        line.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n")
        _, transport = line.accept()
        transport.is_stuck = True
        line.send(b"x" * 100_000)
        assert not line.client.is_reading()
        line.acceptor.tick(line.acceptor.now() + 76)
        assert line.client.written.startswith(b"HTTP/1.1 504 ")
        assert transport.is_aborted

    run(main)


# --- the client leaves ---


def test_client_that_leaves_aborts_its_leg() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET + GET)
        _, transport = line.accept()
        line.downstream.connection_lost(ConnectionResetError())
        assert transport.is_aborted
        assert line.count("primary.requests") == {"aborted": 2}
        assert not line.acceptor.connections

    run(main)


def test_half_closed_client_gets_its_answer() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        assert line.downstream.eof_received() is True
        connection, _ = line.accept()
        connection.data_received(OK)
        assert line.client.written == OK_CLOSE
        assert line.client.is_closing()

    run(main)


def test_end_amid_an_upload_abandons_it() -> None:
    async def main() -> None:
        line = Line()
        line.send(POST[:-1])
        _, transport = line.accept()
        assert line.downstream.eof_received() is False
        assert transport.is_aborted
        assert line.count("primary.requests") == {"aborted": 1}

    run(main)


def test_end_amid_a_pipelined_upload_answers_the_first() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET + POST[:-1])
        assert line.downstream.eof_received() is True
        connection, transport = line.accept()
        connection.data_received(OK)
        assert transport.written == via(GET)
        assert line.client.written == OK_CLOSE

    run(main)


def test_end_of_an_idle_client_closes() -> None:
    async def main() -> None:
        line = Line()
        assert line.downstream.eof_received() is False

    run(main)


# --- back-pressure ---


def test_client_that_does_not_read_stops_the_primary() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        connection, transport = line.accept()
        line.client.is_stuck = True
        connection.data_received(BIG_OK[:100_000])
        assert not transport.is_reading()
        line.client.unstick()
        assert transport.is_reading()
        connection.data_received(BIG_OK[100_000:])
        assert line.client.written == BIG_OK

    run(main)


def test_full_client_leaves_the_freed_connection_readable() -> None:
    async def main() -> None:
        line = Line()
        line.send(GET)
        connection, transport = line.accept()
        line.client.is_stuck = True
        connection.data_received(BIG_OK)
        assert transport.is_reading(), "it may serve somebody else already"

    run(main)


def test_client_that_does_not_read_is_not_read() -> None:
    async def main() -> None:
        line = Line()
        line.client.is_stuck = True
        line.send(GET + GET)
        connection, transport = line.accept()
        connection.data_received(BIG_OK)
        assert not transport.is_reading(), "the second answer must wait"
        line.client.unstick()
        assert transport.is_reading()
        connection.data_received(OK)
        assert line.client.is_reading()
        line.client.is_stuck = True
        line.send(GET)
        connection.data_received(BIG_OK)
        line.send(GET)  # read before the pause took effect
        connection.data_received(OK)
        line.downstream.pause_reading()
        line.client.unstick()
        assert line.client.is_reading()

    run(main)


def test_primary_that_does_not_read_stops_the_client() -> None:
    async def main() -> None:
        line = Line()
        line.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n")
        _, transport = line.accept()
        transport.is_stuck = True
        line.send(b"x" * 100_000)
        assert not line.client.is_reading()
        transport.unstick()
        assert line.client.is_reading()

    run(main)


def test_upload_waits_for_the_connection() -> None:
    async def main() -> None:
        line = Line()
        line.send(POST_HEAD)
        assert line.client.is_reading()
        line.send(b"hel")
        assert not line.client.is_reading()
        _, transport = line.accept()
        assert line.client.is_reading()
        assert transport.written == via(POST_HEAD + b"hel")

    run(main)


def test_pipelined_upload_is_paused_when_its_turn_fills_the_primary() -> None:
    async def main() -> None:
        line = Line()
        head = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n"
        line.send(GET + head + b"x" * 100_000)
        connection, transport = line.accept()
        transport.is_stuck = True
        connection.data_received(OK)
        assert not line.client.is_reading()
        transport.unstick()
        assert line.client.is_reading()

    run(main)


def test_early_error_reads_the_upload_on() -> None:
    async def main() -> None:
        line = Line()
        line.send(POST[:-3])
        assert not line.client.is_reading()
        line.primary.refuse()
        assert line.client.is_reading()
        line.acceptor.tick(line.acceptor.now() + 76)
        assert line.client.is_closing(), "but not for ever"

    run(main)


# --- over loopback ---


@pytest.mark.parametrize("use_uvloop", [True, False])
@pytest.mark.parametrize(
    ("request_bytes", "answer"),
    [(GET, OK), (POST, OK_CHUNKS), (CHUNKS, OK), (GET, BIG_OK), (GET, EARLY_HINTS + OK)],
)
def test_real_sockets_carry_the_same(use_uvloop: bool, request_bytes: bytes, answer: bytes) -> None:
    async def main() -> None:
        async with StubUpstream() as primary, StubUpstream() as shadow:
            primary._script = primary.answer(answer)
            config = make_config("inline", primary.port, shadow.port)
            async with Sidecar(config) as sidecar, sidecar.client() as client:
                for _ in range(3):
                    client.send(request_bytes)
                    async with asyncio.timeout(5):
                        assert await client.reader.readexactly(len(answer)) == answer
                assert primary.connections == 1
                status = await sidecar.settled()
                assert status["seen"] == 3
                expected = {} if request_bytes is GET else {"method": 3}
                assert status["not_selected"] == expected
                assert len(shadow.requests) == (3 if request_bytes is GET else 0)

    run(main, use_uvloop)


def test_half_close_on_the_wire() -> None:
    async def main() -> None:
        async with StubUpstream() as primary:
            primary._script = primary.trickle(OK)
            async with (
                Sidecar(make_config("inline", primary.port)) as sidecar,
                sidecar.client() as client,
            ):
                client.send(GET)
                client.send_eof()
                assert await client.all() == OK_CLOSE

    run(main)


def test_upload_ended_by_the_client_leaves_nothing_behind() -> None:
    async def main() -> None:
        async with StubUpstream() as primary:
            primary._script = primary.hang()
            async with (
                Sidecar(make_config("inline", primary.port)) as sidecar,
                sidecar.client() as client,
            ):
                client.send(POST[:-1])
                await until(lambda: primary.received_bytes)
                client.send_eof()
                assert await client.is_ended()
                await until(lambda: not sidecar.acceptor.connections)
                assert sidecar.primary._pool._open == 0

    run(main)


def test_memory_is_bounded_for_a_client_that_does_not_read() -> None:
    async def main() -> None:
        sent = 0

        async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            while True:
                writer.write(b"x" * 65536)
                sent += 65536
                await writer.drain()

        async with (
            StubUpstream(flood) as primary,
            Sidecar(make_config("inline", primary.port)) as sidecar,
            sidecar.client() as client,
        ):
            client.writer.transport.pause_reading()
            client.send(GET)
            await until(lambda: sent)
            before = -1
            while sent != before:  # until no byte moves for a while
                before = sent
                await asyncio.sleep(0.05)
            (connection,) = sidecar.acceptor.connections
            assert connection._transport is not None
            assert connection._transport.get_write_buffer_size() < 1 << 20
            assert sent < 64 << 20  # only the kernel's socket buffers hold data

    run(main)


def test_memory_is_bounded_for_a_primary_that_does_not_read() -> None:
    async def main() -> None:
        async with StubUpstream() as primary:
            primary._script = primary.ignore()
            async with (
                Sidecar(make_config("inline", primary.port)) as sidecar,
                sidecar.client() as client,
            ):
                client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n")
                client.send(b"x" * 50_000_000)
                transport = client.writer.transport
                before = -1
                while transport.get_write_buffer_size() != before:
                    before = transport.get_write_buffer_size()
                    await asyncio.sleep(0.05)
                assert before > 20_000_000, "the client must have been stopped"

    run(main)


SICK = {
    "never answers": lambda stub: stub.hang(),
    "never reads": lambda stub: stub.ignore(),
    "resets": lambda stub: stub.reset(),
    "resets amid its answer": lambda stub: stub.reset(OK[:-1]),
    "garbage": lambda stub: stub.answer(b"\x00\xff garbage \r\n\r\n"),
    "endless": lambda stub: stub.endless(),
    "closes": lambda stub: stub.answer(OK_CLOSE, close=True),
    "answers early and too much": lambda stub: stub.answer(OK * 3),
    "refuses": None,
}
CONVERSATION = (GET, HEAD, POST, CHUNKS, GET, GET + GET + GET, POST + GET, GET_CLOSE)


async def converse(sidecar: Sidecar) -> bytes:
    """Hold one client's conversation with several requests at a time; return all responses."""
    async with sidecar.client() as client:
        for data in CONVERSATION:
            client.send(data)
            await turns(20)
        return await client.all()


@pytest.mark.parametrize("sickness", SICK)
def test_sick_shadow_changes_no_byte(sickness: str) -> None:
    async def main() -> None:
        make_script = SICK[sickness]
        async with StubUpstream() as primary, StubUpstream() as shadow:
            if make_script is not None:
                shadow._script = make_script(shadow)
            port = shadow.port if make_script else free_port()
            async with Sidecar(make_config("inline", primary.port, shadow_ratio=0)) as sidecar:
                expected = await converse(sidecar)
            config = make_config(
                "inline",
                primary.port,
                port,
                shadow_methods=["GET", "HEAD", "POST"],
                shadow_timeout=0.2,
                shadow_connections=2,
                shadow_waiting=3,
            )
            async with Sidecar(config) as sidecar:
                for _ in range(3):
                    assert await converse(sidecar) == expected
                status = await sidecar.settled()
                assert status["seen"] == 33
                assert status["primary"] == {"2xx": 33}
                assert sidecar.tee.shadow._pool._open <= 2

    run(main)

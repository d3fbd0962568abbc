"""Answers in pieces and at their edges; test_generator.py plays them over real sockets."""

import asyncio

import pytest
import uvloop

from mirror.core.pool import Pool
from mirror.proxy.upstream.connection import Origin
from mirror.replay.connection import Leg, LoadConnection, LoadUpstream
from mirror.replay.measurement import Measure

Ended = list[tuple[str, bool]]

WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
HINTED = b"HTTP/1.1 103 Early\r\nlink: </a>\r\n\r\n" + WHOLE
CLOSING = WHOLE.replace(b"content", b"connection: close\r\ncontent")
CLOSED = b"HTTP/1.0 404 None\r\n\r\nuntil the end"


class FakeTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True


def served(
    *pieces: bytes, method: bytes = b"GET", lost: bool = False
) -> tuple[Ended, FakeTransport, bool]:
    """What the leg ended in, the transport, and whether the connection may serve another."""

    async def run() -> tuple[Ended, FakeTransport, bool]:
        ended: Ended = []
        pool: Pool[LoadConnection, Leg] = Pool(1, 9, 1)
        upstream = LoadUpstream(
            Origin("127.0.0.1", 1, max_head_bytes=200),
            pool,
            lambda leg, outcome, is_answered: ended.append((outcome, is_answered)),
        )
        connection, transport = LoadConnection(upstream), FakeTransport()
        leg = Leg(method + b" / HTTP/1.1\r\n\r\n", method == b"HEAD", 0.0, Measure())
        pool.assign(leg)  # says: open one
        connection.connection_made(transport)
        for piece in pieces:
            connection.data_received(piece)
        if lost:
            connection.connection_lost(None)
        return ended, transport, connection in pool.idle

    return uvloop.run(run())


@pytest.mark.parametrize(("answer", "outcome"), [(WHOLE, "2xx"), (CHUNKED, "5xx"), (HINTED, "2xx")])
def test_answer_split_anywhere(answer: bytes, outcome: str) -> None:
    for at in range(len(answer)):
        pieces = [piece for piece in (answer[:at], answer[at:]) if piece]
        ended, transport, is_idle = served(*pieces)
        assert ended == [(outcome, True)] and is_idle, at
        assert transport.written == b"GET / HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize("at", range(1, len(CLOSED)))
def test_answer_until_the_close(at: int) -> None:
    assert served(CLOSED[:at], CLOSED[at:], lost=True)[0] == [("4xx", True)]


@pytest.mark.parametrize(
    "cut",
    [WHOLE[:-1], WHOLE[:20], b"", CHUNKED[:-2], CLOSING[:-1]],
)
def test_cut_short_is_unanswered(cut: bytes) -> None:
    assert served(*([cut] if cut else []), lost=True)[0] == [("reset", False)]


@pytest.mark.parametrize(
    "answer",
    [
        b"hello\r\n\r\n",
        b"HTTP/1.1 101 Now\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 600 Odd\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-long: " + b"x" * 300,
    ],
)
def test_malformed_answer(answer: bytes) -> None:
    ended, transport, is_idle = served(answer)
    assert ended == [("protocol_error", False)]
    assert transport.is_aborted and not is_idle


@pytest.mark.parametrize("surplus", [WHOLE, b"x"])
def test_surplus_is_never_the_next_answer(surplus: bytes) -> None:
    for pieces in ([WHOLE + surplus], [WHOLE, surplus]):
        ended, transport, is_idle = served(*pieces)
        assert ended == [("2xx", True)]
        assert transport.is_aborted and not is_idle


def test_close_is_heeded() -> None:
    _, transport, is_idle = served(WHOLE.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
    assert transport.is_aborted and not is_idle


HEAD_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"


def test_head_has_no_body_whatever_it_announces() -> None:
    for at in range(1, len(HEAD_ANSWER)):
        ended, _, is_idle = served(HEAD_ANSWER[:at], HEAD_ANSWER[at:], method=b"HEAD")
        assert ended == [("2xx", True)] and is_idle
    assert served(HEAD_ANSWER + b"body", method=b"HEAD")[0] == [("2xx", True)]
    assert not served(HEAD_ANSWER + b"body", method=b"HEAD")[2]


def test_head_without_a_length_keeps_its_connection() -> None:
    ended, _, is_idle = served(b"HTTP/1.1 204 None\r\n\r\n", method=b"HEAD")
    assert ended == [("2xx", True)] and is_idle

"""Checks that shadow responses are read as strictly, and that only their outcome is kept."""

import pytest

from tests.conformance.memory import Plane, run
from tests.conformance.rows import config_of
from tests.conformance.wire import OK, End, Reply, Script, crlf

GET = crlf("GET /a HTTP/1.1|Host: h||")
HEAD = crlf("HEAD /a HTTP/1.1|Host: h||")

OUTCOMES = [
    ("a length", "HTTP/1.1 200 OK|Content-Length: 2||ok", End.KEEP, "2xx"),
    ("chunks and trailers", "HTTP/1.1 500 No|Transfer-Encoding: chunked||1|x|0|T: 1||", End.KEEP,
     "5xx"),
    ("until close", "HTTP/1.1 404 No||gone", End.CLOSE, "4xx"),
    ("HTTP/1.0", "HTTP/1.0 200 OK||x", End.CLOSE, "2xx"),
    ("no body", "HTTP/1.1 304 Not Modified|Content-Length: 9||", End.KEEP, "3xx"),
    ("1xx before it", "HTTP/1.1 103 Hints|A: 1||HTTP/1.1 204 No||", End.KEEP, "2xx"),
    ("nothing", "", End.CLOSE, "reset"),
    ("a reset", "", End.RESET, "reset"),
    ("no end", "HTTP/1.1 200 OK|Content-Length: 9||x", End.KEEP, "timeout"),
    ("no answer", "", End.KEEP, "timeout"),
    ("half a head", "HTTP/1.1 200 OK|Conte", End.CLOSE, "reset"),
    ("half a body", "HTTP/1.1 200 OK|Content-Length: 9||x", End.CLOSE, "reset"),
    ("half a chunk", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||9|x", End.CLOSE, "reset"),
    ("no HTTP", "SSH-2.0-x||", End.KEEP, "protocol_error"),
    ("a length and a coding", "HTTP/1.1 200 OK|Content-Length: 1|Transfer-Encoding: chunked||0||",
     End.KEEP, "protocol_error"),
    ("a length that is none", "HTTP/1.1 200 OK|Content-Length: x||", End.KEEP, "protocol_error"),
    ("a chunk that is none", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||x|", End.KEEP,
     "protocol_error"),
    ("an upgrade", "HTTP/1.1 101 Switching|Upgrade: x|Connection: upgrade||", End.KEEP,
     "protocol_error"),
    ("a status beyond 599", "HTTP/1.1 700 Odd|Content-Length: 0||", End.KEEP, "5xx"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "end", "outcome"),
    [pytest.param(*rest, id=name) for name, *rest in OUTCOMES],
)
def test_each_answer_has_its_one_outcome(answer: str, end: End, outcome: str) -> None:
    data = crlf(answer)

    async def main() -> None:
        for at in range(max(1, len(data))):
            plane = Plane(config_of("sink"), Script(), Script((Reply(data, end=end),)))
            plane.shadow.pieces_bytes = (at,)
            client = plane.connect()
            client.deliver(GET)
            await plane.settle()
            plane.advance(6)
            await plane.settle()
            assert (await plane.finish())["outcomes"] == {outcome: 1}, at

    run(main)


def test_a_head_answer_frees_its_connection_for_the_next() -> None:
    headed = Reply(crlf("HTTP/1.1 200 OK|Content-Length: 9||"))

    async def main() -> None:
        plane = Plane(config_of("sink"), Script(), Script((headed, OK)))
        client = plane.connect()
        for data in (HEAD, GET):
            client.deliver(data)
            await plane.settle()
        assert len(plane.shadow.wires) == 1
        assert (await plane.finish())["outcomes"] == {"2xx": 2}

    run(main)


def test_surplus_bytes_close_the_connection_and_answer_nothing() -> None:
    surplus = Reply(OK.data + crlf("HTTP/1.1 500 No|Content-Length: 0||"))

    async def main() -> None:
        plane = Plane(config_of("sink"), Script(), Script((surplus, OK)))
        client = plane.connect()
        for _ in range(2):
            client.deliver(GET)
            await plane.settle()
        assert len(plane.shadow.wires) == 2 and plane.shadow.wires[0][0].is_ended
        assert (await plane.finish())["outcomes"] == {"2xx": 2}

    run(main)

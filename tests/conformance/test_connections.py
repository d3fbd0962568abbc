"""Checks a connection over time: deadlines, deep pipelines, peers that leave or stall."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.conformance.memory import Plane, Wire, run
from tests.conformance.rows import config_of
from tests.conformance.strictness import error
from tests.conformance.wire import OK, End, Reply, Script, crlf

GET = crlf("GET /a HTTP/1.1|Host: h||")
POST = crlf("POST /a HTTP/1.1|Host: h|Content-Length: 9||xy")
EARLY = Reply(at_head=crlf("HTTP/1.1 413 Big|Content-Length: 0||"))
BEGUN = crlf("HTTP/1.1 200 OK|Content-Length: 9||xy")
TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\n"
DEEP = 2000
"""The number of requests in one read, which exceeds Python's recursion limit."""

SECOND_HALF = Reply(crlf("HTTP/1.1 200 OK|Content-Length: 80||" + "x" * 80))

Dialogue = Callable[[Plane, Wire], Coroutine[Any, Any, None]]


def converse(mode: str, dialogue: Dialogue, *replies: Reply) -> dict[str, Any]:
    """Run a dialogue with one client and return the final ledger."""
    status: dict[str, Any] = {}

    async def main() -> None:
        plane = Plane(config_of(mode), Script(replies or (OK,)), Script())
        await dialogue(plane, plane.connect())
        status.update(await plane.finish())

    run(main)
    return status


@pytest.mark.parametrize("mode", ["inline", "sink"])
def test_a_body_that_stalls_is_answered_408(mode: str) -> None:
    async def dialogue(plane: Plane, client: Wire) -> None:
        client.deliver(POST)
        await plane.settle()
        plane.advance(70)
        assert client.sent == b""
        plane.advance(80)
        await plane.settle()
        assert client.sent.startswith(TOO_LATE) and client.is_ended

    status = converse(mode, dialogue)
    assert status["malformed"] == {"body_timeout": 1}
    assert status["shed"] == {"downstream_lost": 1}


@pytest.mark.parametrize("mode", ["inline", "sink"])
def test_a_head_that_stalls_is_answered_408(mode: str) -> None:
    async def dialogue(plane: Plane, client: Wire) -> None:
        client.deliver(GET[:-1])
        await plane.settle()
        plane.advance(11)
        await plane.settle()
        assert client.sent.startswith(TOO_LATE) and client.is_ended

    assert converse(mode, dialogue)["malformed"] == {"head_timeout": 1}


@pytest.mark.parametrize("mode", ["inline", "sink"])
def test_an_idle_connection_ends_without_a_word(mode: str) -> None:
    async def dialogue(plane: Plane, client: Wire) -> None:
        plane.advance(76)
        await plane.settle()
        assert client.sent == b"" and client.is_ended

    assert converse(mode, dialogue)["malformed"] == {}


def test_a_request_whose_rest_never_comes_ends_behind_its_early_answer() -> None:
    async def dialogue(plane: Plane, client: Wire) -> None:
        client.deliver(POST)
        await plane.settle()
        assert client.sent.startswith(b"HTTP/1.1 413 ") and not client.is_ended
        plane.advance(76)
        await plane.settle()
        assert client.is_ended

    assert converse("inline", dialogue, EARLY)["primary"] == {"4xx": 1}


def test_a_primary_that_never_answers_is_504() -> None:
    async def dialogue(plane: Plane, client: Wire) -> None:
        client.deliver(GET)
        await plane.settle()
        plane.advance(61)
        await plane.settle()
        assert client.sent.startswith(b"HTTP/1.1 504 ")

    assert converse("inline", dialogue, Reply())["primary"] == {"timeout": 1}


def test_an_answer_that_stalls_is_cut() -> None:
    async def dialogue(plane: Plane, client: Wire) -> None:
        client.deliver(GET)
        await plane.settle()
        assert client.sent == BEGUN
        plane.advance(61)
        await plane.settle()
        assert client.sent == BEGUN and client.is_ended

    assert converse("inline", dialogue, Reply(BEGUN))["primary"] == {"timeout": 1}


@pytest.mark.parametrize("mode", ["inline", "sink"])
@pytest.mark.parametrize(
    "request_text",
    [
        "GET /a HTTP/1.1|Host: h||",
        "GET /a HTTP/1.1|Host: h|Upgrade: h2c|Connection: upgrade||",
        "GET /a HTTP/1.1|Host: h|Upgrade: x|Connection: upgrade||",
        "TRACE /a HTTP/1.1|Host: h|Max-Forwards: 0||",
    ],
)
def test_a_deep_pipeline_is_answered_to_its_end(mode: str, request_text: str) -> None:
    async def dialogue(plane: Plane, client: Wire) -> None:
        client.deliver(GET + crlf(request_text) * DEEP)
        await plane.settle()
        heads = client.sent.count(b"HTTP/1.1 20")
        assert heads == DEEP + 1 and not client.is_ended

    assert converse(mode, dialogue)["seen"] == DEEP + 1


@pytest.mark.parametrize("how", [End.CLOSE, End.RESET])
@pytest.mark.parametrize("reply", [Reply(), Reply(BEGUN)])
def test_a_client_that_leaves_early_frees_both_legs(how: End, reply: Reply) -> None:
    async def dialogue(plane: Plane, client: Wire) -> None:
        client.deliver(POST)
        await plane.settle()
        client.end(how)
        await plane.settle()
        assert not plane.acceptor.connections
        assert all(wire.is_ended for wire, _ in plane.primary.wires)

    status = converse("inline", dialogue, Reply(at_head=reply.data))
    assert status["primary"] == {"aborted": 1}
    assert status["shed"] == {"downstream_lost": 1}


def test_what_follows_a_refused_request_is_not_read() -> None:
    async def dialogue(plane: Plane, client: Wire) -> None:
        client.deliver(crlf("GET /a HTTP/1.1|Host: h|A : 1||"))
        client.deliver(GET)
        await plane.settle()
        assert client.sent == crlf(error(400)) and plane.primary.received == b""

    assert converse("inline", dialogue)["seen"] == 0


@pytest.mark.parametrize("most_unsent_bytes", [0, 60, 100])
def test_a_client_that_reads_late_gets_all_and_its_next_answer(most_unsent_bytes: int) -> None:
    async def dialogue(plane: Plane, client: Wire) -> None:
        client.most_unsent_bytes = most_unsent_bytes
        client.deliver(GET)
        await plane.settle()
        client.drain()
        await plane.settle()
        client.deliver(GET)
        await plane.settle()
        assert client.sent == SECOND_HALF.data * 2

    pieces = (60,)  # the response arrives in two reads

    async def main() -> None:
        plane = Plane(config_of("inline"), Script((SECOND_HALF,)), Script(), pieces)
        await dialogue(plane, plane.connect())
        await plane.finish()

    run(main)

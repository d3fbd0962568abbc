"""One round of the fuzzer: a generated dialogue on all three sides, and its invariants.

The seed determines the whole round: the mode, the client's bytes and how they are cut, the
primary's responses, the shadow's behaviour, and which peer leaves at which time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from random import Random

import h11

from tests.conformance.memory import Plane, Wire, run
from tests.conformance.referee import read, without_odd_bytes
from tests.conformance.rows import config_of
from tests.conformance.wire import OK, End, Reply, Script
from tests.fuzz.grammar import made_request, made_response

LONG_S = 1000.0
"""A time in seconds that is later than every timeout."""
MOST_ANSWERS = 6
GARBAGE = Reply(b"\0\xffSSH-2.0\r\n\r\n")


@dataclass(frozen=True, slots=True)
class Shadow:
    """The behaviour of the shadow in a round."""

    reply: Reply
    refuses: bool = False


SHADOWS = (
    Shadow(OK),
    Shadow(Reply()),  # reads and never answers
    Shadow(GARBAGE),
    Shadow(Reply(end=End.RESET)),
    Shadow(Reply(OK.data + OK.data)),
    Shadow(Reply(b"HTTP/1.1 200 OK\r\n\r\nuntil close", end=End.CLOSE)),
    Shadow(OK, refuses=True),
)


def pieces_of(random: Random, data: bytes) -> list[bytes]:
    pieces = []
    most = random.choice((1, 5, 40, 100_000))
    while data:
        size_bytes = random.randint(1, most)
        pieces.append(data[:size_bytes])
        data = data[size_bytes:]
    return pieces


def play_round(seed: int) -> None:
    """Play the round of this seed; raise AssertionError with the seed if an invariant fails."""
    random = Random(seed)
    mode = random.choice(("inline", "inline", "sink"))
    made = made_request(random)
    ends = (End.KEEP, End.KEEP, End.CLOSE, End.RESET)
    replies = [
        Reply(made_response(random).data, end=random.choice(ends))
        if random.random() < 0.8
        else Reply(at_head=made_response(random).data)
        for _ in range(random.choice((1, 2, 4)))
    ]
    shadow = random.choice(SHADOWS)

    async def main() -> None:
        primary_script = Script(replies)
        plane = Plane(
            config_of(mode, random.choice(("pass", "append"))),
            primary_script,
            Script((shadow.reply,)),
            tuple(random.randint(1, 60) for _ in range(random.choice((0, 0, 1, 3)))),
        )
        plane.shadow.refuses = shadow.refuses
        client = plane.connect()
        await _send(random, plane, client, made.data)
        await plane.settle()
        left = random.choice((None, End.CLOSE, End.RESET))
        if left is not None:
            client.end(left)
            await plane.settle()
        for _ in range(4):
            plane.advance(LONG_S)
            await plane.settle()
        assert not plane.acceptor.connections, "a connection outlives every timeout"
        status = await plane.finish()
        for leg in (plane.primary, plane.shadow):
            verdict = read(without_odd_bytes(b"".join(leg.script.requests)))
            assert not verdict.refusal, (verdict.refusal, leg.script.requests)
        answers = readable_answers(client.sent, b"HEAD" in made.data)
        met = status["seen"] + status["looped"] + sum(status["malformed"].values())
        assert answers <= met, "more answers than requests"

    try:
        run(main)
    except Exception as error:
        raise AssertionError(f"seed {seed}: {error!r}") from error


async def _send(random: Random, plane: Plane, client: Wire, data: bytes) -> None:
    """Send the data, or only a part of it if the client leaves early."""
    pieces = pieces_of(random, data)
    if random.random() < 0.1:
        del pieces[random.randint(0, len(pieces)) :]
    waits = random.random() < 0.5
    for piece in pieces:
        client.deliver(piece)
        if waits:
            await plane.settle()


def readable_answers(data: bytes, has_heads: bool) -> int:
    """Return the number of complete final responses, which must be readable one by one.

    If the requests were tampered with, it is unknown which responses answer a HEAD. Then it is
    enough that the bytes can be read under one assumption.
    """
    ways = product((b"GET", b"HEAD"), repeat=MOST_ANSWERS) if has_heads else [()]
    refusal: h11.RemoteProtocolError | None = None
    for methods in ways:
        try:
            return answers_in(data, methods)
        except h11.RemoteProtocolError as error:
            refusal = refusal or error
    assert refusal is not None
    raise refusal


def answers_in(data: bytes, methods: Sequence[bytes]) -> int:
    """Return the number of complete final responses to these methods, followed by GETs.

    The last response may be incomplete if the connection closed.
    """
    connection = h11.Connection(h11.CLIENT)
    connection.receive_data(without_odd_bytes(data))
    count = 0
    while connection.trailing_data[0]:
        method = methods[count] if count < len(methods) else b"GET"
        # The grammar generates neither CONNECT nor upgrades.
        connection.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
        connection.send(h11.EndOfMessage())
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
                return count
            if isinstance(event, h11.EndOfMessage):
                break
        count += 1
        if connection.states[h11.SERVER] is not h11.DONE:
            return count
        connection.start_next_cycle()
    return count

"""One row of a table of clauses, and the dialogue that plays it in memory.

A row says what bytes a client sends and what bytes each side must then have got. `play` runs it
against the data plane in this process, cut into pieces as the caller likes; process.py runs the
same rows over sockets against `python -m mirror serve`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from mirror.config import Config, parse
from tests.conformance.memory import Plane
from tests.conformance.wire import OK, Reply, Script, crlf, tidy

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"]
VIA = "Via: 1.1 kagami|"
VIA_OLD = "Via: 1.0 kagami|"
MARK = "X-Mirror-Leg: shadow|"
OK_TEXT = "HTTP/1.1 200 OK|Content-Length: 2||ok"
NO_CONTENT = "HTTP/1.1 204 No Content||"
NO_CONTENT_CLOSE = "HTTP/1.1 204 No Content|Connection: close||"


@dataclass(frozen=True, slots=True)
class Row:
    """A clause and what it means in bytes; messages are in the notation of `wire.crlf`."""

    clause: str
    client: str | tuple[str, ...]
    """What the client sends; a later part only after something came back for the one before."""
    primary: str | None = None
    """What the primary must get, of all requests in order; None: the row is for sink alone."""
    shadow: str = ""
    """What the shadow must get; empty: nothing."""
    gets: str = OK_TEXT
    """What the client must get."""
    replies: Sequence[Reply] = (OK,)
    closes: bool = False
    """Whether the client's connection must end."""
    sink: str | None = NO_CONTENT
    """What the client must get in sink mode; None: the row is for inline alone."""
    sink_shadow: str | None = None
    """Where the shadow gets something else in sink mode."""
    sink_closes: bool | None = None
    """Where sink mode differs in closing."""
    answers_head: tuple[int, ...] = ()
    """Places of the client's HEAD requests."""
    forwarded: str = "pass"
    begun: str = ""
    """What may have been passed on before the message was seen to be bad: any start of it stands
    for an empty `primary` (bad request) or for `gets` (bad answer)."""
    also_gets: tuple[str, ...] = ()
    """What the client may get as well where its bytes come in pieces."""
    ends_side: bool = False
    """The client ends its side (half-close) behind its last byte."""

    @property
    def parts(self) -> list[bytes]:
        parts = (self.client,) if isinstance(self.client, str) else self.client
        return [crlf(part) for part in parts]

    @property
    def modes(self) -> list[str]:
        inline = ["inline"] if self.primary is not None else []
        return inline + (["sink"] if self.sink is not None else [])

    def allow(self, seen: dict[str, bytes | bool], mode: str) -> dict[str, bytes | bool]:
        """`seen` with what this row allows to differ replaced by what it expects."""
        expected = self.expected(mode)
        if seen["client got"] in map(crlf, self.also_gets):
            seen = {**seen, "client got": expected["client got"]}
        for side in ("primary got",) if self.primary == "" else ("client got",):
            got = seen[side]
            assert isinstance(got, bytes)
            # The empty chunk that ends a body is never among it.
            if self.begun and got and _is_start(got, crlf(self.begun)):
                seen = {**seen, side: expected[side]}
        return seen

    def expected(self, mode: str) -> dict[str, bytes | bool]:
        """What each side must have seen in this mode."""
        if mode == "inline":
            assert self.primary is not None
            return {
                "client got": crlf(self.gets),
                "client closed": self.closes,
                "primary got": crlf(self.primary),
                "shadow got": crlf(self.shadow),
            }
        assert self.sink is not None
        return {
            "client got": crlf(self.sink),
            "client closed": self.closes if self.sink_closes is None else self.sink_closes,
            "primary got": b"",
            "shadow got": crlf(self.shadow if self.sink_shadow is None else self.sink_shadow),
        }


def _is_start(got: bytes, whole: bytes) -> bool:
    """Whether a message with its chunks merged may be what was read of `whole` before its end."""
    if whole.startswith(got):
        return True
    head, found, rest = got.partition(b"\r\n\r\n")
    data = rest.partition(b"\r\n")[2].removesuffix(b"\r\n")
    whole_head, _, whole_rest = whole.partition(b"\r\n\r\n")
    whole_data = whole_rest.partition(b"\r\n")[2].removesuffix(b"\r\n")
    is_one_chunk = rest == b"%x\r\n%b\r\n" % (len(data), data)
    return bool(found) and head == whole_head and is_one_chunk and whole_data.startswith(data)


def is_answer_to_head(row: Row, mode: str) -> tuple[int, ...]:
    return row.answers_head if mode == "inline" else ()


@cache
def config_of(mode: str, forwarded: str = "pass") -> Config:
    """Everything is mirrored, and nothing waits long."""
    document: dict[str, Any] = {
        "mode": mode,
        "listen": "127.0.0.1:8080",
        "shadow": {"url": "http://127.0.0.1:9", "methods": METHODS},
        "forwarded": forwarded,
        "routes": ["/a", "/api/*"],
    }
    if mode == "inline":
        document["primary"] = "http://127.0.0.1:9"
    return parse(yaml.safe_dump(document))


MOST_CUTS = 300
"""A longer message is cut at so many places, evenly spread."""


def cuts_of(parts: Sequence[bytes]) -> list[list[list[bytes]]]:
    """Each part cut in two at each of its bytes, one cut at a time; then into single bytes."""
    ways = []
    for number, part in enumerate(parts):
        for at in places_of(len(part)):
            pieces = [[whole] for whole in parts]
            pieces[number] = [part[:at], part[at:]]
            ways.append(pieces)
    step = [1 + len(part) // MOST_CUTS for part in parts]
    ways.append(
        [
            [part[at : at + size_bytes] for at in range(0, len(part), size_bytes)]
            for part, size_bytes in zip(parts, step, strict=True)
        ]
    )
    return ways


def places_of(size_bytes: int) -> range:
    """Where to cut a message of this size."""
    return range(1, size_bytes, 1 + size_bytes // MOST_CUTS)


async def play(
    row: Row, mode: str, pieces: list[list[bytes]], answer_pieces: tuple[int, ...] = ()
) -> tuple[dict[str, bytes | bool], dict[str, Any]]:
    """Play a row; what each side saw, in the words of `Row.expected`, and the ledger."""
    primary, shadow = Script(row.replies), Script()
    plane = Plane(config_of(mode, row.forwarded), primary, shadow, answer_pieces)
    client = plane.connect()
    for part in pieces:
        for piece in part:
            client.deliver(piece)
            await plane.settle()
    if row.ends_side:
        client.end()
    await plane.settle()
    seen: dict[str, bytes | bool] = {
        "client got": tidy(client.sent, is_answer_to_head(row, mode)),
        "client closed": client.is_ended,
        "primary got": plane.primary.received,
        "shadow got": plane.shadow.received,
    }
    client.end()
    await plane.settle()
    assert not plane.acceptor.connections, "a connection whose client left is still there"
    return seen, await plane.finish()

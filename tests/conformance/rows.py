"""One row of a table of clauses, and the dialogue that plays it in memory.

A row states which bytes a client sends and which bytes each side must then have received. `play`
runs it against the data plane in this process, with the bytes cut as the caller chooses;
process.py runs the same rows over sockets against `python -m mirror serve`.
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
GET = "GET /a HTTP/1.1|Host: h|"
HEAD = "HEAD /a HTTP/1.1|Host: h|"
POST = "POST /a HTTP/1.1|Host: h|"
OK_TEXT = "HTTP/1.1 200 OK|Content-Length: 2||ok"
OK_TEXT_CLOSE = "HTTP/1.1 200 OK|Content-Length: 2|Connection: close||ok"
"""The same where the sidecar knows, before the response, that the connection ends after it."""
NO_CONTENT = "HTTP/1.1 204 No Content||"
NO_CONTENT_CLOSE = "HTTP/1.1 204 No Content|Connection: close||"


@dataclass(frozen=True, slots=True)
class Row:
    """A clause and its meaning in bytes; messages use the notation of `wire.crlf`."""

    clause: str
    client: str | tuple[str, ...]
    """What the client sends; it sends a later part only after a response to the earlier one."""
    primary: str | None = None
    """All bytes that the primary must receive; None: the row applies to sink mode only."""
    shadow: str = ""
    """All bytes that the shadow must receive."""
    gets: str = OK_TEXT
    """All bytes that the client must receive."""
    replies: Sequence[Reply] = (OK,)
    closes: bool = False
    """Whether the client's connection must be closed."""
    sink: str | None = NO_CONTENT
    """What the client must receive in sink mode; None: the row applies to inline mode only."""
    sink_shadow: str | None = None
    """What the shadow must receive in sink mode; None: the same as in inline mode."""
    sink_closes: bool | None = None
    """Whether sink mode must close the connection; None: the same as in inline mode."""
    answers_head: tuple[int, ...] = ()
    """Indexes of the HEAD requests among the client's requests."""
    forwarded: str = "pass"
    begun: str = ""
    """What may have been forwarded before the message turned out to be bad. Any prefix of it is
    accepted in place of an empty `primary` (bad request) or of `gets` (bad response)."""
    also_gets: tuple[str, ...] = ()
    """Other responses that the client may receive if its bytes arrive in pieces."""
    ends_side: bool = False
    """Whether the client closes its sending side (half-close) after its last byte."""

    @property
    def parts(self) -> list[bytes]:
        parts = (self.client,) if isinstance(self.client, str) else self.client
        return [crlf(part) for part in parts]

    @property
    def modes(self) -> list[str]:
        inline = ["inline"] if self.primary is not None else []
        return inline + (["sink"] if self.sink is not None else [])

    def allow(self, seen: dict[str, bytes | bool], mode: str) -> dict[str, bytes | bool]:
        """Return `seen` with every difference that this row allows replaced by what it expects."""
        expected = self.expected(mode)
        if seen["client got"] in map(crlf, self.also_gets):
            seen = {**seen, "client got": expected["client got"]}
        for side in ("primary got",) if self.primary == "" else ("client got",):
            got = seen[side]
            assert isinstance(got, bytes)
            # The last chunk, which ends a body, is never part of a prefix.
            if self.begun and got and _is_start(got, crlf(self.begun)):
                seen = {**seen, side: expected[side]}
        return seen

    def expected(self, mode: str) -> dict[str, bytes | bool]:
        """Return what each side must have seen in this mode."""
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
    """Return whether `got`, whose chunks are merged, is a prefix of `whole`."""
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
    """Return a configuration that mirrors everything and has short timeouts."""
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
"""The number of places, evenly spread, at which a longer message is cut."""


def cuts_of(parts: Sequence[bytes]) -> list[list[list[bytes]]]:
    """Return every way to cut one part in two, and finally all parts cut into single bytes."""
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
    """Return the offsets at which a message of this size is cut."""
    return range(1, size_bytes, 1 + size_bytes // MOST_CUTS)


async def play(
    row: Row, mode: str, pieces: list[list[bytes]], answer_pieces: tuple[int, ...] = ()
) -> tuple[dict[str, bytes | bool], dict[str, Any]]:
    """Play a row; return what each side saw, with the keys of `Row.expected`, and the ledger."""
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

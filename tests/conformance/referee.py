"""Reads a stream of requests with h11, as a second opinion on every leg.

h11 is a parser of RFC 9112 that is independent of ours. It may be laxer than ours; where it is
stricter, `is_allowed` names the clause that permits the difference.
"""

import re
from dataclasses import dataclass

import h11

HOP_BY_HOP = {
    *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding"),
    *(b"upgrade", b"content-length", b"expect", b"host", b"x-mirror-leg"),
}
# The field that we add to the primary leg.
OURS = (b"via", (b"1.0 kagami", b"1.1 kagami"))
ABSOLUTE = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE | re.DOTALL)
NO_TRAILER = HOP_BY_HOP | {b"trailer"}


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as h11 reads it: the parts that must be the same on every leg."""

    method: bytes
    target: bytes
    host: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    trailers: tuple[tuple[bytes, bytes], ...]
    is_last: bool
    """Whether h11 reads no further request on this connection."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The complete requests of a stream, and the reason if h11 refused the rest (else empty)."""

    seen: tuple[Seen, ...]
    refusal: str


def read(data: bytes) -> Verdict:
    """Read a stream of requests as a server does."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    seen: list[Seen] = []
    try:
        connection.receive_data(data)
        while True:
            request = _next_request(connection)
            if request is not None:
                seen.append(request)
            if request is None or request.is_last:
                return Verdict(tuple(seen), "")
            connection.start_next_cycle()
    except h11.RemoteProtocolError as error:
        return Verdict(tuple(seen), str(error))


def _next_request(connection: h11.Connection) -> Seen | None:
    event = connection.next_event()
    if not isinstance(event, h11.Request):
        return None
    body = b""
    while True:
        part = connection.next_event()
        if isinstance(part, h11.Data):
            body += bytes(part.data)
        elif isinstance(part, h11.EndOfMessage):
            break
        else:
            return None
    connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
    connection.send(h11.EndOfMessage())
    is_last = connection.states[h11.SERVER] is not h11.DONE or (
        connection.states[h11.CLIENT] is not h11.DONE
    )
    headers = [(bytes(name), bytes(value)) for name, value in event.headers]
    target, host = bytes(event.target), dict(headers).get(b"host", b"")
    absolute = ABSOLUTE.fullmatch(target)
    if absolute is not None:
        host, path = absolute[1], absolute[2]
        target = path if path.startswith(b"/") else b"/" + path
    return Seen(
        bytes(event.method),
        target,
        host,
        tuple(end_to_end(headers)),
        body,
        tuple(
            (bytes(name), bytes(value))
            for name, value in part.headers
            if bytes(name) not in NO_TRAILER
        ),
        is_last,
    )


def end_to_end(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return `headers` without hop-by-hop fields, those that Connection nominates, and ours."""
    nominated = {
        option.strip().lower()
        for name, value in headers
        if name == b"connection"
        for option in value.split(b",")
    } - {b"close", b"keep-alive", b"upgrade", b"te"}
    return [
        (name, value)
        for name, value in headers
        if name not in HOP_BY_HOP
        and name not in nominated
        and not (name == OURS[0] and value in OURS[1])
    ]


def is_allowed(refusal: str) -> bool:
    """Whether h11 refuses something that RFC 9112 allows us to accept."""
    # RFC 9112 3 lets a server accept more space between the parts of a request line; 2.2 asks it
    # to skip empty lines before one.
    # A Host may be missing behind nginx, which has judged the client's request (core/request_head).
    return any(
        words in refusal
        for words in ("illegal request line", "no request line received", "mandatory Host")
    )


_CONTROLS = bytes({*range(1, 0x20), 0x7F} - {*b"\t\r\n"})
_ODD = _CONTROLS + bytes(range(0x80, 0x100))


def without_odd_bytes(data: bytes) -> bytes:
    """Return `data` with each byte that h11 refuses for its own sake as an x.

    They are carried unchanged, as nginx carries them (core/opaque_head.py), and no matter of
    framing.
    """
    return data.translate(bytes.maketrans(_ODD, b"x" * len(_ODD)))

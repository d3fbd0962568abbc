"""Reads a stream of requests with h11, as a second opinion on what each leg receives.

h11 is an independent implementation of RFC 9112. It may be laxer than our parser; where it is
stricter, the difference needs its clause in `ALLOWED`.
"""

import re
from dataclasses import dataclass

import h11

HOP_BY_HOP = {
    *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding"),
    *(b"upgrade", b"content-length", b"expect", b"host", b"x-mirror-leg"),
}
# Fields that the sidecar adds to the primary's request.
OURS = (b"via", (b"1.0 kagami", b"1.1 kagami"))
ABSOLUTE = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE | re.DOTALL)
NO_TRAILER = HOP_BY_HOP | {b"trailer"}


@dataclass(frozen=True, slots=True)
class Seen:
    """The parts of a request, as h11 read it, that must be the same on every leg."""

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
    """The complete requests of a stream, and the reason if h11 refused the rest."""

    seen: tuple[Seen, ...]
    refusal: str


def read(data: bytes) -> Verdict:
    """Read a stream of requests as a server would."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    seen: list[Seen] = []
    try:
        connection.receive_data(data)
        while True:
            request = _one(connection)
            if request is None:
                return Verdict(tuple(seen), "")
            seen.append(request)
            if request.is_last:
                return Verdict(tuple(seen), "")
            connection.start_next_cycle()
    except h11.RemoteProtocolError as error:
        return Verdict(tuple(seen), str(error))


def _one(connection: h11.Connection) -> Seen | None:
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
        tuple((bytes(n), bytes(v)) for n, v in part.headers if bytes(n) not in NO_TRAILER),
        is_last,
    )


def end_to_end(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the fields that are not hop-by-hop, not named in Connection and not added by us."""
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


def is_allowed(refusal: str, data: bytes) -> bool:
    """Return whether h11 is stricter here than RFC 9112 requires of us."""
    # RFC 9112, section 3: a server may accept other whitespace between the words of the request
    # line. Section 2.2: it should skip empty lines before the request line.
    if "illegal request line" in refusal:
        return True
    return "no request line received" in refusal

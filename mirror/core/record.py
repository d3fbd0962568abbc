"""The lines of a capture: one JSON object for each request, read and written strictly.

Owns version 1 of the format (docs/formats.md); how the lines lie in files is mirror/capture's. A
`Record` can only be made of parts that are safe to put on the wire: no line break or NUL anywhere,
no field that says where a message ends or what a connection does. So a capture from a stranger
cannot smuggle a second request into a replay.

Bytes are written as the characters U+0000 to U+00FF (ISO 8859-1), so that whatever a request
carried survives the JSON.

References: RFC 9110 sections 5.5 and 5.6.2, RFC 9112 sections 3.2 and 11.1 (response splitting and
request smuggling).
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from mirror.errors import InputError

FORMAT = "kagami-capture"
VERSION = 1

MAX_LINE_BYTES = 16 << 20
"""Longest line that is read: a body of 12 MB. nginx takes 1 MB by default."""

REPLAY_MARK = b"X-Mirror-Leg: replay\r\n"
"""A sidecar in the path of a replay serves it, and does not count it as production."""

# A recorded request goes out with framing and connection fields of its own.
WRITTEN_ANEW = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "trailer", "te", "expect"),
        *("connection", "keep-alive", "proxy-connection", "upgrade", "x-mirror-leg"),
    }
)

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HOST = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:%\[\]-]+")
_TARGET = re.compile(r"/[\x21-\x7e\x80-\xff]*")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

# Milliseconds since 1970 are above this, seconds stay below it until the year 5138.
_FIRST_IMPLAUSIBLE_S = 1e11

_EXPECTED = {
    "t": "Unix time in seconds, a number",
    "method": "an HTTP method",
    "host": "a host name, with or without a port",
    "target": "a path that starts with /, as it stood in the request",
    "headers": "a list of [name, value] pairs",
    "body": "base64",
    "chunked": "true or false",
    "body_bytes": "a whole number of bytes",
    "summary": "numbers of requests and values",
}

OnLoss = Callable[[str], None]
"""Told what of a capture cannot be read, one line of text each time."""


# What msgspec raises: it decodes strings as it meets them, and nests as deep as Python does.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class FieldError(ValueError):
    """One part of a record is impossible; `key` is where, `expected` what should stand there."""

    def __init__(self, key: str, expected: str) -> None:
        super().__init__(f"{key}: expected {expected}")
        self.key = key
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Record:
    """One request; making one from impossible parts raises FieldError."""

    time_s: float
    method: str
    host: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    """None where the request had no body at all, or where that was not kept."""
    is_chunked: bool = False
    """The body came in chunks, and is sent so again."""
    body_bytes: int | None = None
    """Of a body that was not kept: how long it was."""

    def __post_init__(self) -> None:
        if not 0 <= self.time_s < _FIRST_IMPLAUSIBLE_S:
            raise FieldError("t", _EXPECTED["t"])
        # CONNECT asks for a tunnel, which is no request that can be answered.
        if not _TOKEN.fullmatch(self.method) or self.method == "CONNECT":
            raise FieldError("method", _EXPECTED["method"])
        if not _HOST.fullmatch(self.host):
            raise FieldError("host", _EXPECTED["host"])
        asterisk = self.target == "*" and self.method == "OPTIONS"
        if not asterisk and not _TARGET.fullmatch(self.target):
            raise FieldError("target", _EXPECTED["target"])
        for index, (name, value) in enumerate(self.headers):
            if not _TOKEN.fullmatch(name):
                raise FieldError(f"headers[{index}][0]", "a header name")
            if name.lower() in WRITTEN_ANEW:
                raise FieldError(
                    f"headers[{index}][0]", f"an end-to-end field, which {name.lower()} is not"
                )
            if not _VALUE.fullmatch(value):
                raise FieldError(f"headers[{index}][1]", "a value without control characters")

    def to_request(self, host: str | None = None, marked: bool = True) -> bytes:
        """The whole request as bytes, `marked` as a replay; `host` replaces the recorded one.

        `host` must be one that a Record takes. A sidecar counts what is not marked as production.
        """
        fields = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        head = f"{self.method} {self.target} HTTP/1.1\r\nHost: {host or self.host}\r\n{fields}"
        mark = REPLAY_MARK if marked else b""
        body = self.body
        if body is None:
            framing = body = b""
        elif self.is_chunked:
            framing = b"Transfer-Encoding: chunked\r\n"
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        else:
            framing = b"Content-Length: %d\r\n" % len(body)
        return b"".join((head.encode("latin-1"), framing, mark, b"\r\n", body))


def is_host(text: str) -> bool:
    """Whether a Record takes it as its host."""
    return _HOST.fullmatch(text) is not None


@dataclass(slots=True)
class Summary:
    """What a capture says of itself, added up over its summary lines."""

    not_sampled: int = 0
    redacted: int = 0
    """Values removed or replaced."""
    dropped: dict[str, int] = field(default_factory=dict)
    """Requests that were lost, by reason."""

    def add(self, other: "Summary") -> None:
        self.not_sampled += other.not_sampled
        self.redacted += other.redacted
        for reason, number in other.dropped.items():
            self.dropped[reason] = self.dropped.get(reason, 0) + number


class RecordLine(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A record as it is written, unchecked."""

    t: float
    method: str
    host: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    chunked: bool = False
    body_bytes: int | None = None


class _SummaryLine(msgspec.Struct):
    summary: Summary


class Header(msgspec.Struct, omit_defaults=True):
    """The first line of every file."""

    format: str
    version: int
    begin: float = 0
    """Unix time of about the first record."""
    instance: str = ""


_SUMMARY_START = b'{"summary":'


def encode_header(begin_s: float = 0, instance: str = "") -> bytes:
    """The first line of every file."""
    return msgspec.json.encode(Header(FORMAT, VERSION, begin_s, instance)) + b"\n"


def encode_summary(summary: Summary) -> bytes:
    """A line that says what happened since the last one."""
    return msgspec.json.encode(_SummaryLine(summary)) + b"\n"


def encode(record: Record) -> bytes:
    """One line."""
    body = None if record.body is None else base64.b64encode(record.body).decode()
    line = RecordLine(
        record.time_s,
        record.method,
        record.host,
        record.target,
        record.headers,
        body,
        record.is_chunked,
        record.body_bytes,
    )
    return encode_line(line)


def encode_line(line: RecordLine) -> bytes:
    """For who knows that its parts are safe; a `decode` elsewhere checks them again."""
    return msgspec.json.encode(line) + b"\n"


def decode(
    lines: Iterable[bytes],
    source: str,
    on_loss: OnLoss | None = None,
    summary: Summary | None = None,
) -> Iterator[Record]:
    """The records of a file, in its order; raises InputError naming `source`, line and key.

    With `on_loss` a line that cannot be read is left out, and told. What summary lines say is
    added to `summary`.
    """
    numbered = enumerate(lines, start=1)
    _, first = next(numbered, (1, b""))
    try:
        decode_header(first, source)
    except NotACapture as error:
        if on_loss is None or not first:
            raise
        on_loss(str(error))
    for number, line in numbered:
        try:
            if line.startswith(_SUMMARY_START):
                said = msgspec.json.decode(line, type=_SummaryLine).summary
                if summary is not None:
                    summary.add(said)
                continue
            record = _decode_line(line)
        except (FieldError, *_UNREADABLE) as error:
            what = str(error) if isinstance(error, FieldError) else _explain(error)
            if on_loss is None:
                raise InputError(f"{source}:{number}: {what}") from error
            on_loss(f"{source}:{number}: {what}")
            continue
        yield record


class NotACapture(InputError):
    """The first line is not a capture's, of whichever version."""


def decode_header(line: bytes, source: str) -> Header:
    """Check the first line; raises NotACapture, or InputError for another version."""
    expected = f'expected {{"format": "{FORMAT}", "version": {VERSION}}}'
    if not line:
        raise NotACapture(f"{source}: is empty; {expected} on line 1")
    try:
        header = msgspec.json.decode(line, type=Header)
    except _UNREADABLE as error:
        raise NotACapture(
            f"{source}:1: {expected}: not a capture (`mirror import` makes one of a log)"
        ) from error
    if header.format != FORMAT:
        raise NotACapture(f"{source}:1: format: {expected}, got {json.dumps(header.format[:40])}")
    if header.version != VERSION:
        raise InputError(
            f"{source}:1: version: expected {VERSION}, got {header.version}: "
            "this file is for another release of mirror"
        )
    return header


def _decode_line(line: bytes) -> Record:
    if len(line) > MAX_LINE_BYTES:
        raise FieldError("line", f"at most {MAX_LINE_BYTES} bytes")
    read = msgspec.json.decode(line, type=RecordLine)
    body = None
    if read.body is not None:
        try:
            body = base64.b64decode(read.body, validate=True)
        except (binascii.Error, ValueError):
            raise FieldError("body", _EXPECTED["body"]) from None
    return Record(
        read.t,
        read.method,
        read.host,
        read.target,
        read.headers,
        body,
        read.chunked,
        read.body_bytes,
    )


_AT = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<key>.*)`)?", re.DOTALL)


def _explain(error: Exception) -> str:
    """msgspec's words in those of this package."""
    match = _AT.fullmatch(str(error))
    assert match is not None
    what, key = match["what"], match["key"]
    if not isinstance(error, msgspec.ValidationError):
        return "expected one JSON object: " + what
    if named := re.fullmatch(r"Object missing required field `(.*)`", what):
        return f"{named[1]}: is required and missing"
    if named := re.fullmatch(r"Object contains unknown field `(.*)`", what, re.DOTALL):
        return f"{named[1]}: unknown key"
    if not key:
        return "expected one JSON object"
    outermost = re.split(r"[.\[]", key)[0]
    return f"{key}: expected {_EXPECTED[outermost]}"

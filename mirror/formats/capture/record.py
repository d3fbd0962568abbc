"""The lines of a capture: one JSON object for each request, read and written strictly.

This module owns version 1 of the format (docs/formats.md); mirror/capture writes the files.

Invariant: a `Record` consists of parts that are safe to put on the wire. No part holds a line break
or NUL, and no header field says where a message ends or what a connection does. So a capture from a
stranger cannot smuggle a second request into a replay: `to_request` alone writes the framing.

Bytes are written as the characters U+0000 to U+00FF (ISO 8859-1), so that every byte of a request
survives the JSON.

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
"""Length of the longest line that is read. It holds a body of 12 MB as base64; nginx accepts bodies
of 1 MB by default."""

REPLAY_MARK = b"X-Mirror-Leg: replay\r\n"
"""A sidecar serves a request with this field and does not count it as production."""

# Fields of one hop or of the framing (RFC 9110 section 7.6.1); a replay writes its own.
WRITTEN_ANEW = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "trailer", "te", "expect"),
        *("connection", "keep-alive", "proxy-connection", "upgrade"),
        *("x-mirror-leg", "x-mirror-mode"),
    }
)

# RFC 9110 section 5.6.2 (token), RFC 3986 section 3.2.2 (host), RFC 9110 section 5.5 (field value).
# Bytes from 0x80 on are obs-text, which servers accept in practice.
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HOST = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:%\[\]-]+")
_TARGET = re.compile(r"/[\x21-\x7e\x80-\xff]*")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

# Unix time in milliseconds exceeds this; in seconds it stays below until the year 5138.
FIRST_IMPLAUSIBLE_S = 1e11

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
"""Called with one line of text for each part of a capture that cannot be read."""


# What msgspec raises: bad JSON, a string that is not UTF-8, nesting beyond the limit of Python.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class CaptureError(InputError):
    """A capture cannot be read; the message names the file and the place in it."""


class FieldError(ValueError):
    """A part of a record is impossible: `key` names it, `expected` says what it should be."""

    def __init__(self, key: str, expected: str) -> None:
        super().__init__(f"{key}: expected {expected}")
        self.key = key
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Record:
    """One request. Raises FieldError for parts that are impossible or unsafe."""

    time_s: float
    method: str
    host: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    """None if the request had no body, or if its body was not kept."""
    is_chunked: bool = False
    """The body came in chunks and is sent in chunks again."""
    body_bytes: int | None = None
    """Length of a body that was not kept."""

    def __post_init__(self) -> None:
        if not 0 <= self.time_s < FIRST_IMPLAUSIBLE_S:
            raise FieldError("t", _EXPECTED["t"])
        # CONNECT asks for a tunnel, which a replay cannot serve (RFC 9110 section 9.3.6).
        if not _TOKEN.fullmatch(self.method) or self.method == "CONNECT":
            raise FieldError("method", _EXPECTED["method"])
        if not _HOST.fullmatch(self.host):
            raise FieldError("host", _EXPECTED["host"])
        # RFC 9112 section 3.2.4: `*` is a target of OPTIONS only.
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
        """Return the whole request as bytes.

        `host` replaces the recorded host and must satisfy `is_host`. `marked` adds REPLAY_MARK;
        without it, a sidecar counts the request as production.
        """
        fields = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        head = f"{self.method} {self.target} HTTP/1.1\r\nHost: {host or self.host}\r\n{fields}"
        mark = REPLAY_MARK if marked else b""
        body = self.body
        # A body of length 0 and no body differ (RFC 9112 section 6.3): replay what was recorded.
        if body is None:
            framing = body = b""
        elif self.is_chunked:
            framing = b"Transfer-Encoding: chunked\r\n"
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        else:
            framing = b"Content-Length: %d\r\n" % len(body)
        return b"".join((head.encode("latin-1"), framing, mark, b"\r\n", body))


def is_host(text: str) -> bool:
    """Return whether a Record accepts this host."""
    return _HOST.fullmatch(text) is not None


@dataclass(slots=True)
class Summary:
    """What a capture says about itself, added up over its summary lines."""

    not_sampled: int = 0
    redacted: int = 0
    """Number of values removed or replaced."""
    dropped: dict[str, int] = field(default_factory=dict)
    """Number of lost requests by reason."""

    def add(self, other: "Summary") -> None:
        self.not_sampled += other.not_sampled
        self.redacted += other.redacted
        for reason, number in other.dropped.items():
            self.dropped[reason] = self.dropped.get(reason, 0) + number


class RecordLine(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A record in its written form, unchecked."""

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
    """What the first line of every file says."""

    format: str
    version: int
    begin: float = 0
    """Approximate Unix time of the first record."""
    instance: str = ""
    """Empty for what `mirror import` has made of other files."""
    redacted_headers: tuple[str, ...] = ()
    """Names of headers that are redacted beside those that mean a secret (`capture.headers`)."""
    redacted_query_keys: tuple[str, ...] = ()
    """The same of query keys (`capture.query_keys`)."""
    has_hashes: bool = False
    """Hashes stand for the redacted values (`capture.key_file`), so that no name is missing."""


_SUMMARY_START = b'{"summary":'


def encode_header(
    begin_s: float = 0,
    instance: str = "",
    redacted_headers: tuple[str, ...] = (),
    redacted_query_keys: tuple[str, ...] = (),
    has_hashes: bool = False,
) -> bytes:
    """Return the first line of a file."""
    names = (redacted_headers, redacted_query_keys)
    header = Header(FORMAT, VERSION, begin_s, instance, *names, has_hashes)
    return msgspec.json.encode(header) + b"\n"


def encode_summary(summary: Summary) -> bytes:
    """Return a line that says what happened since the previous summary line."""
    return msgspec.json.encode(_SummaryLine(summary)) + b"\n"


def encode(record: Record) -> bytes:
    """Return the line of a record."""
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
    """Return a line whose parts the caller knows to be safe; `decode` checks them again."""
    return msgspec.json.encode(line) + b"\n"


def decode(
    lines: Iterable[bytes],
    source: str,
    on_loss: OnLoss | None = None,
    summary: Summary | None = None,
) -> Iterator[Record]:
    """Yield the records of a file in its order.

    Raises CaptureError that names `source`, line and key. With `on_loss`, an unreadable line is
    reported to it and left out instead. Summary lines are added to `summary`.
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
                part = msgspec.json.decode(line, type=_SummaryLine).summary
                if summary is not None:
                    summary.add(part)
                continue
            record = _decode_line(line)
        except (FieldError, *_UNREADABLE) as error:
            problem = str(error) if isinstance(error, FieldError) else _explain(error)
            if on_loss is None:
                raise CaptureError(f"{source}:{number}: {problem}") from error
            on_loss(f"{source}:{number}: {problem}")
            continue
        yield record


class NotACapture(CaptureError):
    """The first line is not that of a capture of any version."""


def decode_header(line: bytes, source: str) -> Header:
    """Return the header. Raises NotACapture, or CaptureError for another version."""
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
        raise CaptureError(
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
    """Return the message of msgspec in the words of this package."""
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

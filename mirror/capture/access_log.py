"""Reads nginx's access logs: the combined format, and JSON objects with the usual names.

A line that cannot be a request is Unusable, with the reason, and never guessed at. A log knows
less than the request had: of the headers at most User-Agent and Referer, no body, and the time at
which the answer ended (nginx writes the line then), in the combined format only to the second.

Reference: ngx_http_log_module, `log_format ... escape=default|json`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import BinaryIO

import msgspec

from mirror.capture.entries import Entry, Item, Unusable
from mirror.core.record import FieldError, Record

MAX_LINE_BYTES = 1 << 20
"""nginx takes at most 4 header buffers of 8 KiB by default; a longer line is damage."""

_FIRST_MILLISECONDS = 1e11
"""Unix time above this is in milliseconds: in seconds it would be after the year 5000."""

# Where a JSON log may keep what we need; the first that is there counts. `t m u h s` are those of
# the format that deploy/nginx sends by syslog.
_TIME = ("msec", "t", "time", "ts", "timestamp", "@timestamp", "time_iso8601", "time_local")
_METHOD = ("request_method", "method", "m")
_TARGET = ("request_uri", "uri", "u", "target", "path")
_HOST = ("http_host", "host", "h", "server_name")
_HEADERS = (
    ("user-agent", ("http_user_agent", "user_agent")),
    ("referer", ("http_referer", "referer")),
)

_OBJECT = msgspec.json.Decoder(dict[str, object])

_QUOTED = rb'"((?:[^"\\]|\\.)*)"'
_COMBINED = re.compile(
    rb"\S+ \S+ [^\[]*\[([^\]]+)\] "
    + _QUOTED
    + rb" \d{3} \S+(?: "
    + _QUOTED
    + b" "
    + _QUOTED
    + b")?"
)
_ESCAPED = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_LOCAL_TIME = re.compile(
    r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII
)
# strptime's %b means the months of the locale.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def read_log(stream: BinaryIO, host: str | None) -> Iterator[Item]:
    """What each line is: an entry, or why it is none; an empty line is nothing."""
    for number, line in enumerate(_lines(stream), start=1):
        line = line.strip()
        if not line:
            continue
        try:
            yield read_line(line, host)
        except (Unusable, FieldError) as error:
            yield f"{number}: {error}"


def read_line(line: bytes, host: str | None) -> Entry:
    """One line of either format; raises Unusable or FieldError."""
    if len(line) >= MAX_LINE_BYTES:
        raise Unusable(f"longer than {MAX_LINE_BYTES} bytes")
    return _read_json(line, host) if line.startswith(b"{") else _read_combined(line, host)


def _read_combined(line: bytes, host: str | None) -> Entry:
    match = _COMBINED.match(line)
    if match is None:
        raise Unusable("neither a JSON object nor the combined format")
    moment, request, referer, agent = match.groups()
    method, target = _split_request(_unescaped(request))
    if host is None:
        raise Unusable("the combined format names no host: give --host")
    headers = (("user-agent", _unescaped(agent)), ("referer", _unescaped(referer)))
    kept = tuple((name, value) for name, value in headers if value not in ("", "-"))
    time_s = _local_time(moment.decode("latin-1"))
    return Entry(Record(time_s, method, host, target, kept), is_whole_second=True)


def _read_json(line: bytes, host: str | None) -> Entry:
    document = _document(line)
    time_s, is_whole_second = _time(_first(document, _TIME))
    method, target = _text(document, _METHOD), _text(document, _TARGET)
    if (not method or not target) and (request := _text(document, ("request",))):
        method, target = _split_request(request)
    named = _text(document, _HOST) or host
    if named is None:
        raise Unusable("names no host: give --host")
    kept = tuple((name, value) for name, keys in _HEADERS if (value := _text(document, keys)))
    return Entry(Record(time_s, method, named, target, kept), is_whole_second)


def _document(line: bytes) -> Mapping[str, object]:
    try:
        return _OBJECT.decode(line)
    except (ValueError, RecursionError):
        pass
    try:
        # escape=json leaves bytes above 127 as they came, in whatever encoding that was.
        document = json.loads(line.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise Unusable(f"not a JSON object: {error}") from error
    assert isinstance(document, dict)  # it starts with a brace
    return document


def _first(document: Mapping[str, object], keys: tuple[str, ...]) -> object:
    """The first value that says something; nginx writes `-` or nothing for what was not there."""
    for key in keys:
        if document.get(key) not in (None, "", "-"):
            return document[key]
    return None


def _text(document: Mapping[str, object], keys: tuple[str, ...]) -> str:
    """A value with one character for each byte, as Record takes it; empty where there is none."""
    value = _first(document, keys)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unusable(f"{keys[0]} is not a text")
    if value.isascii():
        return value
    try:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    except UnicodeEncodeError:
        raise Unusable(f"{keys[0]} is not a text") from None


def _time(value: object) -> tuple[float, bool]:
    """Unix seconds, and whether that is all the log knows."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Unusable("has no time")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return _written_time(str(value))
    if number >= _FIRST_MILLISECONDS:
        return number / 1000, False
    return number, "." not in str(value)


def _written_time(text: str) -> tuple[float, bool]:
    if _LOCAL_TIME.fullmatch(text):
        return _local_time(text), True
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Unusable(f"time {text[:40]!r} is neither Unix time nor ISO 8601") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp(), "." not in text


@lru_cache(maxsize=64)
def _local_time(text: str) -> float:
    """nginx's $time_local; all lines of a second ask for the same."""
    match = _LOCAL_TIME.fullmatch(text)
    if match is None or match[2] not in _MONTHS:
        raise Unusable(f"time {text[:40]!r} is not like 31/Dec/2025:23:59:59 +0900")
    offset = timedelta(hours=int(match[8]), minutes=int(match[9]))
    day, year, month = int(match[1]), int(match[3]), _MONTHS.index(match[2]) + 1
    clock = int(match[4]), int(match[5]), int(match[6])
    try:
        zone = timezone(-offset if match[7] == "-" else offset)
        return datetime(year, month, day, *clock, tzinfo=zone).timestamp()
    except ValueError as error:
        raise Unusable(f"time {text!r}: {error}") from error


def _split_request(request: str) -> tuple[str, str]:
    parts = request.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/"):
        raise Unusable("the request line is not METHOD TARGET HTTP/VERSION")
    return parts[0], parts[1]


def _unescaped(value: bytes | None) -> str:
    """Undo escape=default, which writes \\xHH for quotes, backslashes and what is not ASCII."""
    if value is None:
        return ""
    if b"\\" in value:
        value = _ESCAPED.sub(lambda m: bytes.fromhex(m[1].decode()) if m[1] else m[2], value)
    return value.decode("latin-1")


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines; of one that is too long only the first bytes, so that memory stays bounded."""
    while line := stream.readline(MAX_LINE_BYTES):
        yield line
        while len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE_BYTES)

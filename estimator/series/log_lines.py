"""One line, or a block of lines, of nginx's access log to the instant and the target of a request.

Owns the formats: combined (also with a virtual host in front, and Apache's), and JSON objects with
nginx's names or those of deploy/nginx. Whole blocks are read by one regular expression or one
decoder; only a block with a line that does not fit is looked at line by line.

A request counts at the instant it began. nginx writes its line when the answer has ended, so
`request_time` is taken off where the log has it, and the others count when they ended.
"""

import re
from datetime import datetime
from functools import lru_cache

import msgspec

MAX_LINE_BYTES = 1 << 20
_FIRST_MILLISECONDS = 1e11
_MAX_SECOND = 253_402_300_799

Value = str | int | float | None
Request = tuple[str, str, str, float]
"""Target, id ('' where none is known), what the time was taken from ('' or 'request_time'), and the
Unix second it began."""

_COMBINED = re.compile(
    rb"^\S+ \S+ [^\[\n]*\[(\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]"
    rb' "[^ "\n]+ ([^ "\\\n]*(?:\\.[^ "\\\n]*)*) HTTP/[0-9.]+" \d{3} ',
    re.MULTILINE,
)
_ABSENT = "-"
"""What nginx writes, where it does not write nothing."""

# strptime's %b means the months of the locale.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Unusable(Exception):
    """This line is not one request; the text says why."""


class _Entry(msgspec.Struct, gc=False):
    """The keys a JSON log may have; of several times, and of several targets, the first counts."""

    msec: Value = None
    t: Value = None
    time: Value = None
    ts: Value = None
    timestamp: Value = None
    at_timestamp: Value = msgspec.field(name="@timestamp", default=None)
    time_iso8601: Value = None
    time_local: Value = None
    request_uri: str | None = None
    uri: str | None = None
    u: str | None = None
    target: str | None = None
    path: str | None = None
    request: str | None = None
    request_time: Value = None
    request_id: Value = None
    id: Value = None


_DECODER = msgspec.json.Decoder(_Entry)


def read_combined(block: bytes) -> list[tuple[bytes, bytes]]:
    """Return (time as written, target) of every line of whole lines that fits."""
    return _COMBINED.findall(block)


def read_json(block: bytes) -> list[Request]:
    """Return the requests of a block. Raises Unusable where one line is none."""
    try:
        entries = _DECODER.decode_lines(block)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unusable(f"not such a JSON object: {error}") from error
    return [_request(entry) for entry in entries]


def read_line(line: bytes) -> Request:
    """Return the request of one line. Raises Unusable."""
    if len(line) >= MAX_LINE_BYTES:
        raise Unusable(f"longer than {MAX_LINE_BYTES} bytes")
    if line.startswith(b"{"):
        return read_json(line)[0]
    found = _COMBINED.match(line)
    if found is None:
        raise Unusable(_why_not_combined(line))
    return found[2].decode("latin-1"), "", "", combined_second(found[1])


def _why_not_combined(line: bytes) -> str:
    if re.match(rb'\S+ \S+ [^\[]*\[[^\]]+\] "', line):
        return "the request line is not METHOD TARGET HTTP/VERSION, or the line is cut"
    return "neither a JSON object nor the combined format"


@lru_cache(maxsize=1024)
def combined_second(text: bytes) -> int:
    """Return the Unix second of $time_local. Raises Unusable for a day or a month that is none."""
    words = text.decode("ascii")
    try:
        month = _MONTHS.index(words[3:6]) + 1
        zone = f"{words[21:24]}:{words[24:26]}"
        iso = f"{words[7:11]}-{month:02}-{words[:2]}T{words[12:20]}{zone}"
        return int(datetime.fromisoformat(iso).timestamp())
    except ValueError as error:
        raise Unusable(f"time {words!r} is none: {error}") from error


def _request(entry: _Entry) -> Request:
    target = entry.request_uri or entry.uri or entry.u or entry.target or entry.path
    if not target or target == _ABSENT:
        parts = (entry.request or "").split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/"):
            raise Unusable("has no request_uri, uri or request line")
        target = parts[1]
    second = _second(
        entry.msec
        or entry.t
        or entry.time
        or entry.ts
        or entry.timestamp
        or entry.at_timestamp
        or entry.time_iso8601
        or entry.time_local
    )
    given = entry.request_id or entry.id
    # nginx's $request_id has 32 hexadecimal digits. Any other `id` may be anything.
    identity = given if isinstance(given, str) and len(given) == 32 else ""
    if entry.request_time in (None, "", _ABSENT):
        return target, identity, "", second
    try:
        took_s = float(entry.request_time or 0)
    except ValueError:
        took_s = -1.0
    # Written so that NaN is wrong too.
    if not 0 <= took_s <= second:
        raise Unusable(f"request_time {entry.request_time!r} is no duration in seconds")
    return target, identity, "request_time", second - took_s


def _second(value: Value) -> float:
    try:
        number = float(value or "")
    except ValueError:
        return _written(str(value or ""))
    number = number / 1000 if number >= _FIRST_MILLISECONDS else number
    if not 0 <= number <= _MAX_SECOND:
        raise Unusable(f"time {value!r} is no Unix time")
    return number


@lru_cache(maxsize=1024)
def _written(text: str) -> float:
    if re.fullmatch(r"\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}", text, re.ASCII):
        return combined_second(text.encode())
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Unusable(f"time {text[:40]!r} is neither Unix time nor ISO 8601") from None
    if moment.tzinfo is None:
        raise Unusable(f"time {text[:40]!r} has no offset from UTC")
    return moment.timestamp()

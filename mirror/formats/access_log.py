"""Access logs: the request that a line of nginx's or Apache's log is about, or why there is none.

`mirror import` and `estimate --from-access-log` both read logs with this module, so both see the
same requests. `read_line` reads one line completely. `read_combined` and `read_json` read a block
of lines of one format and return only what counting needs; they are several times as fast. A block
that they do not read as a whole goes through `read_line`, line by line.

To add a format, write a function from a line to a LoggedRequest and put it into `_READERS`.

Invariant: nothing is guessed. A time without its offset from UTC, for example, is not taken for
UTC: wherever the host runs on local time, that would shift the traffic by hours.

A request counts from the instant at which it began. nginx writes a line when the response has
ended, so `request_time` is subtracted where the log has it. Without `request_time`, the instant is
the end of the response.

Reference: ngx_http_log_module, `log_format ... escape=default|json`.
"""

import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

MAX_LINE_BYTES = 1 << 20
"""nginx takes at most 4 header buffers of 8 KiB by default, so a longer line is damaged."""

RECENT_IDS = 100_000
"""A request id is recognised for at least this many requests; they take about 10 MB."""

_FIRST_MILLISECONDS = 1e11
"""A greater Unix time is in milliseconds: in seconds it would be after the year 5138."""

_ABSENT = "-"
"""What nginx writes for a variable without a value, unless it writes nothing."""

# The keys of a JSON log by meaning; the first key with a value counts. `t m u h` are those of the
# format that deploy/nginx sends by syslog. `at_timestamp` stands for `@timestamp`.
_TIME = ("msec", "t", "time", "ts", "timestamp", "at_timestamp", "time_iso8601", "time_local")
_METHOD = ("request_method", "method", "m")
_TARGET = ("request_uri", "uri", "u", "target", "path")
_HOST = ("http_host", "host", "h", "server_name")
_HEADERS = (
    ("user-agent", ("http_user_agent", "user_agent")),
    ("referer", ("http_referer", "referer")),
)

# `escape=default` writes quotes, backslashes and control characters as \xHH, and Apache writes \".
_QUOTED = rb'"((?:[^"\\]|\\.)*)"'
_COMBINED_START = rb"^\S+ \S+ [^\[\n]*\["
_LOCAL_TIME = rb"\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"
_METHOD_WORD = rb'[^ "\n]+'
_TARGET_WORD = rb'[^ "\\\n]*(?:\\.[^ "\\\n]*)*'
_COMBINED_END = rb' HTTP/[0-9.]+" \d{3} '

_COMBINED_LINE = re.compile(
    rb"%b(%b)\] \"(%b) (%b)%b(?:\S+ %b %b)?"
    % (
        _COMBINED_START,
        _LOCAL_TIME,
        _METHOD_WORD,
        _TARGET_WORD,
        _COMBINED_END,
        _QUOTED,
        _QUOTED,
    )
)
_COMBINED_BLOCK = re.compile(
    rb"%b(%b)\] \"%b (%b)%b"
    % (_COMBINED_START, _LOCAL_TIME, _METHOD_WORD, _TARGET_WORD, _COMBINED_END),
    re.MULTILINE,
)
_ALMOST_COMBINED = re.compile(_COMBINED_START + rb'([^\]]+)\] "')
_LOCAL_TIME_ALONE = re.compile(_LOCAL_TIME)
_ESCAPED = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_REQUEST_LINE = re.compile(r"(\S+) (\S+) HTTP/[0-9.]+")

# The %b of strptime means the months of the locale.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class BadLine(Exception):
    """A line is not about one request; the text says why."""


@dataclass(slots=True)
class LoggedRequest:
    """What a line says about its request; texts have one character for each byte."""

    time_s: float
    """Unix time at which the request began or, without `duration_s`, its response ended."""
    is_whole_second: bool
    """The log knows the time only to the second."""
    duration_s: float | None
    method: str
    """Empty if the line does not say it, as `host` and `request_id`."""
    target: str
    host: str
    request_id: str
    headers: tuple[tuple[str, str], ...]
    """The logged ones of User-Agent and Referer."""


CountedRequest = tuple[str, str, float, bool]
"""What counting needs of a request: `target`, `request_id`, `time_s`, and whether its duration is
known."""


class KnownIds:
    """Recognises requests that a log holds twice, by `request_id`.

    A load balancer or nginx itself may send a request again, with the same id. It came only once.
    """

    def __init__(self) -> None:
        self._newer: set[str] = set()
        self._older: set[str] = set()

    def is_repeat(self, request_id: str) -> bool:
        """Remember the id; return whether an earlier line had it."""
        if request_id in self._newer or request_id in self._older:
            return True
        self._newer.add(request_id)
        if len(self._newer) >= RECENT_IDS:
            self._newer, self._older = set(), self._newer
        return False


def read_line(line: bytes) -> LoggedRequest:
    """Return the request of one line without its line break. Raises BadLine."""
    if len(line) >= MAX_LINE_BYTES:
        raise BadLine(f"longer than {MAX_LINE_BYTES} bytes")
    for read in _READERS:
        request = read(line)
        if request is not None:
            return request
    raise BadLine("neither a JSON object nor the combined format")


# --- the combined format ---


def read_combined(block: bytes) -> list[tuple[bytes, bytes]]:
    """Return (time, target) of every line of a block that has the combined format.

    Both are as they are written: `local_second` and `unescaped` read them.
    """
    return _COMBINED_BLOCK.findall(block)


@lru_cache(maxsize=1024)
def local_second(text: bytes) -> int:
    """Return the Unix time of nginx's $time_local, `31/Dec/2025:23:59:59 +0900`.

    All lines of a second ask for the same text. Raises BadLine for a day or month that is none.
    """
    words = text.decode("ascii")
    try:
        month = _MONTHS.index(words[3:6]) + 1
        zone = f"{words[21:24]}:{words[24:26]}"
        iso = f"{words[7:11]}-{month:02}-{words[:2]}T{words[12:20]}{zone}"
        return int(datetime.fromisoformat(iso).timestamp())
    except ValueError as error:
        raise BadLine(f"time {words!r} does not exist: {error}") from error


def unescaped(value: bytes) -> bytes:
    """Return the bytes that were logged with `escape=default`."""
    return _ESCAPED.sub(
        lambda match: bytes.fromhex(match[1].decode()) if match[1] else match[2], value
    )


def _read_combined_line(line: bytes) -> LoggedRequest | None:
    match = _COMBINED_LINE.match(line)
    if match is None:
        if almost := _ALMOST_COMBINED.match(line):
            raise BadLine(_why_not_combined(almost[1]))
        return None
    time, method, target, referer, agent = match.groups(b"")
    fields = (("user-agent", agent), ("referer", referer))
    return LoggedRequest(
        time_s=local_second(time),
        is_whole_second=True,
        duration_s=None,
        method=method.decode("latin-1"),
        target=unescaped(target).decode("latin-1"),
        host="",
        request_id="",
        headers=tuple(
            (name, unescaped(value).decode("latin-1"))
            for name, value in fields
            if value not in (b"", b"-")
        ),
    )


def _why_not_combined(time: bytes) -> str:
    if not _LOCAL_TIME_ALONE.fullmatch(time):
        return f"time {time[:40].decode('latin-1')!r} is not like 31/Dec/2025:23:59:59 +0900"
    return "the request line is not METHOD TARGET HTTP/VERSION, or the line is cut"


# --- JSON objects ---


class _CountedKeys(msgspec.Struct, gc=False):
    """The keys that counting needs; a key of another type is no error while it is not needed."""

    msec: Any = None
    t: Any = None
    time: Any = None
    ts: Any = None
    timestamp: Any = None
    at_timestamp: Any = msgspec.field(name="@timestamp", default=None)
    time_iso8601: Any = None
    time_local: Any = None
    request_uri: Any = None
    uri: Any = None
    u: Any = None
    target: Any = None
    path: Any = None
    request: Any = None
    request_time: Any = None
    request_id: Any = None
    id: Any = None


class _LoggedKeys(_CountedKeys, gc=False):
    """All keys that a LoggedRequest is made of."""

    request_method: Any = None
    method: Any = None
    m: Any = None
    http_host: Any = None
    host: Any = None
    h: Any = None
    server_name: Any = None
    http_user_agent: Any = None
    user_agent: Any = None
    http_referer: Any = None
    referer: Any = None


_COUNTED = msgspec.json.Decoder(_CountedKeys)
_LOGGED = msgspec.json.Decoder(_LoggedKeys)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_json(block: bytes) -> list[CountedRequest]:
    """Return the requests of a block of JSON lines. Raises BadLine if one line has none."""
    try:
        entries = _COUNTED.decode_lines(block)
    except _UNREADABLE as error:
        raise BadLine(f"not a JSON object: {error}") from error
    # The decoder accepts objects that share a line, or that take several.
    if len(entries) != block.count(b"\n") + (not block.endswith(b"\n")):
        raise BadLine("not one JSON object a line")
    return [_counted(entry) for entry in entries]


def _read_json_line(line: bytes) -> LoggedRequest | None:
    if not line.startswith(b"{"):
        return None
    entry = _logged(line)
    target, request_id, time_s, has_duration = _counted(entry)
    written = str(_written(entry))
    return LoggedRequest(
        time_s=time_s,
        is_whole_second=not re.search("[.,]", written) and not _is_milliseconds(written),
        duration_s=float(entry.request_time) if has_duration else None,
        method=_text(entry, _METHOD) or _request_line(entry)[0],
        target=target,
        host=_text(entry, _HOST),
        request_id=request_id,
        headers=tuple((name, text) for name, keys in _HEADERS if (text := _text(entry, keys))),
    )


def _logged(line: bytes) -> _LoggedKeys:
    try:
        return _LOGGED.decode(line)
    except _UNREADABLE:
        pass
    try:
        # escape=json leaves bytes above 127 as they came, in whatever encoding that was.
        document = json.loads(line.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise BadLine(f"not a JSON object: {error}") from error
    return msgspec.convert(document, _LoggedKeys)


def _counted(entry: _CountedKeys) -> CountedRequest:
    # These chains of `or` find almost every value, and take a quarter of the time of a loop.
    target = entry.request_uri or entry.uri or entry.u or entry.target or entry.path
    if type(target) is not str or target == _ABSENT or not target.isascii():
        target = _text(entry, _TARGET) or _request_line(entry)[1]
        if not target:
            raise BadLine("has no request_uri, uri or request line")
    time_s = _unix_time(_written(entry))
    request_id = entry.request_id or entry.id
    # nginx's $request_id has 32 hexadecimal digits. Any other `id` may be anything.
    if type(request_id) is not str or len(request_id) != 32:
        request_id = ""
    duration = entry.request_time
    if duration in (None, "", _ABSENT):
        return target, request_id, time_s, False
    try:
        duration_s = float(duration)
    except (TypeError, ValueError, OverflowError):
        duration_s = -1.0
    # A comparison with NaN is false, so NaN is refused too.
    if not 0 <= duration_s <= time_s:
        raise BadLine(f"request_time {duration!r} is no duration in seconds")
    return target, request_id, time_s - duration_s, True


def _text(entry: _CountedKeys, keys: Sequence[str]) -> str:
    """Return the first text with one character for each byte; empty if there is none."""
    for key in keys:
        value = getattr(entry, key)
        if type(value) is not str or value in ("", _ABSENT):
            continue
        if value.isascii():
            return value
        with suppress(UnicodeEncodeError):  # half of a surrogate pair stands for no byte
            return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return ""


def _request_line(entry: _CountedKeys) -> tuple[str, str]:
    """Return method and target of the key `request`; both empty if it has no such line."""
    match = _REQUEST_LINE.fullmatch(_text(entry, ("request",)))
    return (match[1], match[2]) if match else ("", "")


def _written(entry: _CountedKeys) -> Any:
    """Return the first time with a value, as it is written."""
    value = (
        entry.msec
        or entry.t
        or entry.time
        or entry.ts
        or entry.timestamp
        or entry.at_timestamp
        or entry.time_iso8601
        or entry.time_local
    )
    if value == _ABSENT:
        values = (getattr(entry, key) for key in _TIME)
        return next((value for value in values if value and value != _ABSENT), None)
    return value


def _unix_time(value: Any) -> float:
    if not value or value is True:
        raise BadLine("has no time")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return _written_time(str(value))
    if number >= _FIRST_MILLISECONDS:
        number /= 1000
    if not 0 <= number < _FIRST_MILLISECONDS:
        raise BadLine(f"time {value!r} is no Unix time")
    return number


def _is_milliseconds(written: str) -> bool:
    return written.isdigit() and int(written) >= _FIRST_MILLISECONDS


@lru_cache(maxsize=1024)
def _written_time(text: str) -> float:
    if text.isascii() and _LOCAL_TIME_ALONE.fullmatch(text.encode()):
        return local_second(text.encode())
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadLine(f"time {text[:40]!r} is neither Unix time nor ISO 8601") from None
    if moment.tzinfo is None:
        raise BadLine(f"time {text[:40]!r} has no offset from UTC")
    return moment.timestamp()


_READERS: tuple[Callable[[bytes], LoggedRequest | None], ...] = (
    _read_json_line,
    _read_combined_line,
)
"""The formats. Each function returns None for a line of another format, and raises BadLine for one
of its own that is not about a request; the first that returns a request decides."""

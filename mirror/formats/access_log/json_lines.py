r"""Access logs as JSON objects, one a line: nginx, Envoy, Istio, Caddy, Traefik and any other.

The keys are known by name; the first key with a value counts, and `-` and the empty text are no
values. `read_json` reads a block of lines and returns only what counting needs, and `read_objects`
returns the objects of a block; both are several times as fast as line by line.

A request counts from the instant at which it began. nginx and Caddy write a line when the response
has ended, so the duration is subtracted where the log has it. Envoy and Traefik log the begin.

References: ngx_http_log_module (`escape=default|json`), Envoy's JSON access log and that of Istio,
Caddy's `log` directive, Traefik's access log fields.
"""

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import tzinfo
from typing import Any

import msgspec

from mirror.formats.access_log.json_fields import ABSENT, Fields
from mirror.formats.access_log.request import (
    BAD_DURATION,
    NO_REQUEST,
    NO_TARGET,
    NOT_JSON,
    BadLine,
    LoggedRequest,
    NotARequest,
    status_of,
)
from mirror.formats.access_log.text_lines import origin_form
from mirror.formats.access_log.times import Instant, instant

CountedRequest = tuple[str, str, float, float]
"""What counting needs of a request: `target`, `request_id`, `time_s`, and its duration in seconds
or -1 if its begin is not known."""

# The keys by meaning. `t m u h` are those of the format that deploy/nginx sends by syslog.
_TIME = ("msec", "t", "time", "ts", "timestamp", "at_timestamp", "time_iso8601", "time_local")
_METHOD = ("request_method", "method", "m", "RequestMethod", "colon_method")
_TARGET = ("request_uri", "uri", "u", "target", "RequestPath", "colon_path", "path")
_HOST = (
    *("http_host", "host", "h", "authority", "colon_authority", "RequestHost", "vhost"),
    "server_name",
)
_STATUS = ("status", "s", "response_code", "DownstreamStatus", "status_code")
_AGENT = ("http_user_agent", "user_agent", "request_User_Agent")
_REFERER = ("http_referer", "referer", "request_Referer")

_REQUEST_LINE = re.compile(r"(\S+) (\S+) HTTP/[0-9.]+")
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|.)", re.DOTALL)


class _CountedKeys(msgspec.Struct, gc=False):
    """The keys that counting needs; a key of another type is no error while it is not needed."""

    start_time: Any = None
    StartUTC: Any = None
    StartLocal: Any = None
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
    RequestPath: Any = None
    colon_path: Any = msgspec.field(name=":path", default=None)
    path: Any = None
    request: Any = None
    request_time: Any = None
    duration: Any = None
    request_id: Any = None
    id: Any = None
    log: Any = None
    MESSAGE: Any = None
    message: Any = None


class LoggedKeys(_CountedKeys, gc=False):
    """All keys that a LoggedRequest is made of."""

    request_method: Any = None
    method: Any = None
    m: Any = None
    RequestMethod: Any = None
    colon_method: Any = msgspec.field(name=":method", default=None)
    http_host: Any = None
    host: Any = None
    h: Any = None
    authority: Any = None
    colon_authority: Any = msgspec.field(name=":authority", default=None)
    RequestHost: Any = None
    vhost: Any = None
    server_name: Any = None
    status: Any = None
    s: Any = None
    response_code: Any = None
    DownstreamStatus: Any = None
    status_code: Any = None
    http_user_agent: Any = None
    user_agent: Any = None
    request_User_Agent: Any = msgspec.field(name="request_User-Agent", default=None)
    http_referer: Any = None
    referer: Any = None
    request_Referer: Any = None


_COUNTED = msgspec.json.Decoder(_CountedKeys)
_LOGGED = msgspec.json.Decoder(LoggedKeys)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Wrapped(Exception):
    """The object holds no request but a text, which is a line of its own."""

    def __init__(self, line: bytes) -> None:
        super().__init__()
        self.line = line


def read_json(block: bytes, zone: tzinfo | None = None) -> list[CountedRequest]:
    """Return the requests of a block of JSON lines. Raises BadLine if one line has none."""
    try:
        entries = _COUNTED.decode_lines(block)
    except _UNREADABLE as error:
        raise BadLine(NOT_JSON, f"not a JSON object: {error}") from error
    # The decoder accepts objects that share a line, or that take several.
    if len(entries) != block.count(b"\n") + (not block.endswith(b"\n")):
        raise BadLine(NOT_JSON, "not one JSON object a line")
    try:
        return [counted(entry, zone)[0] for entry in entries]
    except Wrapped as error:
        raise BadLine(NOT_JSON, "holds lines of another format") from error


def read_object(
    line: bytes, zone: tzinfo | None = None, fields: Fields | None = None
) -> LoggedRequest:
    """Return the request of one JSON object. Raises BadLine, or Wrapped if it holds a line."""
    entry = _logged(line) if fields is None else _converted(fields.applied(_document(line)))
    (target, request_id, time_s, duration_s), is_whole = counted(entry, zone)
    path, named = origin_form(target.encode("latin-1")) if target[:1] != "/" else (b"", b"")
    method, host, agent, referer = common_of(entry)
    headers = (("user-agent", agent), ("referer", referer))
    return LoggedRequest(
        time_s=time_s,
        is_whole_second=is_whole,
        duration_s=duration_s if duration_s > 0 else None,
        method=method,
        target=path.decode("latin-1") or target,
        host=named.decode("latin-1") or host,
        request_id=request_id,
        headers=tuple(header for header in headers if header[1]),
        is_begin=duration_s >= 0,
        status=answered(entry),
    )


def read_objects(block: bytes) -> list[LoggedKeys | None]:
    """Return the objects of a block of lines, with None for a line that is read by itself."""
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    # The decoder accepts objects that share a line, or that take several.
    if block.count(b"}\n{") == lines - 1:
        with suppress(*_UNREADABLE):
            objects = _LOGGED.decode_lines(block)
            if len(objects) == lines:
                return list(objects)
    return [_object_or_none(line) for line in block.removesuffix(b"\n").split(b"\n")]


def _object_or_none(line: bytes) -> LoggedKeys | None:
    try:
        return _LOGGED.decode(line)
    except _UNREADABLE:
        return None


Common = tuple[str, str, str, str]
"""What many lines have in common: method, host, user agent and referer; empty if unknown."""


def common_of(entry: LoggedKeys) -> Common:
    """Return what an object says beside target, id and time."""
    method = (
        entry.request_method or entry.method or entry.m or entry.RequestMethod or entry.colon_method
    )
    host = (
        entry.http_host
        or entry.host
        or entry.h
        or entry.authority
        or entry.colon_authority
        or entry.RequestHost
        or entry.vhost
        or entry.server_name
    )
    agent = entry.http_user_agent or entry.user_agent or entry.request_User_Agent
    referer = entry.http_referer or entry.referer or entry.request_Referer
    return (
        _plain(method, entry, _METHOD) or _request_line(entry)[0],
        _plain(host, entry, _HOST),
        _plain(agent, entry, _AGENT) if agent else "",
        _plain(referer, entry, _REFERER) if referer else "",
    )


def answered(entry: LoggedKeys) -> int | None:
    """Return the status that an object says; None if it says none."""
    return next(filter(None, (status_of(getattr(entry, key)) for key in _STATUS)), None)


def _plain(value: object, entry: LoggedKeys, keys: Iterable[str]) -> str:
    """Return the first text, which is almost always the first value."""
    if type(value) is str and value != ABSENT and value.isascii():
        return value
    return _text(entry, keys) if value else ""


def _logged(line: bytes) -> LoggedKeys:
    try:
        entry = _LOGGED.decode(line)
    except _UNREADABLE:
        return _converted(_document(line))
    return _converted(_document(line)) if isinstance(entry.request, dict) else entry


def _document(line: bytes) -> dict[str, Any]:
    try:
        # escape=json leaves bytes above 127 as they came, in whatever encoding that was.
        return _object(line.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        if b"\\x" not in line:
            raise BadLine(NOT_JSON, f"not a JSON object: {error}") from error
    try:
        # escape=default writes quotes and bytes above 127 as \xHH, which JSON does not know.
        return _object(_ESCAPE.sub(_as_json, line).decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise BadLine(NOT_JSON, f"not a JSON object: {error}") from error


def _object(text: str) -> dict[str, Any]:
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("expected an object")
    return document


def _as_json(match: re.Match[bytes]) -> bytes:
    if match[1] is None:
        return match[0]
    code = int(match[1], 16)
    return bytes([code]) if code > 0x7F else b"\\u%04x" % code


def _converted(document: dict[str, Any]) -> LoggedKeys:
    """Return the keys of an object, those of Caddy's `request` among them."""
    request = document.get("request")
    if isinstance(request, dict) and isinstance(request.get("uri"), str):
        headers = request.get("headers")
        headers = headers if isinstance(headers, dict) else {}
        document = {
            "ts": document.get("ts"),
            "request_time": document.get("duration"),
            "request_method": request.get("method"),
            "request_uri": request["uri"],
            "http_host": request.get("host"),
            "status": document.get("status"),
            "http_user_agent": _first(headers.get("User-Agent")),
            "http_referer": _first(headers.get("Referer")),
        }
    return msgspec.convert(document, LoggedKeys)


def _first(values: object) -> object:
    return values[0] if isinstance(values, list) and values else None


def counted(entry: _CountedKeys, zone: tzinfo | None) -> tuple[CountedRequest, bool]:
    """Return what counting needs, and whether the time is known only to the second."""
    # These chains of `or` find almost every value, and take a quarter of the time of a loop.
    target = (
        entry.request_uri
        or entry.uri
        or entry.u
        or entry.target
        or entry.RequestPath
        or entry.colon_path
        or entry.path
    )
    if type(target) is not str or target == ABSENT or not target.isascii():
        target = _target(entry)
    begin = entry.start_time or entry.StartUTC or entry.StartLocal
    if begin is not None and begin != ABSENT:
        time_s, is_whole = instant(begin, zone)
        return (target, _id_of(entry), time_s, 0.0), is_whole
    time_s, is_whole = _end(entry, zone)
    duration = entry.request_time
    if duration in (None, "", ABSENT):
        return (target, _id_of(entry), time_s, -1.0), is_whole
    try:
        duration_s = float(duration)
    except (TypeError, ValueError, OverflowError):
        duration_s = _seconds(duration)
    # A comparison with NaN is false, so NaN is refused too.
    if not 0 <= duration_s <= time_s:
        raise BadLine(BAD_DURATION, f"request_time {duration!r} is no duration in seconds")
    return (target, _id_of(entry), time_s - duration_s, duration_s), is_whole


def _target(entry: _CountedKeys) -> str:
    """Return a target that is not plain. Raises BadLine, or Wrapped if there is a line instead."""
    target = _text(entry, _TARGET) or _request_line(entry)[1]
    if target:
        return target
    if isinstance(entry.request, dict) and isinstance(entry.request.get("uri"), str):
        raise BadLine(NOT_JSON, "is Caddy's, which is read line by line")
    for inner in (entry.log, entry.MESSAGE, entry.message):
        if isinstance(inner, str) and inner.strip():
            raise Wrapped(
                inner.encode("utf-8", "surrogateescape" if _is_bytes(inner) else "replace")
            )
        if isinstance(inner, dict):
            raise Wrapped(json.dumps(inner).encode())
        if isinstance(inner, list) and all(type(byte) is int and 0 <= byte < 256 for byte in inner):
            raise Wrapped(bytes(inner))  # the journal writes bytes that are no UTF-8 so
    if entry.request in ("", ABSENT):
        raise NotARequest(NO_REQUEST, "the request line is empty")
    raise BadLine(NO_TARGET, "has no request_uri, uri or request line")


def _is_bytes(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _id_of(entry: _CountedKeys) -> str:
    request_id = entry.request_id or entry.id
    # nginx's $request_id has 32 hexadecimal digits. Any other `id` may be anything.
    return request_id if type(request_id) is str and len(request_id) == 32 else ""


def _end(entry: _CountedKeys, zone: tzinfo | None) -> Instant:
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
    if value == ABSENT:
        values = (getattr(entry, key) for key in _TIME)
        value = next((value for value in values if value and value != ABSENT), None)
    return instant(value, zone)


_UNITS = {"ns": 1e-9, "µs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0}
_GO_DURATION = re.compile(r"([\d.]+)(ns|µs|us|ms|s)")


def _seconds(duration: object) -> float:
    """Return the seconds of `12.5ms`, as Caddy can be told to write; -1 for anything else."""
    match = _GO_DURATION.fullmatch(duration) if isinstance(duration, str) else None
    with suppress(ValueError):
        if match:
            return float(match[1]) * _UNITS[match[2]]
    return -1.0


def _text(entry: _CountedKeys, keys: Iterable[str]) -> str:
    """Return the first text with one character for each byte; empty if there is none."""
    for key in keys:
        value = getattr(entry, key)
        if type(value) is not str or value in ("", ABSENT):
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

r"""What a line of an access log says that an audit needs: when, which id, whose copy, who answered.

The formats are those of mirror/formats/access_log. This module adds what they leave out: ids and
the mark of a copy (X-Mirror-Leg) in lines of text and of JSON, and whether an upstream was asked.

A mark in a line of text counts only outside of quoted texts or behind `mirror_leg=`, because nginx
and Envoy quote what clients send, and a client could write a mark into its User-Agent. For the same
reason an id counts outside of quoted texts, or where it is all that a text holds and the text is
not the Referer or the User-Agent of the combined format.

References: ngx_http_log_module; Envoy's source/extensions/request_id/uuid/config.cc, which packs
the reason of a trace into the 15th character of a UUID and leaves ids of other lengths alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from mirror.formats.access_log.json_fields import ABSENT
from mirror.formats.access_log.line_reader import JSON, Found, LineReader
from mirror.formats.access_log.request import NO_REQUEST, NO_TARGET, BadLine, NotARequest

ID_BYTES = 16
"""An id of nginx and a UUID have 16 bytes; of any other text, a digest of that length counts."""

SHADOW = "shadow"
"""The mark of a copy that the sidecar sent; `replay` and `canary` mark other requests of ours."""

PROBE = "probe"
"""The mark of the first request on each connection of the sidecar, and of `mirror check`."""

PROBE_AGENT = "kagami-mirror-"
"""The User-Agent of a probe of the sidecar and of a canary begins so (core/acceptance.py)."""

# nginx's own id, which a client cannot set, comes before the one that a client may have sent.
_IDS = (
    *("mirror_request_id", "x_mirror_request_id", "x-mirror-request-id", "X-Mirror-Request-Id"),
    *("request_id", "id", "x_request_id", "http_x_request_id", "x-request-id", "X-Request-Id"),
)
_LEGS = frozenset({SHADOW, PROBE, "replay", "canary"})
_MARKS = ("mirror_leg", "x_mirror_leg", "http_x_mirror_leg", "x-mirror-leg", "X-Mirror-Leg")
_UPSTREAM = ("upstream_addr", "upstream", "upstream_status", "upstream_response_time", "upstream_s")
_UPSTREAM_TIMES = ("upstream_s", "upstream_response_time")

_HEX = re.compile(r"[0-9a-fA-F]{32}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TRACE_AT = 12
"""Place of the character that Envoy overwrites, in a UUID without its dashes."""
_SHORTEST_ID = 16
"""A shorter text, such as a number that counts up, may be another one in another log."""

_REQUEST_END = re.compile(rb'" (?:\d{1,3}|-) ')
_IN_TEXT = re.compile(
    rb"(?:(?<![^\s\"'\[(=])|request_id=)([0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}"
    rb"-[0-9a-fA-F]{12})(?![^\s\"'\]),])"
)
_QUOTED = re.compile(rb'([=:])?"((?:[^"\\]|\\.)*+)(?:(")|\\?\Z)')
"""A quoted text, or all from a quote that nothing closes, so that no place is searched twice."""
_SEPARATORS = re.compile(rb"[\s=:]")
_COMBINED = re.compile(rb'\S+ "')
"""The bytes that were sent, and the first of two texts of the client."""
_TEXTS_OF_CLIENT = 2
_MARK_IN_TEXT = re.compile(rb"(?<![\w-])(?:http_)?(?:x[-_])?mirror[-_]leg[=:]\"?([\w-]*)", re.I)
_UPSTREAM_IN_TEXT = re.compile(
    rb"(?<![\w-])(?:upstream_addr|upstream_response_time|urt)=\"?([^\s\"]*)"
)
_SECONDS = re.compile(r"\d+\.\d+|\d+")
_LONGEST_S = 86400.0


@dataclass(slots=True)
class Line:
    """One request of a log."""

    time_s: float
    """Unix time at which the request began, or its response ended where the log says no more."""
    is_exact: bool
    """The time is that of the begin, and known to better than a second."""
    status: int | None
    method: str
    target: str
    request_id: bytes
    """ID_BYTES bytes, or none where the line has no id."""
    mark: str | None
    """The value of X-Mirror-Leg; empty where the request had none, None where the log says none."""
    has_asked_upstream: bool | None
    """Whether nginx passed the request on; None where the log does not say it."""
    is_probe: bool
    """The request came from a probe of ours."""


def read_line(line: bytes, reader: LineReader) -> Line:
    """Return the request of a line. Raises BadLine."""
    found = Found()
    try:
        request = reader.find(line, found)
    except BadLine as error:
        if error.reason == NO_TARGET and _is_unread(found.inner):
            raise NotARequest(NO_REQUEST, "nginx could not read the request line") from error
        raise
    agent = next((value for name, value in request.headers if name == "user-agent"), "")
    says = _of_object(found.inner) if found.format == JSON else _of_text(found.inner)
    time_s, is_begin = request.time_s, request.is_begin
    if not is_begin and says.upstream_s is not None:
        # nginx writes a line when the response has ended, and that is when the upstream's had.
        time_s, is_begin = time_s - says.upstream_s, True
    return Line(
        time_s,
        is_begin and not request.is_whole_second,
        request.status,
        request.method,
        request.target,
        id_bytes(says.request_id or request.request_id),
        says.mark,
        says.has_asked_upstream,
        agent.startswith(PROBE_AGENT),
    )


def _is_unread(line: bytes) -> bool:
    """Return whether the log has a key for the target, which nginx left empty."""
    try:
        document = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(document, dict) and any(
        document.get(key) in ("", ABSENT) for key in ("uri", "request_uri", "u")
    )


def id_bytes(text: str) -> bytes:
    """Return an id in a form that is equal in all logs; empty if the text is none."""
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    if _UUID.fullmatch(text):
        plain = text.replace("-", "")
        return bytes.fromhex(f"{plain[:_TRACE_AT]}0{plain[_TRACE_AT + 1 :]}")
    if len(text) < _SHORTEST_ID:
        return b""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=ID_BYTES).digest()


@dataclass(slots=True)
class _Said:
    request_id: str = ""
    mark: str | None = None
    has_asked_upstream: bool | None = None
    upstream_s: float | None = None


def _of_object(line: bytes) -> _Said:
    try:
        document = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Said()  # escape=default, which only the readers of formats repair
    if not isinstance(document, dict):
        return _Said()
    said = _Said(_first(document, _IDS))
    if any(key in document for key in _MARKS):
        mark = _first(document, _MARKS)
        # A client may have sent anything.
        said.mark = mark if mark in _LEGS else ""
    if any(key in document for key in _UPSTREAM):
        said.has_asked_upstream = bool(_first(document, _UPSTREAM))
    times = _first(document, _UPSTREAM_TIMES)
    if times:
        # After a failed attempt nginx lists the times of all: `0.001, 0.020 : 0.003`.
        total_s = sum(map(float, _SECONDS.findall(times)))
        said.upstream_s = total_s if total_s <= _LONGEST_S else None
    return said


def _first(document: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """Return the first text with a value; numbers as text."""
    for key in keys:
        value = document.get(key)
        if isinstance(value, str | float | int) and value not in ("", ABSENT):
            return str(value)
    return ""


def _of_text(line: bytes) -> _Said:
    end = _REQUEST_END.search(line)
    rest = line[end.end() :] if end else line
    bare = _QUOTED.sub(_outside, rest)
    ids = _IN_TEXT.findall(bare) or _quoted_ids(rest)
    # Two different ids may be those of a request and of a trace, and nothing says which is which.
    different = {found.lower() for found in ids}
    said = _Said(different.pop().decode("ascii") if len(different) == 1 else "")
    if mark := _MARK_IN_TEXT.search(bare):
        said.mark = found if (found := mark[1].decode("ascii")) in _LEGS else ""
    if upstream := _UPSTREAM_IN_TEXT.search(bare):
        said.has_asked_upstream = upstream[1] not in (b"", b"-")
    return said


def _outside(quoted: re.Match[bytes]) -> bytes:
    """Return what remains of a quoted text: the one word behind `key=`, and nothing elsewhere."""
    name, text, end = quoted.groups(b"")
    if not end:
        return quoted[0]
    if not name:
        return b""
    # A client's text behind a key, such as agent="mirror_leg=shadow", has other words or keys.
    return name + b'"' + (b"_" if _SEPARATORS.search(text) else text) + b'"'


def _quoted_ids(rest: bytes) -> list[bytes]:
    texts = [quoted[2] for quoted in _QUOTED.finditer(rest)]
    if _COMBINED.match(rest) and len(texts) >= _TEXTS_OF_CLIENT:
        del texts[:_TEXTS_OF_CLIENT]
    return [text for text in texts if _IN_TEXT.fullmatch(text)]

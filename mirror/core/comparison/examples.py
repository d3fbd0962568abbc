"""The examples that one worker collects between two reports: what the shadow served otherwise.

Where the shadow fails at everything, each request brings a new error. A report therefore takes few
examples, and making one, which costs more than a count, happens at most so often; what finds no
place is counted.
"""

import re

from mirror.core.comparison.answer import Answer
from mirror.core.comparison.piece import ExampleAddition
from mirror.core.comparison.redirects import MOST_LOCATION_BYTES
from mirror.core.redaction.redactor import Redactor
from mirror.core.uri_counts.canonical import raw_names, raw_path, uri_of
from mirror.core.uri_counts.piece import Uri

MOST = 24
"""Examples of one report: at ten reports a second, making them takes below 1 % of a core."""
MOST_ID_CHARACTERS = 64
"""A longer id of a request is no id that nginx or Envoy makes, and is left out."""
_HEAD_END = b"\r\n\r\n"
_HOST = b"\r\nHost: "
_AUTHORITY = re.compile(
    r"([a-z][a-z0-9+.-]*:[/\\]*|[/\\]{2,})(?:[^/\\]*@)?([^/\\]*)", re.IGNORECASE
)
"""Scheme, user and host. Browsers take any number of slashes of either kind, or none, for two
(https://url.spec.whatwg.org/, special authority slashes state)."""


class RequestReader:
    """Reads what names a request from its bytes, as they go to the shadow or the primary."""

    __slots__ = ("_id_line", "_redactor")

    def __init__(self, id_header: str | None, redactor: Redactor) -> None:
        """`id_header` is the field that carries the id of a request."""
        self._id_line = b"\r\n%b: " % id_header.lower().encode() if id_header else b""
        self._redactor = redactor

    def id_of(self, request: bytes) -> str:
        """Return the id of a request; empty if it has none, or one that cannot be an id."""
        if not self._id_line:
            return ""
        head = request[: request.find(_HEAD_END) + 2] if _HEAD_END in request else request
        at = head.lower().find(self._id_line)
        if at < 0:
            return ""
        begin = at + len(self._id_line)
        value = head[begin : head.find(b"\r\n", begin)].strip()
        is_id = len(value) <= MOST_ID_CHARACTERS and value.isascii()
        text = value.decode("ascii") if is_id else ""
        return text if text.isprintable() else ""

    def key_of(self, request: bytes) -> bytes:
        """Return the same bytes for requests that have the same URI; they are cheap to make."""
        method, host, path, names = _parts_of(request)
        return b"\n".join((method, host, path, names))

    def uri_of(self, request: bytes) -> Uri:
        """Return the URI without its secrets."""
        method, host, path, names = _parts_of(request)
        return uri_of(method, host, path, names, self._redactor, False)

    def base_of(self, request: bytes) -> str:
        """Return what a relative Location begins at: `//HOST/PATH`, cut like a Location."""
        _, host, path, _ = _parts_of(request)
        return (b"//%b%b" % (host, path))[:MOST_LOCATION_BYTES].decode("latin-1")

    def location(self, location: str) -> str:
        """Return a Location without its secrets."""
        match = _AUTHORITY.match(location)
        if match is None:
            return self._path(location)
        begin, host = match.groups()
        if begin[-1] == ":":
            return begin + self._path(location[match.start(2) :])
        return begin + host + self._path(location[match.end() :])

    def _path(self, path: str) -> str:
        raw = raw_path(path.encode("latin-1"))
        return uri_of(b"GET", b"", raw, b"", self._redactor, False).path


class Examples:
    """The examples since the last report."""

    __slots__ = ("_by_key", "_not_kept", "_reader")

    def __init__(self, reader: RequestReader) -> None:
        self._reader = reader
        self._by_key: dict[tuple[str, str, int, int, bytes], ExampleAddition] = {}
        self._not_kept = 0

    def add(
        self, route: str, result: str, answers: tuple[Answer, Answer], request: bytes, second: int
    ) -> None:
        """Keep a pair, primary first, whose result is a new error."""
        primary, shadow = answers
        key = (route, result, primary.status, shadow.status, self._reader.key_of(request))
        example = self._by_key.get(key)
        if example is None:
            if len(self._by_key) >= MOST:
                self._not_kept += 1
                return
            example = self._by_key[key] = ExampleAddition(
                route=route,
                result=result,
                uri=self._reader.uri_of(request),
                primary_status=primary.status,
                shadow_status=shadow.status,
                location=self._reader.location(shadow.location) if shadow.location else "",
                count=0,
                first=second,
                last=second,
                request_id="",
            )
        example.count += 1
        example.last = second
        example.request_id = self._reader.id_of(request)

    def take(self) -> tuple[list[ExampleAddition], int]:
        """Return the examples, and how many pairs found no place; both count from zero again."""
        if not self._by_key and not self._not_kept:
            return [], 0
        taken = list(self._by_key.values()), self._not_kept
        self._by_key = {}
        self._not_kept = 0
        return taken


def _parts_of(request: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Return method, host, path and the names of the query; canonical.py cuts the last two."""
    line_end = request.find(b"\r\n")
    method, _, rest = request[:line_end].partition(b" ")
    target, _, _ = rest.rpartition(b" ")
    path, mark, query = target.partition(b"?")
    host = b""
    if request.startswith(_HOST, line_end):  # to_shadow and to_primary write it first
        begin = line_end + len(_HOST)
        host = request[begin : request.find(b"\r\n", begin)]
    return method, host, raw_path(path), raw_names(query) if mark else b""

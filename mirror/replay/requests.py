"""Turns recorded requests into bytes that are ready to be sent: which requests, with which head.

Owns the filters, the header rules and the bound on memory. A list that fits into HELD_BYTES is made
ready before the start. A longer list is read while it is sent, that many bytes ahead, ordered by
time. A request that is out of order by more than that is sent late, and its lag shows it.
Must never know when a request is due.
"""

import heapq
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count

from mirror.core.request_head import SAFE_METHODS
from mirror.formats.capture.record import WRITTEN_ANEW, Record
from mirror.formats.capture.secret_names import is_secret_name
from mirror.replay.patterns import Pattern

HELD_BYTES = 64 << 20
ENTRY_BYTES = 300
"""What Python uses for one entry in addition to its bytes."""

REDACTED = "redacted-"
"""How a value begins that a capture has replaced by its digest."""
LONGEST_NAME = 40
"""Characters of a name that are shown."""

FILTER_KEYS = ("method", "host", "path")
_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to be sent."""

    data: bytes
    is_head: bool
    """Whether its method is HEAD: then the response has no body."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Which requests are sent, and what is changed in their heads."""

    all_methods: bool = False
    filters: tuple[tuple[str, str], ...] = ()
    """Pairs of key and pattern; for each key, one of its patterns must match."""
    host: str | None = None
    set_headers: tuple[tuple[str, str], ...] = ()
    remove_headers: tuple[str, ...] = ()
    as_production: bool = False
    """Whether to leave out the mark by which a sidecar recognises a replay."""


def read_filter(text: str) -> tuple[str, str]:
    """Return key and pattern; the key of a pattern alone is `path`. Raises ValueError."""
    key, equals, pattern = text.partition("=")
    if not equals or key.startswith("/"):
        key, pattern = "path", text
    if key not in FILTER_KEYS or not pattern:
        raise ValueError("expected method=GET, host=*.example.com or path=/watch/{id}")
    if key == "path" and pattern[0] not in "/*":
        raise ValueError("expected a path that starts with / or *")
    return key, pattern


def read_header(text: str) -> tuple[str, str]:
    """Return name and value of `Name: value`. Raises ValueError."""
    match = _HEADER.fullmatch(text)
    if match is None:
        raise ValueError("expected 'Name: value'")
    if match[1].lower() in WRITTEN_ANEW:
        raise ValueError(f"{match[1]} is written anew for each request")
    return match[1], match[2].rstrip()


class RequestList:
    """Requests in order of time, which can be read repeatedly."""

    def __init__(
        self,
        read: Callable[[], Iterator[Record]],
        rules: Rules,
        held_bytes: int = HELD_BYTES,
    ) -> None:
        """Read the first requests. Raises what `read` raises, InputError."""
        self.skipped: Counter[str] = Counter()
        """Requests left out for their method, by method."""
        self.filtered = 0
        self.credentials: Counter[str] = Counter()
        """Requests that carry a secret value, by the name of its header or parameter."""
        self._read = read
        self._rules = rules
        self._held_bytes = held_bytes
        self._removed = {name.lower() for name in rules.remove_headers}
        self._removed |= {name.lower() for name, _ in rules.set_headers}
        self._patterns: dict[str, list[Pattern]] = {}
        for key, pattern in rules.filters:
            self._patterns.setdefault(key, []).append(Pattern(pattern))
        self._rest = self._entries(is_counted=True)
        self._held = self._fill(self._rest)
        self.is_whole = next(self._peek(), None) is None
        """Whether the whole list is held."""

    @property
    def held(self) -> list[tuple[float, int, Request]]:
        """Unix time, place in the list and request, for all that is ready, in order of time."""
        return self._held

    @property
    def why_none(self) -> str:
        """Why no request is held, in words."""
        if self.filtered:
            return f"--filter left out all {self.filtered}"
        if self.skipped:
            return "none with a safe method: --all-methods sends the others"
        return "it is empty"

    def lap(self) -> Iterator[tuple[float, Request]]:
        """Return the list once, as seconds since the first request, and the request."""
        if self.is_whole:
            held = self._held
            return ((entry[0] - held[0][0], entry[2]) for entry in held)
        return self._streamed()

    def cycle(self) -> Iterator[Request]:
        """Return the requests over and over, without end."""
        while True:
            for _, request in self.lap():
                yield request

    def _streamed(self) -> Iterator[tuple[float, Request]]:
        if self._held:
            heap, rest = self._held, self._rest  # sorted, so a heap
            self._held = []
        else:
            rest = self._entries(is_counted=False)
            heap = self._fill(rest)
        first_s = heap[0][0]
        last_s = 0.0
        for entry in rest:
            time_s, _, request = heapq.heappushpop(heap, entry)
            last_s = max(last_s, time_s - first_s)
            yield last_s, request
        for time_s, _, request in sorted(heap):
            last_s = max(last_s, time_s - first_s)
            yield last_s, request

    def _peek(self) -> Iterator[tuple[float, int, Request]]:
        """Move the next request of the rest into what is held, and yield it."""
        for entry in self._rest:
            self._held.append(entry)
            self._held.sort()
            yield entry

    def _fill(
        self, entries: Iterator[tuple[float, int, Request]]
    ) -> list[tuple[float, int, Request]]:
        held = []
        room_bytes = self._held_bytes
        for entry in entries:
            held.append(entry)
            room_bytes -= len(entry[2].data) + ENTRY_BYTES
            if room_bytes <= 0:
                break
        held.sort()
        return held

    def _entries(self, is_counted: bool) -> Iterator[tuple[float, int, Request]]:
        """Yield time, place and request; places keep requests of one instant in their order.

        What is left out is counted in one lap only.
        """
        place = count()
        for record in self._read():
            if not self._rules.all_methods and record.method.encode() not in SAFE_METHODS:
                self.skipped[record.method] += is_counted
            elif self._patterns and not self._fits(record):
                self.filtered += is_counted
            else:
                yield record.time_s, next(place), self._request(record, is_counted)

    def _fits(self, record: Record) -> bool:
        path = record.target.partition("?")[0]
        for key, patterns in self._patterns.items():
            value = {"method": record.method, "host": record.host, "path": path}[key]
            if not any(pattern.matches(value) for pattern in patterns):
                return False
        return True

    def _request(self, record: Record, is_counted: bool) -> Request:
        rules = self._rules
        if self._removed:
            kept = [field for field in record.headers if field[0].lower() not in self._removed]
            record = replace(record, headers=(*kept, *rules.set_headers))
        if is_counted:
            self.credentials.update(_credentials(record))
        data = record.to_request(rules.host, marked=not rules.as_production)
        return Request(data, record.method == "HEAD")


def _credentials(record: Record) -> dict[str, int]:
    """Return the headers and parameters with secret values, each once, but for redacted ones."""
    fields = list(record.headers)
    query = record.target.partition("?")[2]
    fields += [(name, value) for name, _, value in (p.partition("=") for p in query.split("&"))]
    return {
        name.lower()[:LONGEST_NAME]: 1
        for name, value in fields
        if value and not value.startswith(REDACTED) and _is_secret(name)
    }


@lru_cache(maxsize=1000)
def _is_secret(name: str) -> bool:
    return is_secret_name(name)

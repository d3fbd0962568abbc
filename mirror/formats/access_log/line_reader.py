"""Reads one line of any access log: takes off what wraps it, and finds the format by its content.

`LineReader` holds what the user says about the logs: one format by name, the keys of a JSON log,
the zone of times without one.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from mirror.formats.access_log import text_lines
from mirror.formats.access_log.json_fields import Fields
from mirror.formats.access_log.json_lines import Wrapped, read_object
from mirror.formats.access_log.request import (
    MAX_LINE_BYTES,
    SEVERAL,
    TOO_LONG,
    UNKNOWN,
    BadLine,
    LoggedRequest,
)
from mirror.formats.access_log.times import zone_of
from mirror.formats.access_log.wrappers import MOST_LAYERS, unwrapped

JSON = "json"
FORMATS = (JSON, *text_lines.READERS)
"""The names that --format-of takes."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the user says about the logs; texts as the options take them."""

    format_of: str | None = None
    fields: str | None = None
    zone: str | None = None

    @property
    def is_plain(self) -> bool:
        """Return whether every format is found by content alone."""
        return self == Reading()


@dataclass(slots=True)
class Found:
    """What was found on the way to a request."""

    layers: int = 0
    format: str = ""
    inner: bytes = b""


@dataclass(slots=True)
class LineReader:
    """Reads lines. Raises ValueError for options that are not understood."""

    reading: Reading = field(default_factory=Reading)
    zone: tzinfo | None = field(init=False, default=None)
    fields: Fields | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.reading.zone is not None:
            self.zone = zone_of(self.reading.zone)
        if self.reading.fields is not None:
            self.fields = Fields(self.reading.fields)

    @property
    def names_duration(self) -> bool:
        """Return whether the user has said in which unit durations are."""
        return self.fields is not None and self.fields.names_duration

    def read(self, line: bytes) -> LoggedRequest:
        """Return the request of one line. Raises BadLine."""
        return self.find(line, Found())

    def find(self, line: bytes, found: Found) -> LoggedRequest:
        """Return the request of one line, and say in `found` how. Raises BadLine."""
        if len(line) >= MAX_LINE_BYTES:
            raise BadLine(TOO_LONG, f"longer than {MAX_LINE_BYTES} bytes")
        line = line.strip()
        for _ in range(MOST_LAYERS):
            line, layers = unwrapped(line)
            found.layers += layers
            found.inner = line
            if not line.startswith(b"{"):
                return self._text(line, found)
            found.format = JSON
            try:
                return self._object(line)
            except Wrapped as wrapped:
                found.layers += 1
                line = wrapped.line.strip()
                if b"\n" in line:
                    raise BadLine(
                        SEVERAL, "wraps several lines, and is read only with one"
                    ) from None
        raise BadLine(UNKNOWN, "holds too many objects in each other")

    def _object(self, line: bytes) -> LoggedRequest:
        request = read_object(line, self.zone, self.fields)
        if self.reading.format_of not in (None, JSON):
            raise BadLine(UNKNOWN, f"is JSON, and not {self.reading.format_of}")
        return request

    def _text(self, line: bytes, found: Found) -> LoggedRequest:
        for name, read in text_lines.READERS.items():
            if self.reading.format_of in (None, name):
                found.format = name
                request = read(line, self.zone)
                if request is not None:
                    return request
        found.format = ""
        if self.reading.format_of is not None:
            raise BadLine(UNKNOWN, f"is not in the format {self.reading.format_of}")
        raise BadLine(UNKNOWN, 'neither a JSON object nor a line with [time] "request"')


def explained(line: bytes, reader: LineReader) -> list[tuple[str, str]]:
    """Return what is read from a line, as names and texts; the last is `left out` if nothing is."""
    found = Found()
    try:
        request = reader.find(line, found)
    except BadLine as error:
        format_of = [("format", found.format)] if found.format else []
        return [*_wrapped(found), *format_of, ("left out", f"{error.reason}: {error}")]
    moment = datetime.fromtimestamp(request.time_s, UTC).isoformat(timespec="milliseconds")
    kind = "begin of the request" if request.is_begin else "end of the response"
    precision = ", to the second" if request.is_whole_second else ""
    said = [
        *_wrapped(found),
        ("format", found.format),
        ("time", f"{moment} ({kind}{precision})"),
        ("method", request.method or "not in the line"),
        ("host", request.host or "not in the line: --host names it"),
        ("target", request.target),
    ]
    if request.status is not None:
        said.append(("status", str(request.status)))
    if request.duration_s is not None:
        said.append(("duration", f"{request.duration_s:.6g} s"))
    if request.request_id:
        said.append(("id", request.request_id))
    return [*said, *request.headers]


def _wrapped(found: Found) -> list[tuple[str, str]]:
    if not found.layers:
        return []
    return [
        ("wrapped", f"{found.layers} times; the line itself is {found.inner.decode('latin-1')}")
    ]

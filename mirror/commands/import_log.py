"""`mirror import`: access logs become a request list that `mirror replay` can send.

Owns the reading of nginx's logs: the combined format, and JSON objects with the usual names. A
line that cannot be a request is counted and the first few are shown, never guessed at.

A log knows less than the request had: of the headers at most User-Agent and Referer, no body, and
the time at which the answer ended (nginx writes the line then), in the combined format only to
the second.

Reference: ngx_http_log_module, `log_format ... escape=default|json`.
"""

import gzip
import json
import os
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import click

from mirror.core.record import FieldError, Record, encode, encode_header, is_host
from mirror.errors import InputError

EXIT_UNUSABLE = 2

MAX_LINE_BYTES = 1 << 20
"""nginx takes at most 4 header buffers of 8 KiB by default; a longer line is damage."""

SHOWN_LINES = 5

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


class Unusable(Exception):
    """This line is not one request; the text says why."""


@dataclass(slots=True)
class Entry:
    """One usable line."""

    record: Record
    is_whole_second: bool
    """The log knows the time only to the second."""


@dataclass(slots=True)
class Found:
    """What the files held."""

    entries: list[Entry] = field(default_factory=list)
    unusable: int = 0
    shown: list[str] = field(default_factory=list)
    """The first unusable lines, with the reason."""


@click.command(name="import")
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@click.option("-o", "--output", "path", required=True, metavar="FILE", type=Path, help="To write.")
@click.option("--host", metavar="NAME", help="Host of lines that name none (combined never does).")
def import_log(logs: tuple[str, ...], path: Path, host: str | None) -> None:
    """Turn access logs into a request list for `mirror replay`.

    Reads nginx's combined format and JSON lines, compressed where the name ends in .gz, and
    standard input for `-`. Several logs are merged in the order of time. Where a log knows only
    the second, the requests of that second are spread evenly over it. Bodies are in no log: a
    POST is imported without one.

    \b
    Examples:
      mirror import /var/log/nginx/access.log -o requests.jsonl --host www.example.com
      mirror import access.log access.log.1 access.log.2.gz -o requests.jsonl
      zstdcat access.log.zst | mirror import - -o requests.jsonl

    \b
    Exit codes:
      0  written; unusable lines were counted and the first shown
      2  a file cannot be read or written, or no line is usable
    """
    if host is not None and not is_host(host):
        raise click.BadParameter("expected a host name", param_hint="--host")
    found = Found()
    try:
        for log in logs:
            with _opened(log) as stream:
                read_log(_lines(stream), log, host, found)
        _report_unusable(found)
        records = in_order(found.entries)
        if not records:
            raise InputError(f"{', '.join(logs)}: no line is a request that can be replayed")
        _write(path, records)
    except InputError as error:
        click.echo(error, err=True)
        sys.exit(EXIT_UNUSABLE)
    click.echo(_summary(path, records), err=True)


def read_log(lines: Iterable[bytes], source: str, host: str | None, found: Found) -> None:
    """Add what `lines` hold to `found`; an empty line is nothing."""
    for number, line in enumerate(lines, start=1):
        line = line.strip()
        if not line:
            continue
        try:
            found.entries.append(read_line(line, host))
        except (Unusable, FieldError) as error:
            found.unusable += 1
            if len(found.shown) < SHOWN_LINES:
                found.shown.append(f"{source}:{number}: {error}")


def read_line(line: bytes, host: str | None) -> Entry:
    """One line of either format; raises Unusable or FieldError."""
    if len(line) >= MAX_LINE_BYTES:
        raise Unusable(f"longer than {MAX_LINE_BYTES} bytes")
    return _read_json(line, host) if line.startswith(b"{") else _read_combined(line, host)


def in_order(entries: list[Entry]) -> list[Record]:
    """The records by time; those known only to the second are spread evenly over it."""
    sizes = Counter(entry.record.time_s for entry in entries if entry.is_whole_second)
    placed: Counter[float] = Counter()
    records = []
    for entry in entries:
        record = entry.record
        if entry.is_whole_second:
            second = record.time_s
            record = replace(record, time_s=second + placed[second] / sizes[second])
            placed[second] += 1
        records.append(record)
    records.sort(key=lambda record: record.time_s)
    return records


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
    try:
        # escape=json leaves bytes above 127 as they came, in whatever encoding that was.
        document = json.loads(line.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise Unusable(f"not a JSON object: {error}") from error
    time_s, is_whole_second = _time(_first(document, _TIME))
    method, target = _text(document, _METHOD), _text(document, _TARGET)
    if (not method or not target) and (request := _text(document, ("request",))):
        method, target = _split_request(request)
    named = _text(document, _HOST) or host
    if named is None:
        raise Unusable("names no host: give --host")
    kept = tuple((name, value) for name, keys in _HEADERS if (value := _text(document, keys)))
    return Entry(Record(time_s, method, named, target, kept), is_whole_second)


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
    plain = _ESCAPED.sub(lambda m: bytes.fromhex(m[1].decode()) if m[1] else m[2], value)
    return plain.decode("latin-1")


@contextmanager
def _opened(log: str) -> Iterator[BinaryIO]:
    """The log as plain bytes; what goes wrong with the file is an InputError."""
    try:
        if log == "-":
            yield sys.stdin.buffer
        elif log.endswith(".gz"):
            with gzip.open(log, "rb") as unpacked:
                yield unpacked  # type: ignore[misc]
        else:
            with open(log, "rb") as stream:
                yield stream
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{log}: cannot be read: {error}") from error


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines; of one that is too long only the first bytes, so that memory stays bounded."""
    while line := stream.readline(MAX_LINE_BYTES):
        yield line
        while len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE_BYTES)


def _write(path: Path, records: list[Record]) -> None:
    """All or nothing: a reader never sees half a list."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        with open(unfinished, "xb") as stream:
            stream.write(encode_header())
            stream.writelines(map(encode, records))
        os.replace(unfinished, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _report_unusable(found: Found) -> None:
    if not found.unusable:
        return
    click.echo(f"{found.unusable} unusable lines, left out:", err=True)
    for line in found.shown:
        click.echo(f"  {line}", err=True)
    if found.unusable > len(found.shown):
        click.echo(f"  and {found.unusable - len(found.shown)} more", err=True)


def _summary(path: Path, records: list[Record]) -> str:
    first_s, last_s = records[0].time_s, records[-1].time_s
    methods = Counter(record.method for record in records)
    listed = ", ".join(f"{method} {count}" for method, count in methods.most_common())
    begin = datetime.fromtimestamp(first_s, UTC).isoformat(timespec="seconds")
    return f"{path}: {len(records)} requests over {last_s - first_s:.1f} s from {begin} ({listed})"

"""One line of nginx's JSON access log, read for the comparison: the id and production's answer.

The line is that of deploy/nginx/log-format.conf. Each value may also stand under the name of its
nginx variable, because most JSON formats are written so. A datagram has a header in front of the
object (ngx_syslog.c: `<190>Nov 26 08:10:46 [host ]nginx: `), in which no brace can be.

nginx's words are taken as ngx_http_log_module.c and ngx_http_upstream.c write them: `-` or nothing
for what does not exist, and one value for each upstream that was tried, separated by `, ` or,
behind an internal redirect, by ` : `. Everything in a line comes from outside: a value that is not
what nginx would write counts as unknown, and no line raises.
"""

import re
from typing import Any

import msgspec

from mirror.core.comparison.answer import NOT_ANSWERED, UNKNOWN_BYTES, Answer
from mirror.core.comparison.redirects import MOST_LOCATION_BYTES
from mirror.core.ledger import ABORTED, STATUS_CLASSES

LONGEST_LINE_BYTES = 1 << 16
"""A longer line is not read. A UDP datagram has at most 65,507 bytes; nginx takes a request head of
32 KB by default."""
LONGEST_ID = 64
"""nginx's $request_id has 32 characters. A longer id joins nothing."""
CLIENT_LEFT = 499
"""nginx's status of a request whose client closed the connection before the answer."""

_COMPLETED = "OK"
_BETWEEN_UPSTREAMS = re.compile(r"[,:\s]+")
_LONGEST_UPSTREAMS = 4096
"""Characters of the values of all upstreams that were tried; more would cost milliseconds."""
_LONGEST_HOSTNAME = 64  # HOST_NAME_MAX of Linux
_LARGEST = 10**15
_LONGEST_S = 86400.0
_LATEST_S = float(1 << 37)
"""In the year 6325, as in formats/comparison.py."""


class LogLine(msgspec.Struct, gc=False):
    """The values of one line as nginx wrote them, which the functions below read."""

    id: Any = None
    request_id: Any = None
    status: Any = None
    time: Any = None
    msec: Any = None
    upstream_s: Any = None
    upstream_response_time: Any = None
    bytes: Any = None
    body_bytes_sent: Any = None
    upstream_bytes: Any = None
    upstream_response_length: Any = None
    connection: Any = None
    connection_requests: Any = None
    pid: Any = None
    hostname: Any = None
    completion: Any = None
    request_completion: Any = None
    location: Any = None
    upstream_http_location: Any = None


_LINE = msgspec.json.Decoder(LogLine)
_REPLACED = "\N{REPLACEMENT CHARACTER}"
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_line(data: bytes) -> LogLine | None:
    """Return the values of a line or datagram; None where it is no JSON object."""
    if data[:1] != b"{":
        data = data[data.find(b"{") :]
    try:
        return _LINE.decode(data)
    except _UNREADABLE:
        pass
    try:
        # escape=json leaves bytes above 127 as they came, in whatever encoding that was.
        return _LINE.decode(data.decode("utf-8", "replace"))
    except _UNREADABLE:
        return None


def id_of(line: LogLine) -> str:
    """Return the id that the copy carries as well; empty where the line has none."""
    request_id = line.id or line.request_id
    if type(request_id) is str and request_id != "-" and len(request_id) <= LONGEST_ID:
        return request_id
    return ""


def logged_at_s(line: LogLine) -> float | None:
    """Return when nginx wrote the line, in Unix seconds of its clock; None where unknown."""
    return _number(line.time or line.msec, _LATEST_S)


def place_of(line: LogLine) -> tuple[str, int] | None:
    """Return the connection, and the number of the request on it; None where the line lacks it.

    nginx counts connections for all its workers, and anew when it is started; the pid of the worker
    tells one run from the next. Containers that log to one sidecar have the same pids, and other
    hostnames.
    """
    connection = _whole(line.connection)
    request = _whole(line.connection_requests)
    if connection is None or not request:
        return None
    host = line.hostname[:_LONGEST_HOSTNAME] if type(line.hostname) is str else ""
    return f"{host}:{_whole(line.pid) or 0}:{connection}", request


def answer_of(line: LogLine) -> Answer | None:
    """Return production's answer; None where the line names no status.

    A client that left before the answer has the outcome `aborted`: production's own answer is not
    known. Where it left during the answer (`completion` is empty), the status counts, the length
    and the duration do not. An answer that the upstream cut is complete to nginx.
    """
    status = _whole(line.status)
    if status is None or not 100 <= status <= 999:
        return None
    if status == CLIENT_LEFT:
        return Answer(0, ABORTED)
    completion = line.completion if line.completion is not None else line.request_completion
    if completion is not None and completion != _COMPLETED:
        return Answer(status, STATUS_CLASSES[status // 100])
    return Answer(
        status,
        STATUS_CLASSES[status // 100],
        _latency_us(
            line.upstream_s if line.upstream_s is not None else line.upstream_response_time
        ),
        _body_bytes(line),
        location=_location(line) if 300 <= status < 400 and status != 304 else "",
    )


def _latency_us(value: object) -> int:
    """Return the sum over all upstreams that were tried, for which the client waited."""
    seconds = _number(value, _LONGEST_S)
    if seconds is not None:
        return int(seconds * 1e6)
    if type(value) is not str or len(value) > _LONGEST_UPSTREAMS:
        return NOT_ANSWERED
    parts = [part for part in _BETWEEN_UPSTREAMS.split(value) if part and part != "-"]
    times = [_number(part, _LONGEST_S) for part in parts]
    known = [time for time in times if time is not None]
    is_known = known and len(known) == len(times) and sum(known) <= _LONGEST_S
    return int(sum(known) * 1e6) if is_known else NOT_ANSWERED


def _body_bytes(line: LogLine) -> int:
    """Return the length of the body that the upstream sent, or of what the client got.

    The upstream's is before nginx compressed it, as the shadow's is.
    """
    value = (
        line.upstream_bytes if line.upstream_bytes is not None else line.upstream_response_length
    )
    if type(value) is str:
        value = _BETWEEN_UPSTREAMS.split(value[-_LONGEST_UPSTREAMS:])[-1]
    length = _whole(value)
    if length is None:
        length = _whole(line.bytes if line.bytes is not None else line.body_bytes_sent)
    return UNKNOWN_BYTES if length is None else length


def _location(line: LogLine) -> str:
    location = line.location if line.location is not None else line.upstream_http_location
    if type(location) is not str or location == "-":
        return ""
    if _REPLACED in location:  # its bytes are not known, so nobody can compare them
        return ""
    # The shadow's is kept as bytes, and cut.
    target = location.partition("?")[0].partition("#")[0].encode("utf-8", "replace")
    return target[:MOST_LOCATION_BYTES].decode("latin-1")


def _whole(value: object) -> int | None:
    """Return a whole number that is not negative, written as such or as a text."""
    if type(value) is str and value.isascii() and value.isdigit() and len(value) < 19:
        value = int(value)
    return value if type(value) is int and 0 <= value < _LARGEST else None


def _number(value: object, most: float) -> float | None:
    if type(value) is not str and type(value) is not float and type(value) is not int:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number <= most else None  # NaN is not

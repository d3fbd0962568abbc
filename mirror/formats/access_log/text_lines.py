r"""Access logs as lines of text: finds `[time] "request"` wherever it stands, and its relatives.

    combined   nginx and Apache, with or without a virtual host, ingress-nginx, Traefik
    envoy      Envoy's and Istio's default text
    haproxy    HAProxy's HTTP and HTTPS format; its times have no offset from UTC
    alb        AWS's Application and Classic Load Balancer

Each reader returns None for a line of another format, and raises BadLine for one of its own.

A host counts only if the format gives it a place, or if exactly one field looks like a host name.
nginx and Apache escape quotes and control characters (`\x22`, `\"`); Envoy escapes nothing.

References: ngx_http_log_module, Apache's mod_log_config, "Default format string" of Envoy, HAProxy
configuration manual section 8.2.3, "Access log entries" of AWS's load balancers.
"""

import re
from collections.abc import Callable
from datetime import tzinfo

from mirror.formats.access_log.request import (
    NO_REQUEST,
    NO_TIME,
    UNKNOWN,
    BadLine,
    LoggedRequest,
    NotARequest,
    status_of,
)
from mirror.formats.access_log.times import ISO_TIME, LOCAL_TIME_MS, Instant, written_time

# `escape=default` writes quotes, backslashes and control characters as \xHH, and Apache writes \".
QUOTED = rb'"([^"\\]*(?:\\.[^"\\]*)*)"'
TARGET_WORD = rb'[^ "\\\n]*(?:\\.[^ "\\\n]*)*'

_STAMP = re.compile(rb"\[(%b|%b)\] (?=\")" % (LOCAL_TIME_MS, ISO_TIME))
_ALMOST_STAMP = re.compile(rb'\[([^\[\]"]{1,80})\] "')
_REQUEST = re.compile(rb'"([^ "\n]+) (%b) HTTP/[0-9.]+" (\d{3}|-) ' % TARGET_WORD)
_AFTER_STATUS = re.compile(rb"\S+ %b %b" % (QUOTED, QUOTED))
_ESCAPED = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)

HOST_NAME = rb"[A-Za-z0-9_.-]{0,255}[A-Za-z][A-Za-z0-9_.-]{0,255}(?::\d{1,5})?"
_HOST_FIRST = re.compile(rb"(%b) [0-9A-Fa-f:]*[.:][0-9A-Fa-f.:]* " % HOST_NAME)
_DOMAIN = re.compile(
    rb"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]*[A-Za-z](?::\d{1,5})?"
)
_WORD = re.compile(rb'(?<![^\s"{|=])([A-Za-z0-9_.:-]{1,255})(?![^\s"}|,;])')
_URL = re.compile(rb"([a-z]+)://([^/?#]*)([^#]*)")
_DEFAULT_PORTS = {b"http": b":80", b"https": b":443", b"ws": b":80", b"wss": b":443"}

# ingress-nginx: $request_length $request_time [$proxy_upstream_name]
_INGRESS_TIMES = re.compile(rb" \d+ (\d+\.\d{3}) \[")
_NAMED_TIME = re.compile(rb'(?<![A-Za-z0-9_])(?:rt|request_time)="?(\d+\.\d{3})(?![\d.])')
_OF_TRAEFIK = re.compile(rb' \d+ "[^"]*" "[^"]*" \d+ms$')

_ENVOY = re.compile(rb'\[(%b)\] "([^"]*)" (\d{1,3}) (.*)' % ISO_TIME)
# FLAGS, Istio's DETAILS TERMINATION "FAILURE", BYTES_RECEIVED BYTES_SENT DURATION UPSTREAM_TIME
# "FORWARDED" "AGENT" "ID" "AUTHORITY". It is matched from its begin, so it takes linear time.
_ENVOY_END = re.compile(
    rb'\S+ (?:\S+ \S+ "[^"]*" )?\d+ \d+ (?:\d+|-) \S+ "[^"]*" "(.{0,8192}?)" "[^" ]*" "([^" ]*)"'
    rb"(?: |$)"
)
_HAPROXY = re.compile(
    rb"\[(\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d\.\d{3})\] \S{1,255}"
    rb" [^\s/]{1,255}/\S{1,255} [-+\d/]{1,99} (-?\d{1,9}) [+\d]{1,20}"
    rb' \S+ \S+ \S+ [\d/+]+ \d+/\d+ ([^"<]*)(?:"([^"]*)"?|<BADREQ>)'
)
_HASHED = re.compile(rb"#([0-9A-Fa-f]{2})")
_ALB = re.compile(
    rb"(?:(?:https?|h2|grpcs?|wss?) )?(%b) \S+ [0-9A-Fa-f.:\[\]]+ \S+ (-?\d+(?:\.\d+)?)"
    rb" (-?\d+(?:\.\d+)?) (-?\d+(?:\.\d+)?) (\S+) \S+ \d+ \d+ \"([^\"]*)\" %b" % (ISO_TIME, QUOTED)
)
_ALB_CREATION = re.compile(rb' \d+ (\d{4}-\d\d-\d\dT[\d:.]+Z) "')


def unescaped(value: bytes) -> bytes:
    """Return the bytes that were logged with `escape=default`."""
    if b"\\" not in value:
        return value
    return _ESCAPED.sub(
        lambda match: bytes.fromhex(match[1].decode()) if match[1] else match[2], value
    )


def origin_form(target: bytes) -> tuple[bytes, bytes]:
    """Return path with query, and host, of a target that may be an absolute URL."""
    match = _URL.fullmatch(target)
    if match is None:
        return target, b""
    scheme, host, path = match.groups()
    host = host.rpartition(b"@")[2].removesuffix(_DEFAULT_PORTS.get(scheme, b":"))
    return (path if path.startswith(b"/") else b"/" + path), host


# --- combined and its relatives ---


def read_combined(line: bytes, zone: tzinfo | None) -> LoggedRequest | None:
    """Read a line that holds `[time] "request" status` somewhere."""
    stamp = _STAMP.search(line)
    if stamp is None:
        if almost := _ALMOST_STAMP.search(line):
            shown = almost[1][:40].decode("latin-1")
            raise BadLine(NO_TIME, f"time {shown!r} is not like 31/Dec/2025:23:59:59 +0900")
        return None
    match = _REQUEST.match(line, stamp.end())
    if match is None:
        raise _why_no_request(line, stamp.end())
    rest = line[match.end() :]
    agent = referer = b""
    if texts := _AFTER_STATUS.match(rest):
        referer, agent = texts.groups()
        rest = rest[texts.end() :]
    instant = written_time(stamp[1].decode("ascii"), zone)
    duration = None
    if found := _INGRESS_TIMES.match(rest) or _NAMED_TIME.search(rest):
        duration = float(found[1])
    host = _host_first(line[: stamp.start()]) or only_domain(rest)
    method, target, status = match.groups()
    request = _request(instant, method, unescaped(target), host, duration)
    request.status = status_of(status.decode("ascii"))
    request.headers = _headers(unescaped(agent), unescaped(referer))
    # Traefik stamps its lines with the begin, and ends them with the duration.
    request.is_begin = request.is_begin or _OF_TRAEFIK.search(rest) is not None
    return request


def _why_no_request(line: bytes, place: int) -> BadLine:
    """Return why there is no request line: none came, or the line is damaged."""
    quoted = re.compile(QUOTED + rb" (?:\d{3}|-) ").match(line, place)
    text = "the request line is not METHOD TARGET HTTP/VERSION, or the line is cut"
    # nginx logs connections that sent nothing, or no HTTP, with status 400 or 408.
    return NotARequest(NO_REQUEST, text) if quoted else BadLine(UNKNOWN, text)


def _host_first(prefix: bytes) -> bytes:
    match = _HOST_FIRST.match(prefix)
    return without_default_port(match[1]) if match else b""


def without_default_port(host: bytes) -> bytes:
    """Return a host of Apache's %v:%p, which writes a port where a browser writes none."""
    return host.removesuffix(b":80").removesuffix(b":443")


def only_domain(rest: bytes) -> bytes:
    """Return the one field that looks like a host name; empty if none does, or several."""
    found = {word for word in _WORD.findall(rest) if _DOMAIN.fullmatch(word)}
    return found.pop() if len(found) == 1 else b""


# --- the other formats ---


def read_envoy(line: bytes, zone: tzinfo | None) -> LoggedRequest | None:
    """Read Envoy's and Istio's default text, whose time is the begin of the request."""
    match = _ENVOY.match(line)
    if match is None:
        return None
    start, request_line, status, rest = match.groups()
    end = _ENVOY_END.match(rest)
    if end is None:
        return None
    method, target = _request_line(request_line, "Envoy logs connections too")
    agent, host = end.groups()
    request = _request(written_time(start.decode("ascii"), zone), method, target, host, None)
    request.is_begin = True
    request.status = status_of(status.decode("ascii"))
    request.headers = _headers(agent, b"-")
    return request


def read_haproxy(line: bytes, zone: tzinfo | None) -> LoggedRequest | None:
    """Read HAProxy's HTTP format, whose time is the begin of the request, in local time."""
    match = _HAPROXY.search(line)
    if match is None:
        return None
    start, status, captured, request_line = match.groups()
    method, target = _request_line(request_line or b"", "<BADREQ>: no request came")
    host = only_domain(captured)
    # HAProxy writes quotes, hashes and bytes that are not printable as #HH.
    target = _HASHED.sub(lambda hashed: bytes.fromhex(hashed[1].decode()), target)
    request = _request(written_time(start.decode("ascii"), zone), method, target, host, None)
    request.is_begin = True
    request.status = status_of(status.decode("ascii"))
    return request


def read_alb(line: bytes, zone: tzinfo | None) -> LoggedRequest | None:
    """Read a line of AWS's load balancers."""
    match = _ALB.match(line)
    if match is None:
        return None
    end, *times, status, request_line, agent = match.groups()
    method, target = _request_line(request_line, "no request came")
    creation = _ALB_CREATION.search(line, match.end())
    stamp = creation[1] if creation else end
    durations = [float(time) for time in times]
    duration = None if creation or min(durations) < 0 else sum(durations)
    request = _request(written_time(stamp.decode("ascii"), zone), method, target, b"", duration)
    request.is_begin = creation is not None or duration is not None
    request.status = status_of(status.decode("latin-1"))
    request.headers = _headers(agent, b"-")
    return request


def _request_line(text: bytes, why_none: str) -> tuple[bytes, bytes]:
    method, _, rest = text.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    if not version.startswith(b"HTTP/") or not target or b" " in target:
        shown = text[:40].decode("latin-1")
        raise NotARequest(NO_REQUEST, f"{shown!r} is no request line: {why_none}")
    return method, target


def _request(
    instant: Instant, method: bytes, target: bytes, host: bytes, duration_s: float | None
) -> LoggedRequest:
    """Return a request; `instant` is its end if the duration is given."""
    time_s, is_whole = instant
    path, named = origin_form(target)
    if duration_s is not None:
        time_s -= duration_s
    return LoggedRequest(
        time_s=time_s,
        is_whole_second=is_whole,
        duration_s=duration_s,
        method=method.decode("latin-1"),
        target=path.decode("latin-1"),
        host=(named or host).decode("latin-1") if host != b"-" else "",
        request_id="",
        headers=(),
        is_begin=duration_s is not None,
    )


def _headers(agent: bytes, referer: bytes) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, value.decode("latin-1"))
        for name, value in (("user-agent", agent), ("referer", referer))
        if value not in (b"", b"-")
    )


READERS: dict[str, Callable[[bytes, tzinfo | None], LoggedRequest | None]] = {
    "envoy": read_envoy,
    "haproxy": read_haproxy,
    "alb": read_alb,
    "combined": read_combined,
}
"""The formats by the name that --format-of takes, in the order in which they are tried."""

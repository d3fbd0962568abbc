"""wrk's text: a closed loop on a fixed number of connections; each number has its own unit.

Without --latency there are no percentiles. Refused connections and timeouts are not counted as
requests. The text states neither the time of the run nor a requested rate.
"""

import re

from estimator.table.load_tools.run import Keys, LoadRun, require
from estimator.table.rows import Loop

NAME = "wrk (text)"

UNITS_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4, "h": 3.6e6}

# Each begins with a line or with its own words: a search for digits anywhere would take time with
# the square of their number.
_RUNNING = re.compile(r"^Running .+ test @ ", re.MULTILINE)
_CONNECTIONS = re.compile(r"^ *\d+ threads? and (\d+) connections?", re.MULTILINE)
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,15})?")
_REQUESTS = re.compile(r"^ *(\d+) requests in ([\d.]+)(us|ms|s|m|h)\b", re.MULTILINE)
_RATE = re.compile(r"^Requests/sec:\s+([\d.]+)\s*$", re.MULTILINE)
_STATUS_ERRORS = re.compile(r"Non-2xx or 3xx responses: (\d+)")
_SOCKET_ERRORS = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")


def matches(keys: Keys, text: str) -> bool:
    return _RUNNING.search(text) is not None and "Thread calibration" not in text


def read(text: str, source: str) -> LoadRun:
    """Return the run. Raises InputError."""
    return read_text(text, source, "wrk", Loop.CLOSED)


def read_text(text: str, source: str, tool: str, loop: Loop) -> LoadRun:
    """Return the run of wrk, or of wrk2, whose text has the same frame. Raises InputError."""
    match = _REQUESTS.search(text)
    require(match is not None, source, "expected `N requests in T`; was the run cut off?")
    assert match is not None
    requests = int(_number(match[1], source))
    duration_s = _number(match[2], source) * UNITS_MS[match[3]] / 1000
    require(requests > 0 and duration_s > 0, source, "holds no request")
    sockets, status = _SOCKET_ERRORS.search(text), _STATUS_ERRORS.search(text)
    refused = sum(_number(count, source) for count in sockets.groups()) if sockets else 0
    failed = _number(status[1], source) if status else 0
    rate = _RATE.search(text)
    connections = _CONNECTIONS.search(text)
    p50, p99 = (percentile_ms(text, percent, source) for percent in (50, 99))
    notes = ("no p50 and p99: run it with --latency",) if p99 is None else ()
    return LoadRun(
        tool=tool,
        loop=loop,
        # More digits than the duration, which is rounded to 10 ms.
        rps=_number(rate[1], source) if rate else requests / duration_s,
        duration_s=duration_s,
        connections=int(_number(connections[1], source)) if connections else None,
        p50_ms=p50,
        p99_ms=p99,
        error_ratio=(failed + refused) / (requests + refused),
        notes=notes,
    )


def percentile_ms(text: str, percent: int, source: str) -> float | None:
    """Return a percentile of the first distribution; the second one of wrk2 is uncorrected.

    Raises InputError.
    """
    match = re.search(
        rf"^[ \t]*{percent}(?:\.0+)?%[ \t]+([\d.]+)(us|ms|s|m|h)[ \t\r]*$", text, re.MULTILINE
    )
    return _number(match[1], source) * UNITS_MS[match[2]] if match else None


def _number(text: str, source: str) -> float:
    """Return a number as wrk prints it. Raises InputError."""
    is_number = _NUMBER.fullmatch(text) is not None
    require(is_number, source, f"expected a number, got {text[:40]!r}; was the file changed?")
    return float(text)

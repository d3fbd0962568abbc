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
    requests, duration_s = int(match[1]), float(match[2]) * UNITS_MS[match[3]] / 1000
    require(requests > 0 and duration_s > 0, source, "holds no request")
    refused = sum(map(int, sockets.groups())) if (sockets := _SOCKET_ERRORS.search(text)) else 0
    failed = int(status[1]) if (status := _STATUS_ERRORS.search(text)) else 0
    connections = _CONNECTIONS.search(text)
    p50, p99 = (percentile_ms(text, percent) for percent in (50, 99))
    notes = ("no p50 and p99: run it with --latency",) if p99 is None else ()
    return LoadRun(
        tool=tool,
        loop=loop,
        # More digits than the duration, which is rounded to 10 ms.
        rps=float(rate[1]) if (rate := _RATE.search(text)) else requests / duration_s,
        duration_s=duration_s,
        connections=int(connections[1]) if connections else None,
        p50_ms=p50,
        p99_ms=p99,
        error_ratio=(failed + refused) / (requests + refused),
        notes=notes,
    )


def percentile_ms(text: str, percent: int) -> float | None:
    """Return a percentile of the first distribution; the second one of wrk2 is uncorrected."""
    match = re.search(
        rf"^[ \t]*{percent}(?:\.0+)?%[ \t]+([\d.]+)(us|ms|s|m|h)[ \t\r]*$", text, re.MULTILINE
    )
    return float(match[1]) * UNITS_MS[match[2]] if match else None

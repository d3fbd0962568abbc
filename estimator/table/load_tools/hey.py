"""hey's CSV (`-o csv`): one line for each request, in seconds; a closed loop, even with -q.

Lines are ordered by the end of their requests; `offset` is the start. Requests that failed without
a status are missing, so the error ratio is that of the answered requests. The file states neither
the connections, nor a rate, nor the time of the run.
"""

import csv
import io

import numpy as np

from estimator.table.load_tools.run import (
    Keys,
    LoadRun,
    Problems,
    Requests,
    measured,
    require,
)
from estimator.table.rows import Loop

NAME = "hey (-o csv)"
COLUMNS = ("offset", "response-time", "status-code")


def matches(keys: Keys, text: str) -> bool:
    return text.startswith("response-time,DNS+dialup,")


def read(text: str, source: str) -> LoadRun:
    """Return the run. Raises InputError that lists the malformed lines."""
    return run_of_lines(text, source, COLUMNS, "hey")


def run_of_lines(text: str, source: str, columns: tuple[str, str, str], tool: str) -> LoadRun:
    """Return the run of a CSV that has an answered request a line, as `_read_requests` reads it.

    Raises InputError that lists the malformed lines.
    """
    requests = _read_requests(text, source, columns)
    duration_s = float((requests.offset_s + requests.latency_ms / 1000).max())
    require(duration_s > 0, source, "holds a single instant, no rate")
    return LoadRun(
        tool=tool,
        loop=Loop.CLOSED,
        duration_s=duration_s,
        requests=requests,
        notes=(f"the error ratio lacks requests without a response, which {tool} leaves out",),
        **measured(requests, duration_s),
    )


def _read_requests(text: str, source: str, columns: tuple[str, str, str]) -> Requests:
    """Return the requests of a CSV that has one a line, all answered.

    `columns` name the start, the latency (both in seconds) and the status. Raises InputError that
    lists the first malformed lines.
    """
    reader = csv.reader(io.StringIO(text, newline=""))
    header = next(reader)
    missing = [column for column in columns if column not in header]
    require(not missing, f"{source}:1", f"misses the columns {', '.join(missing)}")
    places = [header.index(column) for column in columns]
    rows, problems = [], Problems(source)
    for cells in reader:
        try:
            offset, latency, status = (float(cells[place]) for place in places)
            rows.append((offset, latency, status))
        except (ValueError, IndexError):
            rule = f"expected {len(header)} numbers, got {','.join(cells)[:60]!r}"
            problems.add(reader.line_num, rule)
    problems.check()
    require(bool(rows), source, "holds no request")
    offset_s, latency_s, statuses = np.array(rows).T
    require(bool(np.isfinite(offset_s + latency_s).all()), source, "expected finite times")
    return Requests(
        offset_s - offset_s.min(),
        latency_s * 1000,
        (statuses < 200) | (statuses >= 400),
        np.ones(len(rows), dtype=np.bool_),
    )

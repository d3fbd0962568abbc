"""wrk2's text: a constant rate, latencies from the instant a request was due.

The rate that was asked for (-R) is not in its text, so whether it was reached cannot be told from
the file alone. With --u_latency a second, uncorrected distribution follows; the first one counts.
"""

from dataclasses import replace

from estimator.table.load_tools import wrk
from estimator.table.load_tools.run import LoadRun
from estimator.table.rows import Loop

NAME = "wrk2 (text)"


def matches(document: object, text: str) -> bool:
    return "Thread calibration" in text


def read(text: str, source: str) -> LoadRun:
    """Return the run. Raises InputError."""
    run = wrk.read_text(text, source, "wrk2", Loop.OPEN)
    return replace(run, notes=(*run.notes, "wrk2 does not write the rate that was asked for"))

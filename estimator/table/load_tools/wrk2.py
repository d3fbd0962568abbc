"""wrk2's text: a constant rate; latencies count from the instant a request was due.

The text lacks the requested rate (-R), so the file alone cannot show whether it was reached. With
--u_latency a second, uncorrected distribution follows; the first one is used.
"""

from dataclasses import replace

from estimator.table.load_tools import wrk
from estimator.table.load_tools.run import Keys, LoadRun
from estimator.table.rows import Loop

NAME = "wrk2 (text)"


def matches(keys: Keys, text: str) -> bool:
    return "Thread calibration" in text


def read(text: str, source: str) -> LoadRun:
    """Return the run. Raises InputError."""
    run = wrk.read_text(text, source, "wrk2", Loop.OPEN)
    return replace(run, notes=(*run.notes, "wrk2 does not write the requested rate"))

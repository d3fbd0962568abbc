"""One run of a load generator as its result file describes it, and the steady part of that run.

Units inside: seconds, milliseconds for latency, Unix time for instants, fractions for errors. Each
reader converts from the units of its tool, and writes into `notes` what the file cannot say.

The steady part leaves out the first 62 s and the last 30 s, as Istio's benchmark runner does, where
at least two minutes remain; a shorter run is taken whole, and a note says so. A step of a replay is
a steady part already. Where a file holds every request, rate, latency and errors are those of the
steady part; a file with totals only describes the whole run, its ramp included.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from estimator.errors import InputError, Problem
from estimator.table.rows import Loop
from mirror.formats.foreign_text import visible
from mirror.formats.replay_result import ProcessUsage

SKIP_START_S = 62.0
SKIP_END_S = 30.0
MIN_STEADY_S = 120.0

MOST_PROBLEMS = 20
"""Most malformed lines that are named: a file with more is another file."""

Keys = Mapping[str, msgspec.Raw]
"""The members of a file that is one JSON object, not decoded; empty for any other file."""

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""An instant with its zone. Without one it would mean the time zone of the reading machine."""


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Every request of a run."""

    offset_s: NDArray[np.float64]
    """Seconds from the start of the run to the beginning of each request."""
    latency_ms: NDArray[np.float64]
    is_error: NDArray[np.bool_]
    was_answered: NDArray[np.bool_]
    """Whether a response came, with any status; a refused connection costs no cpu."""

    def between(self, start_s: float, end_s: float) -> "Requests":
        chosen = (self.offset_s >= start_s) & (self.offset_s < end_s)
        return Requests(
            self.offset_s[chosen],
            self.latency_ms[chosen],
            self.is_error[chosen],
            self.was_answered[chosen],
        )


@dataclass(frozen=True, slots=True, eq=False)
class LoadRun:
    """What a result file says of one run; None if it says nothing."""

    tool: str
    loop: Loop
    rps: float
    """Responses per second, with any status: the component worked for each of them."""
    duration_s: float
    start: float | None = None
    """Unix time."""
    rps_target: float | None = None
    connections: int | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    error_ratio: float | None = None
    notes: tuple[str, ...] = ()
    requests: Requests | None = None
    is_steady: bool = False
    """Whether the run is a steady part already, from which `steady` leaves nothing out."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What one result file holds."""

    runs: tuple[LoadRun, ...]
    """At least one; several from a replay in steps."""
    notes: tuple[str, ...] = ()
    """What concerns the whole file."""
    processes: tuple[ProcessUsage, ...] = ()
    """Usage that a replay sampled itself."""


def steady(run: LoadRun) -> LoadRun:
    """Return the steady part of a run, with a note that says which part that is."""
    if run.is_steady:
        return run
    left_s = run.duration_s - SKIP_START_S - SKIP_END_S
    if left_s < MIN_STEADY_S:
        total = (
            f"the whole run of {run.duration_s:.0f} s, its start and end included: without the"
            f" first {SKIP_START_S:.0f} s and the last {SKIP_END_S:.0f} s less than"
            f" {MIN_STEADY_S:.0f} s remain"
        )
        return replace(run, notes=(*run.notes, total))
    part = f"{SKIP_START_S:.0f} s to {run.duration_s - SKIP_END_S:.0f} s of the run"
    shifted = replace(
        run, start=None if run.start is None else run.start + SKIP_START_S, duration_s=left_s
    )
    if run.requests is None:
        totals = f"usage of {part}; rate, latency and errors of the whole run: the file has totals"
        return replace(shifted, notes=(*run.notes, totals))
    requests = run.requests.between(SKIP_START_S, SKIP_START_S + left_s)
    return replace(shifted, **measured(requests, left_s), notes=(*run.notes, part))


def measured(requests: Requests, duration_s: float) -> dict[str, Any]:
    """Return rate, latency and errors of these requests, by the names of a LoadRun's fields."""
    answered = requests.latency_ms[requests.was_answered]
    count = len(requests.offset_s)
    return {
        "rps": len(answered) / duration_s,
        "p50_ms": quantile(answered, 0.5),
        "p99_ms": quantile(answered, 0.99),
        "error_ratio": float(requests.is_error.mean()) if count else None,
    }


def quantile(values: NDArray[np.float64], q: float) -> float | None:
    """Return the measured value at quantile `q`, never one between two; None without values."""
    return float(np.quantile(values, q, method="inverted_cdf")) if len(values) else None


def members(value: msgspec.Raw | str | None) -> Keys:
    """Return the members of a JSON object, not decoded; empty for any other text."""
    try:
        return msgspec.json.decode(value or b"", type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def decode(text: str, shape: Callable[..., Any], source: str) -> Any:
    """Return JSON as this type. Raises InputError that names the unexpected key."""
    try:
        return msgspec.json.decode(text, type=shape)
    except msgspec.DecodeError as error:
        rule = f"is not as its tool writes it: {visible(str(error))}"
        raise InputError([Problem(source, rule)]) from error
    except RecursionError as error:
        raise InputError([Problem(source, "is nested too deeply")]) from error


class Problems:
    """Collects the malformed lines of a file, and stops reading after MOST_PROBLEMS."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._problems: list[Problem] = []

    def add(self, line: int, rule: str, key: str | None = None) -> None:
        """Note a problem. Raises InputError with all of them where there are too many."""
        self._problems.append(Problem(f"{self._source}:{line}", rule, key=key))
        if len(self._problems) == MOST_PROBLEMS:
            self._problems.append(Problem(self._source, "is not read further: too many problems"))
            self.check()

    def check(self) -> None:
        """Raise InputError if there is a problem."""
        if self._problems:
            raise InputError(self._problems)


def require(is_fine: bool, source: str, rule: str) -> None:
    """Raise InputError with this rule unless it holds."""
    if not is_fine:
        raise InputError([Problem(source, rule)])

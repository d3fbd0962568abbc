"""Predicted against observed cpu and memory while traffic is mirrored, and whether to go on.

For every bucket of at least a minute in which both rps and cpu were observed:

    x = demand * ratio / replicas        e = predicted(x) / observed - 1

    bias      sum predicted / sum observed - 1    what all pods together would have been short of
    median    of |e|
    short     the 5 % quantile of e: in one bucket of twenty the prediction was below by more
    coverage  share of buckets in which observed lies between the curve's bounds

| symbol | meaning | unit |
|---|---|---|
| demand | rps of the component's routes, mean over the bucket | requests/s |
| ratio | requests that reached the new cluster for each of production | |
| replicas | pods with cpu samples in the bucket | |
| predicted | load curve of the container (model/evidence), up to its limit | millicores |
| observed | mean cpu of one replica, at least 5m (below that scrapes are noise) | millicores |

Memory is compared as it is sized: the highest sample against the maximum over the rows. Predicting
too little is judged more strictly than too much: one is an outage, the other is money.

Worked: predicted 80m and 220m, observed 100m and 200m: e = -0.2 and +0.1, bias = 0, median 0.15.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from estimator import units
from estimator.errors import InputError, Problem
from estimator.migration.curves import ContainerCurve, curves_of
from estimator.observed.usage import ContainerUsage, Usage
from estimator.series.rps import RpsSeries
from estimator.table.load_points import Component, Table

_Floats = NDArray[np.float64]

MIN_WIDTH_S = 60
"""Cpu is scraped every 15 to 30 s: a shorter bucket may hold one sample of one pod."""
MIN_BUCKETS = 30
"""Half an hour: below that a single minute decides a quantile."""
MOST_SHORT_BIAS = 0.10
MOST_EXCESS_BIAS = 0.30
MOST_SHORT = 0.20
"""Of single buckets: what a target utilisation of 0.6 leaves free, with room to spare."""
MEMORY_BUFFER = 0.15
"""What sizing adds to the highest memory of the rows."""
FLOOR_MILLICORES = 5.0
MOSTLY_OBSERVED = 0.9
LEAST_COVERAGE = 0.5
"""Bounds of 0.9 to each side hold for 0.8 of all minutes where the rows are like the traffic."""
REACHED_RATIO = 0.5
"""Of the largest row; below it most of the curve was never seen."""


class Verdict(StrEnum):
    """Whether the table may carry the switch."""

    GO = "go"
    NO_GO = "no-go"
    LOW_CONFIDENCE = "low confidence"


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the observation itself cannot tell."""

    ratio: float = 1.0
    replicas: int | None = None
    """Needed where samples do not name their pods."""


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """What was seen of one container in the buckets that could be compared."""

    rps_per_replica: _Floats
    observed_millicores: _Floats
    predicted_millicores: _Floats
    replicas: NDArray[np.int64]
    width_s: int


@dataclass(frozen=True, slots=True, eq=False)
class ContainerError:
    """How far prediction and observation of one container lie apart."""

    component: str
    container: str
    buckets: Buckets
    bias: float
    median_error: float
    short_error: float
    worst_short: float
    """The lowest e of all buckets."""
    worst_excess: float
    coverage: float | None
    """None where the curve has no interval of its own."""
    beyond_rows: int
    """Buckets above the largest row, where the curve is extrapolated."""
    beyond_limit: int
    """Buckets left out: too far above the largest row for any number."""
    reached_ratio: float
    """Highest rps per replica seen over that of the largest row."""
    predicted_memory_bytes: int
    observed_memory_bytes: int | None

    @property
    def factor(self) -> float:
        """By which the table's cpu is to be multiplied to be right over all minutes."""
        # A table of zeros cannot be scaled to anything.
        return 1 / (1 + self.bias) if self.bias > -1 else 1.0


@dataclass(frozen=True, slots=True)
class Verification:
    """The whole comparison."""

    containers: tuple[ContainerError, ...]
    verdict: Verdict
    reasons: tuple[str, ...]
    """Why it is not go, or not sure; empty for go."""
    cautions: tuple[str, ...]
    """What a go does not cover."""


def verify(
    series: RpsSeries, table: Table, usage: Usage, conditions: Conditions | None = None
) -> Verification:
    """Return the comparison of every component that the usage has.

    Raises InputError where usage and table name different things, or pods are not told apart.
    """
    conditions = conditions or Conditions()
    components = _compared(table, usage, conditions)
    found: list[ContainerError] = []
    missing: list[str] = []
    for component in components:
        curves = curves_of(component)
        if not curves:
            missing.append(f"{component.name}: has no row that can be used")
        for name, curve in curves.items():
            error = _error(series, curve, usage.of(component.name)[name], conditions)
            if isinstance(error, str):
                missing.append(f"{component.name}, {name}: {error}")
            else:
                found.append(error)
    no_go = [reason for error in found for reason in _no_go(error)]
    doubts = missing + [reason for error in found for reason in _doubts(error)]
    if table.is_example:
        doubts.append("the table is the bundled example: nobody measured it on your cluster")
    verdict = Verdict.NO_GO if no_go else Verdict.LOW_CONFIDENCE if doubts else Verdict.GO
    cautions = [caution for error in found for caution in _cautions(error)]
    cautions += [*series.caveats, *series.repairs, *usage.caveats]
    unseen = [each.name for each in table.components if each not in components]
    if unseen:
        cautions.append(f"not observed, hence not verified: {', '.join(unseen)}")
    return Verification(tuple(found), verdict, (*no_go, *doubts), tuple(cautions))


def _compared(table: Table, usage: Usage, conditions: Conditions) -> list[Component]:
    names = {component.name for component in table.components}
    is_unnamed = usage.components == ("",)
    problems = [
        Problem(usage.source, f"the table has no such component; it has {', '.join(names)}", name)
        for name in usage.components
        if name not in names and not is_unnamed
    ]
    if is_unnamed and len(names) > 1:
        rule = "has no column `component`, and the table has several: "
        problems.append(Problem(usage.source, rule + ", ".join(sorted(names))))
    compared = [each for each in table.components if is_unnamed or each.name in usage.components]
    for component in compared:
        observed = usage.of(component.name)
        for container in component.requests:
            if container not in observed:
                rule = f"has no samples of container {container}, which the table predicts"
                problems.append(Problem(usage.source, rule, component.name))
            elif observed[container].pods == ("",) and conditions.replicas is None:
                rule = f"does not name the pods of {container}: give their number by --replicas"
                problems.append(Problem(usage.source, rule, component.name))
    if problems:
        raise InputError(problems)
    return compared


def _error(
    series: RpsSeries, curve: ContainerCurve, used: ContainerUsage, conditions: Conditions
) -> ContainerError | str:
    """Return the comparison, or in words why there is none."""
    width_s = -(-MIN_WIDTH_S // series.resolution_s) * series.resolution_s
    count = series.duration_s // width_s
    demand = _means(series, curve.component.routes, width_s, count) * conditions.ratio
    replicas, observed = used.buckets(series.start, width_s, count)
    if used.pods == ("",):
        replicas = np.where(replicas > 0, conditions.replicas or 1, 0)
    known = ~np.isnan(demand) & ~np.isnan(observed)
    if not known.any():
        return "rps and cpu were never observed in the same minute"
    x = demand[known] / replicas[known]
    prediction = curve.prediction
    within = x <= prediction.limit_rps
    reached = float(x.max())
    known[known] = within
    x = x[within]
    if not len(x):
        return (
            f"every minute had more than {prediction.limit_rps:.4g} rps per replica, for which the"
            " table has no answer"
        )
    predicted, low, high = prediction.at_each(x)
    seen = observed[known]
    errors = predicted / np.maximum(seen, FLOOR_MILLICORES) - 1
    total = max(float(seen.sum()), FLOOR_MILLICORES)
    window = used.between(series.start, series.start + series.duration_s).memory_bytes
    rows = curve.component.used_points
    return ContainerError(
        component=curve.component.name,
        container=curve.container,
        buckets=Buckets(x, seen, predicted, replicas[known], width_s),
        bias=float(predicted.sum()) / total - 1,
        median_error=float(np.median(np.abs(errors))),
        short_error=float(np.quantile(errors, 0.05)),
        worst_short=float(errors.min()),
        worst_excess=float(errors.max()),
        coverage=float(((seen >= low) & (seen <= high)).mean())
        if prediction.has_interval
        else None,
        beyond_rows=int((x > prediction.curve.highest_rps).sum()),
        beyond_limit=int((~within).sum()),
        reached_ratio=reached / (prediction.curve.highest_rps or 1.0),
        predicted_memory_bytes=max(row.usage[curve.container].memory_bytes for row in rows),
        observed_memory_bytes=None if np.isnan(window).all() else int(np.nanmax(window)),
    )


def _means(series: RpsSeries, routes: Iterable[str], width_s: int, count: int) -> _Floats:
    """Return the mean demand of each bucket; NaN where a tenth of it was not observed."""
    per_bucket = width_s // series.resolution_s
    cells = series.demand(routes)[: count * per_bucket].reshape(count, per_bucket)
    seen = ~np.isnan(cells)
    means: _Floats = np.where(seen, cells, 0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    means[seen.mean(axis=1) < MOSTLY_OBSERVED] = np.nan
    return means


def _no_go(error: ContainerError) -> Iterable[str]:
    name = f"{error.component}, {error.container}"
    if error.bias < -MOST_SHORT_BIAS:
        yield (
            f"{name}: {-error.bias:.0%} less cpu was predicted than used, over all minutes"
            f" (at most {MOST_SHORT_BIAS:.0%})"
        )
    if error.bias > MOST_EXCESS_BIAS:
        yield (
            f"{name}: {error.bias:.0%} more cpu was predicted than used, over all minutes"
            f" (at most {MOST_EXCESS_BIAS:.0%}): the table is not of this component"
        )
    if error.short_error < -MOST_SHORT:
        yield (
            f"{name}: in one minute of twenty the prediction was at least"
            f" {-error.short_error:.0%} too low (at most {MOST_SHORT:.0%})"
        )
    observed = error.observed_memory_bytes
    if observed is not None and observed > error.predicted_memory_bytes * (1 + MEMORY_BUFFER):
        yield (
            f"{name}: used {units.format_memory(observed)} of memory, more than the"
            f" {units.format_memory(error.predicted_memory_bytes)} of the table and"
            f" {MEMORY_BUFFER:.0%}"
        )


def _doubts(error: ContainerError) -> Iterable[str]:
    name = f"{error.component}, {error.container}"
    if (count := len(error.buckets.rps_per_replica)) < MIN_BUCKETS:
        yield f"{name}: only {count} minutes could be compared, at least {MIN_BUCKETS} are needed"
    if error.beyond_limit:
        yield (
            f"{name}: {error.beyond_limit} minutes had more rps per replica than the table can"
            " answer for; they were left out"
        )


def _cautions(error: ContainerError) -> Iterable[str]:
    name = f"{error.component}, {error.container}"
    if error.beyond_rows:
        yield (
            f"{name}: {error.beyond_rows} minutes lie beyond the largest row: compared with an"
            " extrapolation"
        )
    if error.coverage is not None and error.coverage < LEAST_COVERAGE:
        yield (
            f"{name}: only {error.coverage:.0%} of the minutes lie within the curve's bounds: it is"
            " less sure than its rows make it look"
        )
    if error.reached_ratio < REACHED_RATIO:
        yield (
            f"{name}: mirrored traffic reached {error.reached_ratio:.0%} of the largest row; above"
            " that the table is not confirmed"
        )
    if error.observed_memory_bytes is None:
        yield f"{name}: no memory was observed"

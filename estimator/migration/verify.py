"""Compares predicted with observed cpu and memory while traffic is mirrored: go or no-go.

For every bucket of at least a minute in which both rps and cpu were observed:

    x = demand * ratio / replicas        e = predicted(x) / observed - 1

    bias      sum predicted / sum observed - 1: the share that all pods together lacked or wasted
    median    median of |e|
    short     5 % quantile of e: in one bucket of twenty the prediction was too low by more
    coverage  share of buckets in which observed lies between the curve's bounds

| symbol | meaning | unit |
|---|---|---|
| demand | rps of the component's routes, mean over the bucket | requests/s |
| ratio | requests that reached the new cluster per request of production | 1 |
| replicas | pods with cpu samples in the bucket | 1 |
| predicted | load curve of the container (model/evidence), up to its limit | millicores |
| observed | mean cpu of one replica, at least 5m (below that scrapes are noise) | millicores |

Memory is compared as it is sized: the highest sample with the maximum over the rows. The limits for
predicting too little are stricter than those for predicting too much, because the one causes an
outage and the other costs money.

Worked example: predicted 80m and 220m, observed 100m and 200m: e = -0.2 and +0.1, bias = 0,
median = 0.15.
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
"""Cpu is scraped every 15 to 30 s, so a shorter bucket may hold a single sample of a pod."""
MIN_BUCKETS = 30
"""Half an hour. With fewer buckets a single minute decides the 5 % quantile."""
MOST_SHORT_BIAS = 0.10
"""Largest -bias for a go."""
MOST_EXCESS_BIAS = 0.30
"""Largest bias for a go."""
MOST_SHORT = 0.20
"""Largest -short for a go: less than the share that a target utilisation of 0.6 leaves free."""
MEMORY_BUFFER = 0.15
"""The share that sizing adds to the highest memory of the rows."""
FLOOR_MILLICORES = 5.0
"""Smaller observations are raised to this, because scrapes below it are noise."""
MOSTLY_OBSERVED = 0.9
"""Share of a bucket's seconds that must be observed for its mean demand to be known."""
LEAST_COVERAGE = 0.5
"""Bounds that hold with 0.9 on each side enclose 0.8 of all minutes when rows match traffic."""
REACHED_RATIO = 0.5
"""Share of the largest row. Below it, mirrored traffic never reached most of the curve."""


class Decision(StrEnum):
    """Whether the table is good enough to switch production to the new cluster."""

    GO = "go"
    NO_GO = "no-go"
    LOW_CONFIDENCE = "low confidence"


@dataclass(frozen=True, slots=True)
class Conditions:
    """FactList about the observation that neither series nor samples hold."""

    ratio: float = 1.0
    """Requests that reached the new cluster per request of production."""
    replicas: int | None = None
    """Number of pods; needed where samples do not name theirs."""


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """One container in the buckets that were compared; all arrays have one value per bucket."""

    rps_per_replica: _Floats
    observed_millicores: _Floats
    predicted_millicores: _Floats
    replicas: NDArray[np.int64]
    width_s: int


@dataclass(frozen=True, slots=True, eq=False)
class ContainerError:
    """The difference between prediction and observation of one container."""

    component: str
    container: str
    buckets: Buckets
    bias: float
    median_error: float
    short_error: float
    """`short` of the module's formulas."""
    worst_short: float
    """The lowest e of all buckets."""
    worst_excess: float
    """The highest e of all buckets."""
    coverage: float | None
    """None if the curve has no interval of its own."""
    beyond_rows: int
    """Number of buckets above the largest row, where the curve is extrapolated."""
    beyond_limit: int
    """Number of buckets left out, too far above the largest row for a prediction."""
    reached_ratio: float
    """Highest observed rps per replica over that of the largest row."""
    predicted_memory_bytes: int
    observed_memory_bytes: int | None

    @property
    def factor(self) -> float:
        """Factor for the table's cpu that makes the bias 0: observed over predicted."""
        # Scaling cannot correct a table of zeros.
        return 1 / (1 + self.bias) if self.bias > -1 else 1.0


@dataclass(frozen=True, slots=True)
class Verification:
    """The whole comparison."""

    containers: tuple[ContainerError, ...]
    decision: Decision
    reasons: tuple[str, ...]
    """Why the decision is no-go or low confidence; empty for go."""
    cautions: tuple[str, ...]
    """What the comparison does not cover."""


def verify(
    series: RpsSeries, table: Table, usage: Usage, conditions: Conditions | None = None
) -> Verification:
    """Return the comparison of every component that has samples in `usage`.

    Raises InputError if usage and table name different components or containers, and where
    samples do not name their pods and `conditions.replicas` is None.
    """
    conditions = conditions or Conditions()
    components = _compared(table, usage, conditions)
    errors: list[ContainerError] = []
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
                errors.append(error)
    no_go = [reason for error in errors for reason in _no_go(error)]
    doubts = missing + [reason for error in errors for reason in _doubts(error)]
    if table.is_example:
        doubts.append("the table is the bundled example: nobody measured it on your cluster")
    decision = Decision.NO_GO if no_go else Decision.LOW_CONFIDENCE if doubts else Decision.GO
    cautions = [caution for error in errors for caution in _cautions(error)]
    cautions += [*series.caveats, *series.repairs, *usage.caveats]
    unseen = [component.name for component in table.components if component not in components]
    if unseen:
        cautions.append(f"not observed, hence not verified: {', '.join(unseen)}")
    return Verification(tuple(errors), decision, (*no_go, *doubts), tuple(cautions))


def _compared(table: Table, usage: Usage, conditions: Conditions) -> list[Component]:
    """Return the components to compare. Raises InputError with every mismatch."""
    names = {component.name for component in table.components}
    is_unnamed = usage.components == ("",)
    problems = [
        Problem(usage.source, f"unknown component; the table has {', '.join(names)}", name)
        for name in usage.components
        if name not in names and not is_unnamed
    ]
    if is_unnamed and len(names) > 1:
        rule = "missing; the table has several components: "
        problems.append(Problem(usage.source, rule + ", ".join(sorted(names)), key="component"))
    compared = [c for c in table.components if is_unnamed or c.name in usage.components]
    for component in compared:
        observed = usage.of(component.name)
        for container in component.requests:
            if container not in observed:
                rule = f"has no samples of container {container}, which the table predicts"
                problems.append(Problem(usage.source, rule, component.name))
            elif observed[container].pods == ("",) and conditions.replicas is None:
                rule = f"does not name the pods of {container}: state their number with --replicas"
                problems.append(Problem(usage.source, rule, component.name))
    if problems:
        raise InputError(problems)
    return compared


def _error(
    series: RpsSeries, curve: ContainerCurve, used: ContainerUsage, conditions: Conditions
) -> ContainerError | str:
    """Return the comparison of one container, or the reason why there is none."""
    width_s = -(-MIN_WIDTH_S // series.resolution_s) * series.resolution_s
    count = series.duration_s // width_s
    demand = _means(series, curve.component.routes, width_s, count) * conditions.ratio
    replicas, observed = used.buckets(series.start, width_s, count)
    if used.pods == ("",):
        replicas = np.where(replicas > 0, conditions.replicas or 1, 0)
    both = ~np.isnan(demand) & ~np.isnan(observed)
    if not both.any():
        return "rps and cpu were never observed in the same minute"
    x = demand[both] / replicas[both]  # rps per replica
    prediction = curve.prediction
    within = x <= prediction.limit_rps
    reached = float(x.max())
    both[both] = within
    x = x[within]
    if not len(x):
        return (
            f"every minute had more than {prediction.limit_rps:.4g} rps per replica, which the"
            " table does not cover"
        )
    predicted, low, high = prediction.at_each(x)
    used_cpu = observed[both]
    # e = predicted / observed - 1 of each bucket, and bias of their sums
    errors = predicted / np.maximum(used_cpu, FLOOR_MILLICORES) - 1
    bias = float(predicted.sum()) / max(float(used_cpu.sum()), FLOOR_MILLICORES) - 1
    window = used.between(series.start, series.start + series.duration_s).memory_bytes
    rows = curve.component.used_points
    return ContainerError(
        component=curve.component.name,
        container=curve.container,
        buckets=Buckets(x, used_cpu, predicted, replicas[both], width_s),
        bias=bias,
        median_error=float(np.median(np.abs(errors))),
        short_error=float(np.quantile(errors, 0.05)),
        worst_short=float(errors.min()),
        worst_excess=float(errors.max()),
        coverage=float(((used_cpu >= low) & (used_cpu <= high)).mean())
        if prediction.has_interval
        else None,
        beyond_rows=int((x > prediction.curve.highest_rps).sum()),
        beyond_limit=int((~within).sum()),
        reached_ratio=reached / (prediction.curve.highest_rps or 1.0),
        predicted_memory_bytes=max(row.usage[curve.container].memory_bytes for row in rows),
        observed_memory_bytes=None if np.isnan(window).all() else int(np.nanmax(window)),
    )


def _means(series: RpsSeries, routes: Iterable[str], width_s: int, count: int) -> _Floats:
    """Return the mean rps of each bucket; NaN if over a tenth of it was not observed."""
    per_bucket = width_s // series.resolution_s
    cells = series.demand(routes)[: count * per_bucket].reshape(count, per_bucket)
    is_known = ~np.isnan(cells)
    means: _Floats = np.where(is_known, cells, 0).sum(axis=1) / np.maximum(is_known.sum(axis=1), 1)
    means[is_known.mean(axis=1) < MOSTLY_OBSERVED] = np.nan
    return means


def _no_go(error: ContainerError) -> Iterable[str]:
    name = f"{error.component}, {error.container}"
    if error.bias < -MOST_SHORT_BIAS:
        yield (
            f"{name}: predicted {-error.bias:.0%} less cpu than was used over all minutes"
            f" (limit {MOST_SHORT_BIAS:.0%})"
        )
    if error.bias > MOST_EXCESS_BIAS:
        yield (
            f"{name}: predicted {error.bias:.0%} more cpu than was used over all minutes"
            f" (limit {MOST_EXCESS_BIAS:.0%}): the table does not describe this component"
        )
    if error.short_error < -MOST_SHORT:
        yield (
            f"{name}: in one minute of twenty the prediction was at least"
            f" {-error.short_error:.0%} too low (limit {MOST_SHORT:.0%})"
        )
    observed = error.observed_memory_bytes
    if observed is not None and observed > error.predicted_memory_bytes * (1 + MEMORY_BUFFER):
        yield (
            f"{name}: used {units.format_memory(observed)} of memory, more than"
            f" {MEMORY_BUFFER:.0%} above the {units.format_memory(error.predicted_memory_bytes)}"
            " of the table"
        )


def _doubts(error: ContainerError) -> Iterable[str]:
    name = f"{error.component}, {error.container}"
    if (count := len(error.buckets.rps_per_replica)) < MIN_BUCKETS:
        yield f"{name}: only {count} minutes could be compared; at least {MIN_BUCKETS} are needed"
    if error.beyond_limit:
        yield (
            f"{name}: {error.beyond_limit} minutes were left out, because they had more rps per"
            " replica than the table covers"
        )


def _cautions(error: ContainerError) -> Iterable[str]:
    name = f"{error.component}, {error.container}"
    if error.beyond_rows:
        yield (
            f"{name}: {error.beyond_rows} minutes lie beyond the largest row and were compared with"
            " an extrapolation"
        )
    if error.coverage is not None and error.coverage < LEAST_COVERAGE:
        yield (
            f"{name}: only {error.coverage:.0%} of the minutes lie within the curve's bounds: the"
            " curve is less certain than its rows suggest"
        )
    if error.reached_ratio < REACHED_RATIO:
        yield (
            f"{name}: mirrored traffic reached {error.reached_ratio:.0%} of the largest row; the"
            " table is not verified above that"
        )
    if error.observed_memory_bytes is None:
        yield f"{name}: no memory was observed"

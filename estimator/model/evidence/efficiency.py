"""What a replica among many serves, relative to one among few, from rows at several counts.

    e(N) = 1 / loss(N)      loss(N) = (X(n) / n) / (X(N) / N)      n: the smallest count compared

All counts are compared at one cpu level that most of them were measured at: X(N) / N is what a
replica among N serves with that cpu. A count that was not measured at the level itself, but within
a tenth of it, is scaled to it in proportion. Where these totals identify the scaling law
(scaling.py) and none is more than a tenth away from it, the law gives e(N) at every count.
Otherwise the totals themselves do: the loss is a straight line between two measured counts, which
is exact for pure contention and errs upwards for coherency. Beyond the largest it continues with
the last slope or the mean slope, whichever is steeper. Totals that lose less than a tenth are noise
beside the usual error of a row (prediction.py), so e(N) is 1.

A row at N replicas then says what a replica among any M would do: x among N costs what
x e(M) / e(N) costs among M. That is how rows of different counts come to lie on one curve.

| symbol | meaning | unit |
|---|---|---|
| N, M | replicas | count |
| X(N) | what N replicas serve together at the common cpu level | requests/s |
| e(N) | efficiency: what a replica among N serves, over what one among n does | fraction |

An efficiency that rises with size has no cause in the component: the tests differed.

Worked: 1 replica serves 100 rps and 5 serve 400, all with 200m: loss(5) = 100 / 80 = 1.25. A
replica among 3 serves 100 / 1.125 = 88.9 rps with 200m, and among 9 100 / 1.5 = 66.7.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from estimator import units
from estimator.model.evidence import scaling
from estimator.model.evidence.load_curve import isotonic_means
from estimator.model.evidence.scaling import ScalingLaw
from estimator.table.load_points import LoadPoint

_Floats = NDArray[np.float64]

NOISE_RATIO = 0.1
"""A smaller difference of efficiency between two counts is the error of the rows."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """The efficiency of every count of replicas. `measure` makes it."""

    counts: tuple[int, ...]
    """The counts that could be compared, rising."""
    losses: tuple[float, ...]
    """The loss at each of them: 1 at the first, never falling."""
    law: ScalingLaw | None
    note: str
    """Which counts the rows were measured at, and what follows from them."""
    doubt: str | None = None
    """Why the counts must not be relied on; None if they may be."""

    @property
    def is_linear(self) -> bool:
        """Whether a replica serves the same among any number."""
        return self.law is None and (not self.losses or self.losses[-1] == 1)

    def efficiency(self, replicas: int) -> float:
        """Return e(N): at most 1, and the same for every count where nothing shows a loss."""
        if self.law is not None:
            return self.law.rps_of(replicas) / replicas / self.law.single_rps
        if self.is_linear:
            return 1.0
        beyond = max(0, replicas - self.counts[-1])
        within = float(np.interp(replicas, self.counts, self.losses))
        return 1 / (within + self._slope * beyond)

    @property
    def best_count(self) -> float:
        """The count that serves most; infinite if more replicas always serve more."""
        if self.law is not None:
            return self.law.best_count
        # A line a + b N has N / (a + b N) rising if a > 0, so a maximum is at a measured count.
        if self.is_linear or self.losses[-1] > self._slope * self.counts[-1]:
            return math.inf
        return max(self.counts, key=lambda count: count * self.efficiency(count))

    @property
    def most(self) -> float:
        """The most that any count serves, as a multiple of what one replica serves alone."""
        if self.law is not None:
            return self.law.highest_rps / self.law.single_rps
        if self.is_linear:
            return math.inf
        measured = max(count * self.efficiency(count) for count in self.counts)
        rises = math.isinf(self.best_count)
        return max(measured, 1 / self._slope) if rises and self._slope > 0 else measured

    @property
    def _slope(self) -> float:
        (before, last), first = self.counts[-2:], self.counts[0]
        end = (self.losses[-1] - self.losses[-2]) / (last - before)
        return max(end, (self.losses[-1] - 1) / (last - first))


def measure(points: Sequence[LoadPoint]) -> Scaling:
    """Return what the usable rows of a component say about counts, in any order of the rows."""
    spans = _spans(points)
    counts = ", ".join(str(count) for count in sorted({point.replicas for point in points}))
    measured = f"rows were measured at {counts} replica(s)"
    if len(spans) < 2:
        return Scaling((), (), None, f"{measured}: too few counts for a scaling law")
    level = _common_level(spans)
    served = {count: _rps_at(level, *span) for count, span in spans.items() if _near(level, span)}
    if len(served) < 2:
        note = f"{measured}, with no common cpu level: no scaling law"
        return Scaling((), (), None, note, _rise(spans))
    at = f"at {units.format_cpu(level)} a replica"
    law, why_not = _law(served)
    if law is not None:
        note = (
            f"{measured}; {at} they follow X(N) = gamma N / (1 + alpha (N - 1) + beta N (N - 1))"
            f" with alpha {law.contention:.4g}, beta {law.coherency:.4g},"
            f" gamma {law.single_rps:.4g}"
        )
        return Scaling(tuple(served), (), law, note)
    return _as_measured(served, f"{measured}: {why_not}", at)


def _as_measured(served: dict[int, float], measured: str, at: str) -> Scaling:
    """Return the efficiency that the totals show where no law describes them."""
    counts = tuple(served)
    losses = [served[counts[0]] / rps for rps in served.values()]
    doubt, worst, worst_count = None, losses[0], counts[0]
    for count, loss in zip(counts, losses, strict=True):
        if loss * (1 + NOISE_RATIO) < worst and doubt is None:
            doubt = (
                f"efficiency rises with size: {at}, each of {count} replicas serves"
                f" {worst / loss:.2f} times what each of {worst_count} serves; {_NO_CAUSE}"
            )
        if loss > worst:
            worst, worst_count = loss, count
    rising = np.maximum.accumulate(losses)
    if rising[-1] <= 1 + NOISE_RATIO:
        return Scaling(counts, (1.0,) * len(counts), None, measured, doubt)
    shown = ", ".join(f"{1 / loss:.2f} at {n}" for n, loss in zip(counts, losses, strict=True))
    note = f"{measured}; {at} the efficiency of a replica is {shown}"
    return Scaling(counts, tuple(float(loss) for loss in rising), None, note, doubt)


def _law(served: dict[int, float]) -> tuple[ScalingLaw | None, str]:
    """Return the law that the totals follow, or None and why not."""
    if len(served) < 3:
        return None, "too few counts for a scaling law"
    law = scaling.fit(list(served), [count * rps for count, rps in served.items()])
    if law.not_identified is not None:
        return None, f"no scaling law ({law.not_identified})"
    off = {count: law.rps_of(count) / count / rps - 1 for count, rps in served.items()}
    worst = max(off, key=lambda count: abs(off[count]))
    if abs(off[worst]) > NOISE_RATIO:
        return None, f"no scaling law (it is off by {off[worst]:+.0%} at {worst} replicas)"
    return law, ""


def _rise(spans: dict[int, "_Span"]) -> str | None:
    """Return the doubt where a larger count served more with less cpu than a smaller one."""
    listed = list(spans.items())
    for (few, (rps_of_few, cpu_of_few)), (many, (rps, cpu)) in pairwise(listed):
        less = rps_of_few <= rps[-1]
        if less.any() and cpu_of_few[less][-1] > cpu[-1] * (1 + NOISE_RATIO):
            other, used = float(rps_of_few[less][-1]), float(cpu_of_few[less][-1])
            return (
                f"efficiency rises with size: each of {many} replicas served"
                f" {units.format_rps(float(rps[-1]))} rps with {units.format_cpu(float(cpu[-1]))},"
                f" and each of {few} {units.format_rps(other)} rps with {units.format_cpu(used)};"
                f" {_NO_CAUSE}"
            )
    return None


_NO_CAUSE = (
    "nothing in a component does that, so the tests differed (a cache, another generator or node):"
    " measure all counts in the same way"
)

_Span = tuple[_Floats, _Floats]
"""Rps per replica and cpu of all containers at one count, both strictly rising."""


def _spans(points: Sequence[LoadPoint]) -> dict[int, _Span]:
    """Return the loaded rows of each count, by rising count."""
    by_count: dict[int, list[LoadPoint]] = {}
    for point in points:
        by_count.setdefault(point.replicas, []).append(point)
    spans = {}
    for count, rows in sorted(by_count.items()):
        cpu = [sum(used.cpu_millicores for used in row.usage.values()) for row in rows]
        x, y = isotonic_means([row.rps_per_replica for row in rows], cpu)
        # Of several loads with one cpu, the largest is what a replica serves with it.
        last = np.append(y[1:] > y[:-1], True)
        if x[-1] > 0 and y[-1] > 0:
            spans[count] = (x[last], y[last])
    return spans


def _common_level(spans: dict[int, _Span]) -> float:
    """Return the cpu at which most counts can be compared, best within their own rows."""
    lows = np.array([cpu[0] for _, cpu in spans.values()])
    highs = np.array([cpu[-1] for _, cpu in spans.values()])
    levels = np.unique(np.concatenate((lows[lows > 0], highs)))[:, None]
    near = (lows <= levels * (1 + NOISE_RATIO)) & (levels <= highs * (1 + NOISE_RATIO))
    inside = (lows <= levels) & (levels <= highs)
    order = np.lexsort((levels[:, 0], inside.sum(axis=1), near.sum(axis=1)))
    return float(levels[order[-1], 0])


def _near(level: float, span: _Span) -> bool:
    cpu = span[1]
    within = bool(cpu[0] <= level * (1 + NOISE_RATIO) and level <= cpu[-1] * (1 + NOISE_RATIO))
    return within and _rps_at(level, *span) > 0


def _rps_at(level: float, rps: _Floats, cpu: _Floats) -> float:
    """Return what a replica serves at this cpu, in proportion just outside the rows."""
    inside = float(np.clip(level, cpu[0], cpu[-1]))
    served = float(np.interp(inside, cpu, rps))
    return served * level / inside if inside > 0 else served

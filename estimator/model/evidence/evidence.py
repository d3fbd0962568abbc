"""What the table says about one replica and about many: curves, limits, the scaling law.

The **performance limit** is the rps that no replica must exceed, the least of

    range        largest rps per replica of a row that can be used
    errors       largest such row below the first that failed
    latency      x with p99(x) = SLO on the curve of the rows' p99 (only rows whose p99 is sound)
    cpu of c     largest x with c_upper(x) <= K_c, its limit or 1000 m for each worker

The **scaling law** (scaling.py) over replicas needs rows at several replica counts. They are
brought to one cpu level B that most counts enclose: X(N) = N x_N(B), x_N interpolated between the
rows at N.

Rows that a verdict excludes take no part in a curve; they may only lower the limit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from estimator import units
from estimator.errors import Refusal, Refused
from estimator.model.evidence import scaling
from estimator.model.evidence.load_curve import isotonic_means
from estimator.model.evidence.prediction import Confidence, Prediction, predict
from estimator.model.evidence.scaling import ScalingLaw
from estimator.model.figure import ExplanationLine, Figure, digits
from estimator.model.policy import Policy
from estimator.table.load_points import Component, LoadPoint

PROXY = "istio-proxy"
"""The name that Istio gives the container of Envoy, whose worker threads count."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The rps per replica that one constraint allows."""

    name: str
    rps: float
    reason: str
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Everything that the table says about one component."""

    component: Component
    points: tuple[LoadPoint, ...]
    """The rows that can be used."""
    cpu: Mapping[str, Prediction]
    """By container, millicores over rps per replica."""
    p99: Prediction | None
    """In milliseconds; None if no row states a reliable p99."""
    ceilings: Mapping[str, float]
    """The most millicores that a container can use, where its limit or workers are known."""
    limits: tuple[Limit, ...]
    """What bounds the performance of one replica."""
    largest: LoadPoint
    """The row with the most rps over all its replicas."""
    law: ScalingLaw | None
    law_note: str
    """Which replica counts the rows were measured at, and whether a law follows from them."""

    @property
    def performance_limit(self) -> Limit:
        """The lowest limit, the first of equals."""
        return min(self.limits, key=lambda limit: limit.rps)

    @property
    def lowest_rps(self) -> float:
        return min(point.rps_per_replica for point in self.points)

    @property
    def highest_rps(self) -> float:
        """The highest rps per replica of a usable row."""
        return max(point.rps_per_replica for point in self.points)

    def efficiency(self, replicas: int) -> float:
        """Return the rps of a replica among `replicas`, relative to the largest measured count.

        The result is 1 without a law, and up to the largest measured count.
        """
        measured = max(point.replicas for point in self.points)
        if self.law is None or replicas <= measured:
            return 1.0
        alone = self.law.rps_of(measured) / measured
        return self.law.rps_of(replicas) / replicas / alone

    def nearest_rows(self, rps: float) -> tuple[int, ...]:
        """Return the rows next to this rps per replica, below and above."""
        x = [point.rps_per_replica for point in self.points]
        below = max((value for value in x if value <= rps), default=None)
        above = min((value for value in x if value >= rps), default=None)
        return tuple(p.row for p in self.points if p.rps_per_replica in (below, above))

    def workers(self, container: str) -> int | None:
        """Return the fewest worker threads that a row was measured with; None if no row says."""
        return min(
            (p.workers[container] for p in self.points if container in p.workers), default=None
        )


def gather(component: Component, policy: Policy) -> Evidence:
    """Return the evidence for a component.

    Raises Refused if no row can be used, or the smallest usable row already breaks the latency
    objective.
    """
    points = _usable(component, policy.error_ratio_limit)
    confidence = Confidence(policy.confidence, policy.extrapolation_limit, policy.assumed_margin)
    x = [point.rps_per_replica for point in points]
    cpu = {
        container: predict(x, [p.usage[container].cpu_millicores for p in points], confidence)
        for container in component.requests
    }
    timed = [p for p in points if p.p99_ms is not None and _is_timed(p)]
    p99 = None
    if timed:
        latencies = [p.p99_ms for p in timed if p.p99_ms is not None]
        p99 = predict([p.rps_per_replica for p in timed], latencies, confidence)
    ceilings = _ceilings(points, policy)
    limits = [
        *_range_limits(component, points, policy.error_ratio_limit),
        *_cpu_limits(cpu, ceilings, points),
    ]
    if policy.slo_p99_ms is not None:
        limits.append(_latency_limit(component.name, p99, timed, policy.slo_p99_ms))
    law, note = _law(points)
    largest = max(points, key=lambda point: (point.rps, -point.row))
    return Evidence(component, points, cpu, p99, ceilings, tuple(limits), largest, law, note)


def _is_timed(point: LoadPoint) -> bool:
    return point.judgement is None or point.judgement.latency_doubt is None


def _is_idle(point: LoadPoint) -> bool:
    # The load curve rounds in the same way.
    return round(point.rps_per_replica, 9) == 0


def _fails(point: LoadPoint, limit: float) -> bool:
    return point.error_ratio is not None and point.error_ratio > limit


def _usable(component: Component, error_limit: float) -> tuple[LoadPoint, ...]:
    advice = "Measure it under load and add rows to its points"
    if not component.points:
        raise Refused([Refusal(component.name, "has no rows in the table", advice)])
    points = tuple(point for point in component.used_points if not _fails(point, error_limit))
    if not points:
        limit = f"error_ratio is above {error_limit:g}"
        rules = "; ".join(f"row {p.row}: {p.exclusion or limit}" for p in component.points)
        raise Refused([Refusal(component.name, f"has no row that can be used ({rules})", advice)])
    if all(_is_idle(point) for point in points):
        raise Refused([Refusal(component.name, "was measured idle only", advice)])
    return points


def _range_limits(
    component: Component, points: Sequence[LoadPoint], error_limit: float
) -> list[Limit]:
    end = max(points, key=lambda point: (point.rps_per_replica, -point.row))
    highest = units.format_rps(end.rps_per_replica)
    reason = f"no row that can be used has more than {highest} rps per replica"
    limits = [Limit("range", end.rps_per_replica, reason, (end.row,))]
    failing = [point for point in component.points if _fails(point, error_limit)]
    if failing:
        first = min(failing, key=lambda point: point.rps_per_replica)
        reason = f"row {first.row} at {units.format_rps(first.rps_per_replica)} rps has"
        reason += f" error_ratio {first.error_ratio:g}, above {error_limit:g}"
        below = [p for p in points if not _is_idle(p) and p.rps_per_replica < first.rps_per_replica]
        if not below:
            advice = "Measure rows with fewer rps per replica"
            raise Refused([Refusal(component.name, f"no smaller row serves: {reason}", advice)])
        last = max(below, key=lambda point: point.rps_per_replica)
        if last.rps_per_replica < end.rps_per_replica:
            limits.append(Limit("errors", last.rps_per_replica, reason, (last.row, first.row)))
    return limits


def _ceilings(points: Sequence[LoadPoint], policy: Policy) -> dict[str, float]:
    ceilings = {}
    for container in points[0].usage:
        stated = [point.ceiling_millicores(container) for point in points]
        limits = [ceiling for ceiling in stated if ceiling is not None]
        if container == PROXY and policy.workers is not None:
            limits.append(policy.workers * 1000.0)
        if limits:
            ceilings[container] = min(limits)
    return ceilings


def _cpu_limits(
    cpu: Mapping[str, Prediction], ceilings: Mapping[str, float], points: Sequence[LoadPoint]
) -> list[Limit]:
    limits = []
    for container, ceiling in ceilings.items():
        rps = cpu[container].highest_rps_within(ceiling)
        reason = f"{container} can use up to {units.format_cpu(ceiling)}"
        limits.append(Limit(f"cpu limit of {container}", rps or _smallest_load(points), reason))
    return limits


def _smallest_load(points: Sequence[LoadPoint]) -> float:
    return min(point.rps_per_replica for point in points if not _is_idle(point))


def _latency_limit(
    name: str, p99: Prediction | None, timed: Sequence[LoadPoint], slo_ms: float
) -> Limit:
    if p99 is None:
        reason = "no row that can be used states a reliable p99"
        advice = "Measure p99 with an open-loop generator, or leave the latency objective out"
        raise Refused([Refusal(name, f"{reason}, so {slo_ms:g} ms cannot be judged", advice)])
    rps = p99.expected_rps_within(slo_ms)
    if not rps:
        lowest = min(timed, key=lambda point: point.rps_per_replica)
        reason = f"p99 is {lowest.p99_ms:g} ms already in row {lowest.row}, its smallest"
        advice = f"Relax the latency objective of {slo_ms:g} ms, or measure fewer rps per replica"
        raise Refused([Refusal(name, reason, advice)])
    reason = f"p99 of {slo_ms:g} ms is reached at {units.format_rps(rps)} rps per replica"
    if rps == p99.curve.highest_rps:
        reason = f"p99 of {slo_ms:g} ms is kept up to the largest row that states one"
    return Limit("latency", rps, reason, tuple(point.row for point in timed))


def _law(points: Sequence[LoadPoint]) -> tuple[ScalingLaw | None, str]:
    by_count: dict[int, list[LoadPoint]] = {}
    for point in points:
        by_count.setdefault(point.replicas, []).append(point)
    counts = ", ".join(str(count) for count in sorted(by_count))
    measured = f"rows were measured at {counts} replica(s)"
    if len(by_count) < 3:
        return None, f"{measured}: too few counts for a scaling law"
    spans = {count: _span(rows) for count, rows in by_count.items()}
    levels = sorted(level for _, cpu in spans.values() for level in cpu)
    level = max(
        levels, key=lambda cut: (sum(_encloses(cpu, cut) for _, cpu in spans.values()), cut)
    )
    chosen = [
        (count, count * float(np.interp(level, cpu, x)))
        for count, (x, cpu) in sorted(spans.items())
        if _encloses(cpu, level)
    ]
    if len(chosen) < 3:
        return None, f"{measured}, with no common cpu level: no scaling law"
    law = scaling.fit([count for count, _ in chosen], [rps for _, rps in chosen])
    if law.not_identified is not None:
        return None, f"{measured}: no scaling law ({law.not_identified})"
    return law, (
        f"{measured}; at {units.format_cpu(level)} a replica they follow X(N) = gamma N / (1 +"
        f" alpha (N - 1) + beta N (N - 1)) with alpha {law.contention:.4g}, beta"
        f" {law.coherency:.4g}, gamma {law.single_rps:.4g}"
    )


def _span(rows: Sequence[LoadPoint]) -> tuple[list[float], list[float]]:
    """Return rps per replica and cpu of all containers, both rising."""
    cpu = [sum(used.cpu_millicores for used in row.usage.values()) for row in rows]
    x, y = isotonic_means([row.rps_per_replica for row in rows], cpu)
    return x.tolist(), y.tolist()


def _encloses(cpu: Sequence[float], level: float) -> bool:
    return cpu[0] <= level <= cpu[-1]


def explain_curves(evidence: Evidence, design_rps: float) -> Iterator[ExplanationLine]:
    """Yield the arithmetic of each container's cpu at the busiest replica's rps."""
    topic = "load curve"
    for container, curve in evidence.cpu.items():
        rps = min(design_rps, curve.limit_rps)
        band = curve.at(rps)
        rows = tuple((f"row {point.row}", _as_input(point, container)) for point in evidence.points)
        formula, numbers = curve.arithmetic_at(rps)
        at = f"c of {container} at the busiest replica's {units.format_rps(rps)} rps"
        used = Figure(band.value, "millicores", "load curve", rows=evidence.nearest_rows(rps))
        yield ExplanationLine(topic, f"{at}: {formula}", numbers, used, rows)
        margin = band.high / band.value - 1 if band.value else 0.0
        numbers = f"{digits(band.value)} * (1 + {digits(margin)})"
        upper = Figure(band.high, "millicores", curve.evidence)
        yield ExplanationLine(topic, "c_upper = c (1 + margin)", numbers, upper)


def _as_input(point: LoadPoint, container: str) -> Figure:
    at = f"at {digits(point.rps_per_replica)} rps per replica"
    return Figure(point.usage[container].cpu_millicores, "millicores", at)

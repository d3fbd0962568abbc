"""What the table says about one replica and about many: curves, limits, the scaling law.

The **performance limit** is the rps that no replica must exceed, the least of

    range        largest rps per replica of a row that can be used
    errors       largest such row below the first that failed
    latency      x with p99(x) = SLO on the curve of the rows' p99 (only rows whose p99 is sound)
    cpu of c     largest x with c_upper(x) <= K_c, its limit or 1000 m for each worker

Rows at several replica counts show what a replica loses among many (efficiency.py). Evidence is
therefore stated **for one count**: every row is brought to the rps that costs the same among that
many. `gather` states it for the smallest count, where a replica serves most, and `among` for
another. Where nothing shows a loss, all counts are the same.

Rows that a verdict excludes take no part in a curve; they may only lower the limit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from estimator import units
from estimator.errors import Refusal, Refused
from estimator.model.evidence.efficiency import Scaling, measure
from estimator.model.evidence.memory import MemoryCurve, follow
from estimator.model.evidence.prediction import Confidence, Prediction, predict
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
    rows: tuple[LoadPoint, ...]
    """All rows, with the rps that costs the same among `count` replicas."""
    points: tuple[LoadPoint, ...]
    """The rows that can be used, likewise."""
    cpu: Mapping[str, Prediction]
    """By container, millicores over rps per replica."""
    memory: Mapping[str, MemoryCurve]
    """By container, bytes over rps per replica."""
    p99: Prediction | None
    """In milliseconds; None if no row states a reliable p99."""
    ceilings: Mapping[str, float]
    """The most millicores that a container can use, where its limit or workers are known."""
    limits: tuple[Limit, ...]
    """What bounds the performance of one replica."""
    largest: LoadPoint
    """The row with the most rps over all its replicas, as it was measured."""
    scaling: Scaling
    """What a replica serves among how many."""
    count: int | None = None
    """The count of replicas that all of this is stated for; None: the one that serves most each."""

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

    def among(self, count: int, policy: Policy) -> "Evidence":
        """Return the evidence for a replica among this many."""
        if self.scaling.is_linear:
            return self
        return _stated_for(self.component, policy, self.scaling, count)

    def efficiency(self, replicas: int) -> float:
        """Return what a replica among so many serves, over what it does among `count`."""
        return self.scaling.efficiency(replicas) / self._own_efficiency

    @property
    def most_replicas_worth(self) -> float:
        """What all replicas together serve at most, as a multiple of one among `count`."""
        return self.scaling.most / self._own_efficiency

    @property
    def _own_efficiency(self) -> float:
        return 1.0 if self.count is None else self.scaling.efficiency(self.count)

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
    points = _usable(component.points, component, policy.error_ratio_limit)
    return _stated_for(component, policy, measure(points), None)


def _stated_for(
    component: Component, policy: Policy, scaling: Scaling, count: int | None
) -> Evidence:
    rows = component.points
    if not scaling.is_linear:
        own = 1.0 if count is None else scaling.efficiency(count)
        rows = tuple(
            replace(row, rps=row.rps * own / scaling.efficiency(row.replicas)) for row in rows
        )
    points = _usable(rows, component, policy.error_ratio_limit)
    confidence = Confidence(policy.confidence, policy.extrapolation_limit, policy.assumed_margin)
    x = [point.rps_per_replica for point in points]
    cpu = {
        container: predict(x, [p.usage[container].cpu_millicores for p in points], confidence)
        for container in component.requests
    }
    memory = {
        container: follow(x, [p.usage[container].memory_bytes for p in points])
        for container in component.requests
    }
    timed = [point for point in points if is_timed(point)]
    p99 = None
    if timed:
        latencies = [p.p99_ms for p in timed if p.p99_ms is not None]
        p99 = predict([p.rps_per_replica for p in timed], latencies, confidence)
    ceilings = _ceilings(points, policy)
    limits = [
        *_range_limits(component.name, rows, points, policy.error_ratio_limit),
        *_cpu_limits(cpu, ceilings, points),
    ]
    if policy.slo_p99_ms is not None:
        limits.append(_latency_limit(component.name, p99, timed, policy.slo_p99_ms))
    usable = {point.row for point in points}
    measured = [point for point in component.points if point.row in usable]
    return Evidence(
        component=component,
        rows=rows,
        points=points,
        cpu=cpu,
        memory=memory,
        p99=p99,
        ceilings=ceilings,
        limits=tuple(limits),
        largest=max(measured, key=lambda point: (point.rps, -point.row)),
        scaling=scaling,
        count=count,
    )


def is_timed(point: LoadPoint) -> bool:
    """Say whether a row states a p99 that can be relied on."""
    is_sound = point.judgement is None or point.judgement.latency_doubt is None
    return is_sound and point.p99_ms is not None


def _is_idle(point: LoadPoint) -> bool:
    # The load curve rounds in the same way.
    return round(point.rps_per_replica, 9) == 0


def _fails(point: LoadPoint, limit: float) -> bool:
    return point.error_ratio is not None and point.error_ratio > limit


def _usable(
    rows: Sequence[LoadPoint], component: Component, error_limit: float
) -> tuple[LoadPoint, ...]:
    advice = "Measure it under load and add rows to its points"
    if not rows:
        raise Refused([Refusal(component.name, "has no rows in the table", advice)])
    points = tuple(
        point for point in rows if point.exclusion is None and not _fails(point, error_limit)
    )
    if not points:
        limit = f"error_ratio is above {error_limit:g}"
        rules = "; ".join(f"row {p.row}: {p.exclusion or limit}" for p in rows)
        if all(_fails(point, error_limit) for point in rows):
            advice = (
                "Repair what was not answered with 2xx or 3xx, such as a missing route, or leave"
            )
            advice += " it out of the load (`mirror replay --filter`), and measure again"
        raise Refused([Refusal(component.name, f"has no row that can be used ({rules})", advice)])
    if all(_is_idle(point) for point in points):
        raise Refused([Refusal(component.name, "was measured idle only", advice)])
    return points


def _range_limits(
    name: str, rows: Sequence[LoadPoint], points: Sequence[LoadPoint], error_limit: float
) -> list[Limit]:
    end = max(points, key=lambda point: (point.rps_per_replica, -point.row))
    highest = units.format_rps(end.rps_per_replica)
    reason = f"no row that can be used has more than {highest} rps per replica"
    limits = [Limit("range", end.rps_per_replica, reason, (end.row,))]
    failing = [point for point in rows if _fails(point, error_limit)]
    if failing:
        first = min(failing, key=lambda point: point.rps_per_replica)
        reason = f"row {first.row} at {units.format_rps(first.rps_per_replica)} rps has"
        reason += f" error_ratio {first.error_ratio:g}, above {error_limit:g}"
        below = [p for p in points if not _is_idle(p) and p.rps_per_replica < first.rps_per_replica]
        if not below:
            advice = "Measure rows with fewer rps per replica"
            raise Refused([Refusal(name, f"no smaller row serves: {reason}", advice)])
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

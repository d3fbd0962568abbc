"""The smallest replica count of one component at one peak: one function, a spec for each kind.

    R = max(R_cpu(container)..., R_range, R_min)
    R_cpu = ceil(peak / x_c)     x_c: largest rps per replica with cpu_c(x_c) <= target * request_c
    R_range = ceil(peak / x_max)  x_max: largest rps per replica among the rows used

| symbol | meaning | unit |
|---|---|---|
| peak | highest demand of the component's routes | requests/s |
| x | rps per replica | requests/s |
| cpu_c | load curve of container c (load_curve.py) | millicores |
| target | utilisation not to be exceeded, of the request | fraction |

Every x_c is free of the peak and ceil never falls, so more demand never means fewer replicas. The
sum over containers, which is what an HPA watches, needs no constraint of its own: if every
container keeps cpu_c <= target * request_c, the sums keep it too.

Nothing is extrapolated: a peak above the largest total measured is refused, because that many
replicas together were never seen to work, and no replica gets more rps than one was measured at.

Memory takes no part: it follows configuration, connections and bursts, not rps (istio/istio#34895),
so it is the maximum over the rows used, and only compared with the request.

Worked: rows at 100, 300 and 500 rps per replica with 100, 300 and 500 millicores, request 500m,
target 0.6: x = 300 rps; a peak of 1000 rps needs ceil(1000 / 300) = 4 replicas.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from estimator import units
from estimator.errors import Refusal, Refused
from estimator.model import load_curve
from estimator.model.load_curve import LoadCurve
from estimator.model.policy import Policy
from estimator.table.load_points import Component, Kind, LoadPoint, Resources

__all__ = ["DEFAULT_MIN_REPLICAS", "DEFAULT_TARGET_UTILISATION", "Policy", "Sizing", "size"]

DEFAULT_TARGET_UTILISATION = 0.6
DEFAULT_MIN_REPLICAS = 2


@dataclass(frozen=True, slots=True)
class Spec:
    """What sizing has to say of one kind of component."""

    kind: Kind
    not_covered: tuple[str, ...]
    """What a table of rps and usage does not show for this kind."""


SPECS = {
    Kind.POD: Spec(
        Kind.POD, ("latency", "start-up cpu", "load on the services it calls", "memory leaks")
    ),
    Kind.GATEWAY: Spec(
        Kind.GATEWAY,
        ("latency", "TLS handshakes", "number of connections", "bandwidth", "Envoy worker threads"),
    ),
}


@dataclass(frozen=True, slots=True)
class Constraint:
    """One demand on the replica count."""

    name: str
    """`cpu of <container>`, `range` or `min replicas`."""
    replicas: int
    reason: str


@dataclass(frozen=True, slots=True)
class Sizing:
    """The replica count of a component and what it rests on."""

    spec: Spec
    replicas: int
    decided_by: Constraint
    """The one that asks for the most replicas."""
    constraints: tuple[Constraint, ...]
    capacity_rps: float
    """What one replica serves within the target and the range."""
    rps_per_replica: float
    """At the peak."""
    usage: Mapping[str, Resources]
    """By container, of one replica at the peak: cpu from the curve, memory the maximum measured."""
    nearest_rows: tuple[int, ...]
    """Rows next to `rps_per_replica`, below and above."""
    is_below_range: bool
    """Less rps per replica than any row: the smallest row's cpu was taken, an upper bound."""


def size(peak_rps: float, component: Component, policy: Policy) -> Sizing:
    """Return the smallest replica count for this peak, above 0.

    Raises Refused without usable rows, beyond the largest row, and where a container exceeds its
    target already in the smallest row.
    """
    points = _usable(component)
    _check_peak(peak_rps, component.name, points)
    x = [point.rps_per_replica for point in points]
    curves = {
        container: load_curve.fit(x, [point.usage[container].cpu_millicores for point in points])
        for container in component.requests
    }
    limits = _cpu_limits(component, curves, policy)
    highest = max(x)
    constraints = [
        _constraint(f"cpu of {container}", peak_rps, limit, reason)
        for container, (limit, reason) in limits.items()
    ]
    reason = f"no row was measured above {units.format_rps(highest)} rps per replica"
    constraints.append(_constraint("range", peak_rps, highest, reason))
    constraints.append(
        Constraint("min replicas", policy.min_replicas, f"at least {policy.min_replicas} asked for")
    )
    # The first of equals: what the traffic demands is a better reason than what was asked for.
    decided_by = max(constraints, key=lambda constraint: constraint.replicas)
    rps_per_replica = min(peak_rps / decided_by.replicas, highest)
    return Sizing(
        spec=SPECS[component.kind],
        replicas=decided_by.replicas,
        decided_by=decided_by,
        constraints=tuple(constraints),
        capacity_rps=min(highest, *(limit for limit, _ in limits.values())),
        rps_per_replica=rps_per_replica,
        usage={
            container: Resources(
                curve.millicores_at(min(rps_per_replica, curve.highest_rps)),
                max(point.usage[container].memory_bytes for point in points),
            )
            for container, curve in curves.items()
        },
        nearest_rows=_nearest(points, rps_per_replica),
        is_below_range=rps_per_replica < min(x),
    )


def _usable(component: Component) -> tuple[LoadPoint, ...]:
    advice = "Measure it under load and add rows to its points"
    if not component.points:
        raise Refused([Refusal(component.name, "has no rows in the table", advice)])
    if not component.used_points:
        rules = "; ".join(f"row {point.row}: {point.exclusion}" for point in component.points)
        raise Refused([Refusal(component.name, f"has no row that can be used ({rules})", advice)])
    return component.used_points


def _check_peak(peak_rps: float, name: str, points: tuple[LoadPoint, ...]) -> None:
    largest = max(points, key=lambda point: point.rps)
    if peak_rps > largest.rps:
        reason = (
            f"its peak of {units.format_rps(peak_rps)} rps is outside the table: the largest row"
            f" that can be used, row {largest.row}, was measured at"
            f" {units.format_rps(largest.rps)} rps over {largest.replicas} replica(s)"
        )
        advice = "Measure a row at the peak or above it; nothing is extrapolated"
        raise Refused([Refusal(name, reason, advice)])


def _cpu_limits(
    component: Component, curves: Mapping[str, LoadCurve], policy: Policy
) -> dict[str, tuple[float, str]]:
    """Return by container the rps per replica that reaches the target, and the words for it."""
    limits: dict[str, tuple[float, str]] = {}
    refusals = []
    for container, curve in curves.items():
        request = component.requests[container].cpu_millicores
        budget = policy.target_utilisation * request
        share = (
            f"{policy.target_utilisation:g} of the {units.format_cpu(request)} request of"
            f" {container}, {units.format_cpu(budget)},"
        )
        rps = curve.highest_rps_within(budget)
        # At 0 rps per replica no number of replicas serves anything.
        if not rps:
            reason = (
                f"{share} is exceeded already in the smallest row, at"
                f" {units.format_rps(curve.lowest_rps)} rps per replica:"
                f" {units.format_cpu(float(curve.y[0]))}"
            )
            advice = "Raise its cpu request, or measure rows with fewer rps per replica"
            refusals.append(Refusal(component.name, reason, advice))
        elif rps == curve.highest_rps:
            limits[container] = (rps, f"{share} is not reached in any row used")
        else:
            limits[container] = (rps, f"{share} is reached at {units.format_rps(rps)} rps")
    if refusals:
        raise Refused(refusals)
    return limits


def _constraint(name: str, peak_rps: float, limit_rps: float, reason: str) -> Constraint:
    replicas = math.ceil(peak_rps / limit_rps)
    return Constraint(
        name, replicas, f"{reason}; {units.format_rps(peak_rps)} rps need {replicas} replica(s)"
    )


def _nearest(points: tuple[LoadPoint, ...], rps_per_replica: float) -> tuple[int, ...]:
    x = [point.rps_per_replica for point in points]
    below = max((value for value in x if value <= rps_per_replica), default=None)
    above = min((value for value in x if value >= rps_per_replica), default=None)
    return tuple(point.row for point in points if point.rps_per_replica in (below, above))

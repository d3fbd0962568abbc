"""The replica count of one component at one peak: one function, a spec for each kind.

    x     = min(x_limit, x_cpu(container)..., x_connections)
    R_0   = smallest R with R e(R) x >= peak * phi                          serving the peak
    R     = max(R_0 + k, R_zone, R_update, R_min)
    R_zone   = smallest R with R - ceil(R / Z) >= R_0      one of Z zones lost, even spread
    R_update = smallest R with R - floor(u R) >= R_0       a rolling update takes u of them away

| symbol | meaning | unit |
|---|---|---|
| peak | highest demand of the component's routes | requests/s |
| phi | load of the busiest replica over the mean | fraction |
| x_limit | performance limit of one replica (evidence.py) | requests/s |
| x_cpu | largest rps with c_upper(x) <= target * request | requests/s |
| e(R) | efficiency among R replicas (efficiency.py), 1 if nothing shows a loss | fraction |
| k, Z, u | replicas that may be lost, zones, maxUnavailable | count, count, fraction |

Every x is free of the peak and ceil never falls, so more demand never means fewer replicas. The sum
over containers, which is what an HPA watches, needs no constraint of its own: if every container
keeps c <= target * request, the sums keep it too. A replica never gets more rps than one was
measured at, unless a quota (`hpa_max`) forces it: then up to the limit of extrapolation, flagged,
and not beyond.

Where the smallest row already breaks a container's target, that row stands and the request that it
needs is recommended: fewer rps per replica were never seen to use less.

Memory takes no part: it follows configuration, connections and bursts, not rps
(istio/istio#34895).

Worked: rows at 100, 300 and 500 rps per replica with 100, 300 and 500 millicores, request 500m,
target 0.6, margin 9.96 % (prediction.py): x = 300 / 1.0996 = 272.8; a peak of 1000 rps with phi
1.1 needs ceil(1100 / 272.8) = 5 replicas, 6 with one lost.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from estimator import units
from estimator.errors import Refusal, Refused
from estimator.model.evidence.evidence import Evidence, Limit
from estimator.model.figure import ExplanationLine, Figure, Flag, ceiling, digits
from estimator.model.policy import Policy
from estimator.model.sizing.counts import refuse_retrograde, replicas_for
from estimator.table.load_points import Kind

TOPIC = "replicas"


@dataclass(frozen=True, slots=True)
class Spec:
    """What sizing treats differently for each kind of component."""

    kind: Kind
    counts_connections: bool
    not_covered: tuple[str, ...]
    """What a table of rps and usage cannot show for this kind."""


SPECS = {
    Kind.POD: Spec(
        Kind.POD, False, ("start-up cpu", "load on the services it calls", "memory leaks")
    ),
    Kind.GATEWAY: Spec(
        Kind.GATEWAY, True, ("TLS handshakes", "bandwidth", "mirrored bodies above 1 MB")
    ),
}


@dataclass(frozen=True, slots=True)
class Constraint:
    """One lower bound of the replica count."""

    name: str
    """`cpu of <container>`, `range`, `latency`, `errors`, `cpu limit of <container>`,
    `connections`, `min replicas`, `loss of a pod`, `loss of a zone`, `rolling update`, `quota`."""
    replicas: int
    reason: str
    rps_per_replica: float | None = None
    """The rps that it allows one replica; None if it does not limit rps."""
    formula: str = ""
    numbers: str = ""
    """As in a Figure."""

    @property
    def line(self) -> ExplanationLine:
        result = Figure(self.replicas, "replicas", self.reason, constraint=self.name)
        return ExplanationLine(TOPIC, f"{self.name}: {self.formula}", self.numbers, result)


@dataclass(frozen=True, slots=True)
class Sizing:
    """The replica count of a component and what it rests on."""

    spec: Spec
    peak_rps: float
    replicas: int
    """To run, failures included."""
    serving: int
    """R_0: the fewest that serve the peak."""
    low: int
    """With the cpu curve's lower bound."""
    high: int
    """With the margin for a scaling that nobody measured."""
    decided_by: Constraint
    """The constraint that decided: a bound of one replica, the minimum, or the quota."""
    reserve: Constraint
    """The failure that needs the most replicas beyond `serving`."""
    constraints: tuple[Constraint, ...]
    capacity_rps: float
    """What one replica serves within every constraint."""
    capacity_high_rps: float
    """The same if cpu is as low as may be."""
    rps_per_replica: float
    """Mean at the peak, all replicas up."""
    design_rps: float
    """Rps of the busiest replica when only `serving` replicas are up."""
    flags: tuple[Flag, ...]
    warnings: tuple[str, ...]


def size(peak_rps: float, evidence: Evidence, policy: Policy) -> Sizing:
    """Return the smallest replica count for this peak, above 0.

    Raises Refused if no count of replicas serves it, or the quota leaves too much for each.
    """
    spec = SPECS[evidence.component.kind]
    busiest = peak_rps * policy.imbalance
    limits, warnings = _limits(evidence, policy)
    constraints = [_constraint(limit, busiest, evidence) for limit in limits]
    constraints += _connections(spec, evidence, policy)
    # Among equals the first decides: cpu is a better reason than the end of the table.
    decided_by = max(constraints, key=lambda constraint: constraint.replicas)
    serving = decided_by.replicas
    efficiency = evidence.efficiency(serving)
    reserves = _reserves(serving, policy)
    reserve = max(reserves, key=lambda constraint: constraint.replicas)
    replicas = reserve.replicas
    if policy.min_replicas > replicas:
        replicas = policy.min_replicas
        reason = f"at least {replicas} asked for"
        decided_by = Constraint("min replicas", replicas, reason, None, "R_min", f"{replicas}")
        constraints.append(decided_by)
    if policy.hpa_max is not None and replicas > policy.hpa_max:
        warnings.append(
            f"the quota of {policy.hpa_max} replicas is below the {replicas} needed: a loss at the"
            " peak is not covered"
        )
        if serving > policy.hpa_max:
            decided_by = _quota(busiest, evidence, policy)
            constraints.append(decided_by)
        replicas = policy.hpa_max
        serving = min(serving, replicas)
        efficiency = evidence.efficiency(serving)
    elif replicas > serving:
        refuse_retrograde(busiest, min(limit.rps for limit in limits), replicas, evidence)
    sizing = Sizing(
        spec=spec,
        peak_rps=peak_rps,
        replicas=replicas,
        serving=serving,
        low=replicas,
        high=replicas,
        decided_by=decided_by,
        reserve=reserve,
        constraints=(*constraints, *reserves),
        capacity_rps=min(limit.rps for limit in limits) * efficiency,
        capacity_high_rps=_best_capacity(limits, evidence, policy) * efficiency,
        rps_per_replica=peak_rps / replicas,
        design_rps=busiest / serving,
        flags=_flags(peak_rps, replicas, busiest / serving, evidence.among(serving, policy)),
        warnings=tuple(warnings),
    )
    low, high = _bounds(sizing, evidence, policy)
    return replace(sizing, low=low, high=high)


def explain_replicas(sizing: Sizing, policy: Policy) -> Iterator[ExplanationLine]:
    """Yield the arithmetic of the replica count."""
    peak, phi = sizing.peak_rps, policy.imbalance
    busiest = Figure(peak * phi, "rps", "all of it as if every replica were the busiest")
    numbers = f"{digits(peak)} * {digits(phi)}"
    yield ExplanationLine(TOPIC, "busiest = peak * phi", numbers, busiest)
    by_load = [limit for limit in sizing.constraints if limit.rps_per_replica is not None]
    others = [limit for limit in sizing.constraints if limit.rps_per_replica is None]
    yield from (constraint.line for constraint in by_load)
    needed = [limit.replicas for limit in others if limit.name == "connections"]
    serving = max(needed + [limit.replicas for limit in by_load])
    figure = Figure(serving, "replicas", "the most that a constraint asks for")
    yield ExplanationLine(TOPIC, "R_0 = max of these", f"{serving}", figure)
    yield from (constraint.line for constraint in others)
    decided = f"decided by {sizing.decided_by.name}, with {sizing.reserve.name}"
    count, low, high = sizing.replicas, sizing.low, sizing.high
    formula = "R = max(R_0 + k, R_zone, R_update, R_min), at most the quota"
    figure = Figure(count, "replicas", decided, low, high, flags=sizing.flags)
    yield ExplanationLine(TOPIC, formula, f"{count}", figure)


def _limits(evidence: Evidence, policy: Policy) -> tuple[list[Limit], list[str]]:
    """Return the limits of one replica's rps, and warnings about them."""
    limits: list[Limit] = []
    warnings: list[str] = []
    for container, curve in evidence.cpu.items():
        available, kind = _available(container, evidence)
        budget = policy.target_utilisation * available
        share = (
            f"{policy.target_utilisation:g} of the {units.format_cpu(available)} {kind} of"
            f" {container}, {units.format_cpu(budget)},"
        )
        rps = curve.highest_rps_within(budget)
        if not rps:
            lowest = min(x for x in curve.curve.x.tolist() if x > 0)
            needed = curve.at(lowest).high / policy.target_utilisation
            reason = f"{share} is exceeded already at {units.format_rps(lowest)} rps"
            warnings.append(
                f"{reason}, the smallest row: it needs a request of {units.format_cpu(needed)}"
            )
            rps = lowest
        elif rps == curve.curve.highest_rps:
            reason = f"{share} is not reached in any row used"
        else:
            reason = f"{share} is reached at {units.format_rps(rps)} rps"
        rows = evidence.nearest_rows(rps)
        limits.append(Limit(f"cpu of {container}", rps, reason, rows))
    limits.extend(evidence.limits)
    return limits, warnings


def _constraint(limit: Limit, busiest_rps: float, evidence: Evidence) -> Constraint:
    replicas = replicas_for(busiest_rps, limit.rps, evidence)
    reason = f"{limit.reason}; {units.format_rps(busiest_rps)} rps need {replicas} replica(s)"
    formula, numbers = "R = ceil(busiest / x)", ceiling(busiest_rps, limit.rps, replicas)
    efficiency = evidence.efficiency(replicas)
    if efficiency < 1:
        by = "by the scaling law" if evidence.scaling.law is not None else "as measured"
        formula += f", with e(R) {by}"
        numbers = f"smallest R with R * e(R) * {digits(limit.rps)} >= {digits(busiest_rps)}"
        reason += f", as each of them has {efficiency:.0%} of the efficiency of one alone"
    return Constraint(limit.name, replicas, reason, limit.rps * efficiency, formula, numbers)


def _connections(spec: Spec, evidence: Evidence, policy: Policy) -> list[Constraint]:
    """Return the constraint of open connections, from the most that a row held per replica."""
    held = [point.connections / point.replicas for point in evidence.points if point.connections]
    if not spec.counts_connections or policy.peak_connections is None or not held:
        return []
    busiest = policy.peak_connections * policy.imbalance
    replicas = max(1, math.ceil(busiest / max(held) - 1e-9))
    reason = (
        f"no row had more than {max(held):g} connections per replica; {busiest:g} need"
        f" {replicas} replica(s)"
    )
    formula = "ceil(connections * phi / connections of a replica)"
    numbers = f"ceil({digits(busiest)} / {digits(max(held))})"
    return [Constraint("connections", replicas, reason, None, formula, numbers)]


def _reserves(serving: int, policy: Policy) -> list[Constraint]:
    """Return the replicas that keep `serving` replicas up in each kind of failure."""
    reserves = [
        Constraint(
            "loss of a pod",
            serving + policy.lose_pods,
            f"{serving} serve the peak while {policy.lose_pods} are lost",
            formula="R_0 + k",
            numbers=f"{serving} + {policy.lose_pods}",
        )
    ]
    if policy.zones > 1:
        fewest = serving * policy.zones // (policy.zones - 1)
        count = _smallest(fewest, lambda r: r - math.ceil(r / policy.zones) >= serving)
        lost = math.ceil(count / policy.zones)
        reason = (
            f"{serving} serve the peak while one of {policy.zones} zones, {lost} of {count}, is"
            " lost"
        )
        formula = f"smallest R with R - ceil(R / {policy.zones}) >= R_0"
        numbers = f"check: {count} - ceil({count} / {policy.zones}) >= {serving}"
        reserves.append(Constraint("loss of a zone", count, reason, None, formula, numbers))
    ratio = policy.max_unavailable_ratio
    assert ratio < 1, "an update that takes every replica away serves nobody"
    if ratio > 0:
        fewest = max(serving, math.floor(serving / (1 - ratio)) - math.ceil(1 / (1 - ratio)))
        count = _smallest(fewest, lambda r: r - unavailable(r, ratio) >= serving)
        reason = f"{serving} serve the peak while an update takes {unavailable(count, ratio)} away"
        formula = f"smallest R with R - floor({digits(ratio)} R) >= R_0"
        numbers = f"check: {count} - floor({digits(ratio)} * {count}) >= {serving}"
        reserves.append(Constraint("rolling update", count, reason, None, formula, numbers))
    return reserves


def _smallest(start: int, serves: Callable[[int], bool]) -> int:
    return next(count for count in itertools.count(start) if serves(count))


def unavailable(replicas: int, ratio: float) -> int:
    """Return the replicas that a rolling update may take away: Kubernetes rounds down."""
    return math.floor(replicas * ratio + 1e-9)


def surge(replicas: int, ratio: float) -> int:
    """Return the replicas that a rolling update may add: Kubernetes rounds up."""
    return math.ceil(replicas * ratio - 1e-9)


def _quota(busiest_rps: float, evidence: Evidence, policy: Policy) -> Constraint:
    assert policy.hpa_max is not None
    share = busiest_rps / policy.hpa_max
    evidence = evidence.among(policy.hpa_max, policy)
    limit = evidence.highest_rps * policy.extrapolation_limit
    if share > limit:
        reason = (
            f"{policy.hpa_max} replicas would get {units.format_rps(share)} rps each, above"
            f" {policy.extrapolation_limit:g} times the largest row that can be used,"
            f" {units.format_rps(limit)} rps per replica"
        )
        advice = "Raise the quota, or measure rows at that rps per replica"
        raise Refused([Refusal(evidence.component.name, reason, advice)])
    reason = f"no more than {policy.hpa_max} may run; each gets {units.format_rps(share)} rps"
    formula, numbers = "no more than may run", f"{policy.hpa_max}"
    return Constraint("quota", policy.hpa_max, reason, None, formula, numbers)


def _flags(
    peak_rps: float, replicas: int, design_rps: float, evidence: Evidence
) -> tuple[Flag, ...]:
    flags = []
    if design_rps > evidence.highest_rps * (1 + 1e-9):
        flags.append(Flag.EXTRAPOLATED)
    if peak_rps / replicas < evidence.lowest_rps:
        flags.append(Flag.BELOW_RANGE)
    if evidence.scaling.law is None and peak_rps > evidence.largest.rps:
        flags.append(Flag.SCALED_LINEARLY)
    if not all(curve.has_interval for curve in evidence.cpu.values()):
        flags.append(Flag.NO_INTERVAL)
    if evidence.component.assumed:
        flags.append(Flag.ASSUMED)
    return tuple(flags)


def _best_capacity(limits: list[Limit], evidence: Evidence, policy: Policy) -> float:
    """Return the rps that one replica serves if cpu is at its lower bound."""
    optimistic = [limit.rps for limit in evidence.limits]
    for container, curve in evidence.cpu.items():
        available = _available(container, evidence)[0]
        rps = curve.expected_rps_within(policy.target_utilisation * available, is_low=True)
        if rps:
            optimistic.append(rps)
    return max(min(optimistic), min(limit.rps for limit in limits))


def _available(container: str, evidence: Evidence) -> tuple[float, str]:
    """Return the cpu that a container has, and whether its request or its limit says so."""
    request = evidence.component.requests[container].cpu_millicores
    ceiling = evidence.ceilings.get(container, math.inf)
    return (ceiling, "limit") if ceiling < request else (request, "request")


def _bounds(sizing: Sizing, evidence: Evidence, policy: Policy) -> tuple[int, int]:
    """Return the replica counts with cpu at its lower bound, and with the worst scaling.

    The count itself rests on the upper bound of cpu. It does not know how much replicas slow each
    other down beyond the largest row: there each may serve less by the assumed margin, which is the
    worst error of an extrapolation in the reference series.
    """
    busiest = sizing.peak_rps * policy.imbalance
    extra = sizing.replicas - sizing.serving
    efficiency = evidence.efficiency(sizing.serving)
    best = sizing.capacity_high_rps / efficiency
    low = min(sizing.replicas, replicas_for(busiest, best, evidence) + extra)
    low = max(low, min(policy.min_replicas, sizing.replicas))
    high = sizing.replicas
    if Flag.SCALED_LINEARLY in sizing.flags:
        worst = sizing.capacity_rps / efficiency * (1 - policy.assumed_margin)
        high = max(high, replicas_for(busiest, worst, evidence) + extra)
    return low, high

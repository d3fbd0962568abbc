"""The HorizontalPodAutoscaler of one component, from its series' own ramps.

    L      = scrape + sync + pod start                          reaction lag
    r      = max over t of d(t + L) / max(d(t), m x_s)          steepest ramp that adds replicas
    x*     = min(x_s / r, peak / R) / 1.1                       rps per replica at the target
    target = 100 * sum c(x*) / sum request, rounded down
    min    = max(R_min, zones, k + 1, R at the 5 % quantile of the demand)
    max    = R                                                  replicas of the sizing

| symbol | meaning | unit |
|---|---|---|
| d | demand with growth and events | requests/s |
| x_s | least of performance limit and full request, over the imbalance | requests/s |
| m, R, k | min replicas, replicas, replicas that may be lost | count |
| c, request | expected cpu, recommended cpu request of what an HPA reads (metric) | millicores |
| 1.1 | the HPA does nothing within its tolerance | |

The series is then simulated with this HPA (simulation.py). Where a replica is saturated for a
second, a lower target and a higher minimum are tried; where a ramp lowered the target, also the
minimum that makes up for it. The candidate that survives with the fewest pod-hours is chosen. Where
none survives, the answer says when and by how much.

A spike of a few seconds (demand/spikes.py) sets neither target nor minimum: it is over before an
HPA reads it, and a minimum for it would run all day. Where the count changes more than once an
hour, a longer stabilisation is taken. Where an HPA saves next to nothing, none is recommended
(fixed_count.py).

`max` contains no surge: the extra pods of a rolling update come on top of the replicas that an HPA
counts (Kubernetes, Deployment). Requests are the recommended ones: an HPA divides by requests, so a
target without its request is no recommendation.

Worked: x_s 400, peak 3000 over 12 replicas, r = 1.25: x* = min(320, 250) / 1.1 = 227.3 rps; with
1 m for each rps and requests of 400 m: target = 56 %.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from estimator import units
from estimator.model.autoscaling import fixed_count, simulation
from estimator.model.autoscaling.simulation import HpaLoop, HpaRun, Load, Pod, simulate
from estimator.model.evidence.evidence import Evidence
from estimator.model.figure import ExplanationLine, Figure, digits, explained
from estimator.model.policy import Policy
from estimator.model.sizing.counts import replicas_for
from estimator.model.sizing.replicas import Sizing

TOPIC = "hpa"
LOW_QUANTILE = 0.05
TRIED_TARGETS = (0.85, 0.7, 0.55)
"""Lower targets to try, as shares of the first one. Below half of it a fixed count is cheaper."""
LEAST_TARGET = 0.05
MOST_CHANGES_PER_DAY = 24
LONGER_STABILISATIONS_S = (900, 1800, 3600)
"""To try where the count flaps; 3600 s is the most that Kubernetes takes."""


@dataclass(frozen=True, slots=True)
class HpaRecommendation:
    """The fields of an autoscaling/v2 HPA, with the figures behind them."""

    min_replicas: Figure
    max_replicas: Figure
    target_percent: Figure
    """averageUtilization: percent of the **recommended** requests of what the HPA reads."""
    trigger_rps: Figure
    """Rps per replica at which the HPA begins to add replicas: target x 1.1, its tolerance."""
    rps_target: Figure
    """Rps per replica at the target: averageValue of the alternative, rps-based metric."""
    steepest_ramp: Figure
    """Highest demand over demand one reaction lag earlier, where replicas had to be added."""
    reaction_lag: Figure
    """Seconds from a rise to a ready replica: scrape + sync + pod start."""
    scale_up_percent: int
    """behavior.scaleUp: percent policy."""
    scale_up_pods: int
    scale_up_period_s: int
    scale_down_stabilisation_s: int
    survives: bool
    """Whether the simulation over its own series has no saturated second."""
    notes: tuple[str, ...]
    """What was tried so that it survives, and where it does not."""
    container: str = ""
    """The container whose cpu the HPA reads (ContainerResource); empty for the whole Pod."""


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """A recommendation with the simulated run behind it."""

    hpa: HpaRecommendation
    run: HpaRun
    pod: Pod
    declined: str = ""
    """Why a fixed count is recommended instead of this HPA; empty if the HPA is."""


@dataclass(frozen=True, slots=True)
class _Try:
    loop: HpaLoop
    run: HpaRun


def recommend(
    whole: Load,
    sizing: Sizing,
    evidence: Evidence,
    pod: Pod,
    policy: Policy,
    lasting_rps: float | None = None,
) -> Scaled:
    """Return the HPA for this load, simulated over it.

    `lasting_rps` is the highest demand without a spike of a few seconds, where there is one.
    """
    load = whole
    if lasting_rps:
        load = replace(whole, demand=np.minimum(whole.demand, lasting_rps))
    lag = policy.scrape_interval_s + simulation.SYNC_S + policy.pod_start_s
    least, least_reason = _least(load, sizing, evidence, policy)
    safe = pod.limit_rps / pod.imbalance
    ramp = steepest_ramp(load, lag, least * safe)
    by_ramp, by_peak = safe / max(ramp, 1.0), sizing.rps_per_replica
    reserve = 1 + simulation.TOLERANCE
    first = HpaLoop(
        min_replicas=least,
        max_replicas=sizing.replicas,
        target=_whole_percent(pod.utilisation_at(min(by_ramp, by_peak) / reserve)),
        scrape_s=policy.scrape_interval_s,
        pod_start_s=policy.pod_start_s,
    )
    relaxed = _whole_percent(pod.utilisation_at(by_peak / reserve))
    chosen, notes = _surviving(_Try(first, simulate(load, pod, first)), relaxed, load, pod)
    if pod.utilisation_at(min(by_ramp, by_peak) / reserve) < LEAST_TARGET:
        notes.append("cpu hardly follows rps here: base the HPA on an rps metric (rps_target)")
    chosen = _calmer(chosen, sizing, load, pod)
    if load is not whole:
        chosen = replace(chosen, run=simulate(whole, pod, chosen.loop))
        notes += [*fixed_count.cost_of_a_spike(chosen.run, sizing), *_failure(chosen)]
    hpa = _recommendation(chosen, pod, (ramp, lag), notes)
    if chosen.loop.min_replicas != least:
        least_reason = f"{least} by themselves ({least_reason}), raised to survive the series"
    decided, reason = _target_reason(chosen, first, pod, by_ramp < by_peak)
    hpa = replace(
        hpa,
        min_replicas=replace(hpa.min_replicas, reason=least_reason),
        max_replicas=replace(
            hpa.max_replicas, low=sizing.low, high=sizing.high, flags=sizing.flags
        ),
        reaction_lag=replace(
            hpa.reaction_lag,
            numbers=f"{digits(policy.scrape_interval_s)} + {digits(simulation.SYNC_S)}"
            f" + {digits(policy.pod_start_s)}",
        ),
        target_percent=replace(hpa.target_percent, reason=reason, constraint=decided),
    )
    return Scaled(hpa, chosen.run, pod, fixed_count.better(chosen.loop, chosen.run, sizing))


def _target_reason(chosen: _Try, first: HpaLoop, pod: Pod, is_steep: bool) -> tuple[str, str]:
    """Return what decided the target, and why it is what it is."""
    at = f"{units.format_rps(pod.rps_at(chosen.loop.target))} rps per replica"
    peak = "the sized peak over its replicas"
    if chosen.loop.target > first.target:
        return peak, (
            f"{at}: {peak}, and 1.1 for the tolerance; for the ramps there are enough"
            f" replicas at the minimum, which takes fewer pod-hours than {100 * first.target:.0f} %"
        )
    decided = "the steepest ramp" if is_steep else peak
    safe = units.format_rps(pod.limit_rps / pod.imbalance)
    reason = f"{at}: {decided} stays within {safe} rps, and 1.1 for the tolerance"
    if chosen.loop.target < first.target:
        reason += f"; lowered from {100 * first.target:.0f} to survive the series"
    return decided, reason


def explain_hpa(
    scaled: Scaled, sizing: Sizing, requests: Mapping[str, float]
) -> Iterator[ExplanationLine]:
    """Yield the arithmetic of the HPA; `requests` holds millicores by container."""
    hpa, pod = scaled.hpa, scaled.pod
    yield from explained(TOPIC, hpa.reaction_lag, hpa.steepest_ramp)
    safe = pod.limit_rps / pod.imbalance
    yield ExplanationLine(
        TOPIC,
        "x_s = min(performance limit, rps at the whole request) / phi",
        f"{digits(pod.limit_rps)} / {digits(pod.imbalance)}",
        Figure(safe, "rps per replica", "what the mean replica may get"),
    )
    ramp, mean, reserve = hpa.steepest_ramp.value, sizing.rps_per_replica, 1 + simulation.TOLERANCE
    yield ExplanationLine(
        TOPIC,
        f"x* = min(x_s / r, peak / R) / {reserve:g}",
        f"min({digits(safe)} / {digits(ramp)}, {digits(mean)}) / {reserve:g}",
        Figure(min(safe / max(ramp, 1.0), mean) / reserve, "rps per replica", "first candidate"),
    )
    requested = requests[pod.container] if pod.container else sum(requests.values())
    share = f"c / request of {pod.container}" if pod.container else "sum c / sum request"
    used = requested * pod.utilisation_at(pod.rps_at(hpa.target_percent.value / 100))
    yield ExplanationLine(
        TOPIC,
        f"target = floor(100 * {share}), at x* or at what the simulation asked for",
        f"floor(100 * {digits(used)} / {digits(requested)} + 0.001)",
        hpa.target_percent,
    )
    yield from explained(TOPIC, hpa.min_replicas, hpa.max_replicas)


def _least(load: Load, sizing: Sizing, evidence: Evidence, policy: Policy) -> tuple[int, str]:
    low = float(np.nanquantile(load.demand, LOW_QUANTILE))
    quiet = replicas_for(low * policy.imbalance, sizing.capacity_rps, evidence) if low > 0 else 1
    minima = [
        (policy.min_replicas, "min replicas"),
        (policy.hpa_min or 1, "lowest minReplicas of the policy"),
        (policy.zones, f"one in each of {policy.zones} zones"),
        (policy.lose_pods + 1, f"one left when {policy.lose_pods} are lost"),
        (quiet, f"for the rps that demand exceeds 95 % of the time, {units.format_rps(low)}"),
    ]
    count, reason = max(minima, key=lambda pair: pair[0])
    return min(count, sizing.replicas), reason


def steepest_ramp(load: Load, lag_s: float, carried_rps: float) -> float:
    """Return the largest ratio of the demand to the demand one lag earlier, at least 1.

    `carried_rps` is what the fewest replicas carry; growth below it adds no replica.
    """
    steps = max(1, math.ceil(lag_s / load.resolution_s))
    before, after = load.demand[:-steps], load.demand[steps:]
    if not len(after):
        return 1.0
    ratio = np.maximum(before, max(carried_rps, 1e-9))
    np.divide(after, ratio, out=ratio)
    return float(np.fmax.reduce(ratio, initial=1.0))


def _whole_percent(utilisation: float) -> float:
    return max(LEAST_TARGET, math.floor(100 * utilisation + 1e-9) / 100)


def _surviving(first: _Try, relaxed: float, load: Load, pod: Pod) -> tuple[_Try, list[str]]:
    """Return the cheapest candidate that survives, or the best one, and notes on what was tried.

    `relaxed` is the target that the peak alone needs, where ramps need a lower one: with enough
    replicas at the minimum no ramp is steep.
    """
    if not first.run.saturations and first.loop.target >= relaxed:
        return first, []
    notes = []
    tried = [first]
    if first.loop.target < relaxed:
        loop = replace(first.loop, target=relaxed)
        tried.append(_raised(_Try(loop, simulate(load, pod, loop)), load, pod))
    if first.run.saturations:
        notes.append(
            f"with target {100 * first.loop.target:.0f} % and at least {first.loop.min_replicas}"
            f" replicas it is saturated for {first.run.saturated_s} s in the simulation"
        )
        tried += [_raised(first, load, pod), *_lowered(first, load, pod)]
    chosen = min(tried, key=lambda candidate: (candidate.run.saturated_s, candidate.run.pod_hours))
    if chosen is first:
        return first, notes + _failure(first)
    if not chosen.run.saturations:
        notes.append(
            f"target {100 * chosen.loop.target:.0f} % and at least {chosen.loop.min_replicas}"
            " replicas survive with the fewest pod-hours of what was tried"
        )
    return chosen, notes + _failure(chosen)


def _calmer(chosen: _Try, sizing: Sizing, load: Load, pod: Pod) -> _Try:
    """Return the same HPA, with a longer stabilisation where its count would flap."""
    if chosen.run.changes_per_day <= MOST_CHANGES_PER_DAY:
        return chosen
    best = chosen
    for stabilisation_s in LONGER_STABILISATIONS_S:
        loop = replace(chosen.loop, stabilisation_s=stabilisation_s)
        best = _Try(loop, simulate(load, pod, loop))
        if best.run.changes_per_day <= MOST_CHANGES_PER_DAY:
            break
    # A count that stays high saves nothing: what it would have saved is said with the flapping.
    return best if best.run.saved_ratio(sizing.replicas) >= fixed_count.LEAST_SAVED else chosen


def _failure(chosen: _Try) -> list[str]:
    if not chosen.run.saturations:
        return []
    worst = max(chosen.run.saturations, key=lambda stretch: stretch.needed - stretch.replicas)
    return [
        f"does not survive its series: {chosen.run.saturated_s} s at saturation in"
        f" {len(chosen.run.saturations)} stretch(es), at worst {worst.replicas} ready of"
        f" {worst.needed} needed, at Unix time {worst.second}"
    ]


def _lowered(first: _Try, load: Load, pod: Pod) -> list[_Try]:
    """Return candidates with lower targets, up to the first that survives."""
    tried: list[_Try] = []
    for share in TRIED_TARGETS:
        target = _whole_percent(first.loop.target * share)
        if target < (tried[-1] if tried else first).loop.target:
            loop = replace(first.loop, target=target)
            tried.append(_Try(loop, simulate(load, pod, loop)))
            if not tried[-1].run.saturations:
                break
    return tried


def _raised(first: _Try, load: Load, pod: Pod) -> _Try:
    """Return the candidate whose minimum covers what every saturated moment needed."""
    best = first
    for _ in range(3):
        needed = min(best.run.needed, best.loop.max_replicas)
        if needed <= best.loop.min_replicas:
            break
        loop = replace(best.loop, min_replicas=needed)
        best = _Try(loop, simulate(load, pod, loop))
        if not best.run.saturations:
            break
    return best


def _recommendation(
    chosen: _Try, pod: Pod, ramp: tuple[float, float], notes: list[str]
) -> HpaRecommendation:
    loop = chosen.loop
    at_target = pod.rps_at(loop.target)
    trigger_at = loop.target * (1 + simulation.TOLERANCE)
    trigger, of_trigger = pod.rps_at(trigger_at), pod.rps_range_at(trigger_at) or (None, None)
    of_target = pod.rps_range_at(loop.target) or (None, None)
    return HpaRecommendation(
        min_replicas=Figure(
            loop.min_replicas,
            "replicas",
            "",
            formula="min = max(R_min, zones, k + 1, R at the 5 % quantile)",
            numbers="see the reason",
        ),
        max_replicas=Figure(
            loop.max_replicas,
            "replicas",
            "the replicas of the sizing",
            formula="max = R",
            numbers=f"{loop.max_replicas}",
        ),
        target_percent=Figure(round(100 * loop.target), "percent", ""),
        trigger_rps=Figure(
            trigger,
            "rps per replica",
            "expected cpu reaches 1.1 times the target, its tolerance",
            *of_trigger,
        ),
        rps_target=Figure(
            at_target, "rps per replica", "expected cpu reaches the target", *of_target
        ),
        steepest_ramp=Figure(
            ramp[0],
            "ratio",
            f"highest demand over that of {ramp[1]:g} s before, where more than the fewest replicas"
            " were needed",
            formula="r = max over t of d(t + L) / max(d(t), m x_s)",
            numbers="over all buckets of the series",
        ),
        reaction_lag=Figure(
            ramp[1],
            "seconds",
            f"scrape interval + {simulation.SYNC_S:g} s sync + pod start",
            formula="L = scrape + sync + pod start",
        ),
        scale_up_percent=simulation.SCALE_UP_PERCENT,
        scale_up_pods=simulation.SCALE_UP_PODS,
        scale_up_period_s=simulation.SCALE_UP_PERIOD_S,
        scale_down_stabilisation_s=loop.stabilisation_s,
        survives=not chosen.run.saturations,
        notes=tuple(notes),
        container=pod.container,
    )

"""How many replicas a rolling update, a drained node and a lost zone leave.

The disruption budget has to hold at every count that the HPA may choose, not only at the peak:

    spare(m) = floor(m (1 - phi trigger / x))        the HPA at m replicas, up to its trigger
    budget   = min(R - R_0, spare(min)), at least 1

| symbol | meaning | unit |
|---|---|---|
| m, min, R | replicas, minReplicas, replicas of the sizing | count |
| R_0 | the fewest that serve the peak | count |
| trigger | rps per replica at which the HPA adds replicas | requests/s |
| x, phi | what one replica can take; load of the busiest over the mean | requests/s, fraction |

spare never falls with m, so what the minimum allows is allowed at every count. At least 1, because
a budget of 0 keeps every node from being drained; a single replica has no budget to give.

Worked: phi 1.1, trigger 120, x 250 and a minimum of 3: floor(3 * 0.472) = 1, although 9 replicas
are sized and 6 serve the peak.
"""

import math
from dataclasses import dataclass

from estimator.model.autoscaling.recommendation import Scaled
from estimator.model.figure import Figure
from estimator.model.policy import Policy
from estimator.model.sizing.replicas import Sizing, surge, unavailable


@dataclass(frozen=True, slots=True)
class Rollout:
    """Replicas during failure and rolling update."""

    serving: Figure
    """The fewest that serve the peak."""
    after_pod_loss: Figure
    after_zone_loss: Figure
    update_highest: Figure
    """Replicas + maxSurge, rounded up: what the nodes must hold."""
    update_lowest: Figure
    """Replicas - maxUnavailable, rounded down."""
    disruption_budget: Figure
    """PodDisruptionBudget maxUnavailable."""
    max_surge_ratio: float
    max_unavailable_ratio: float
    zones: int = 1
    """Zones of which one may be lost; 1: no zone's loss was sized for."""


def rollout_of(sizing: Sizing, scaled: Scaled, policy: Policy) -> Rollout:
    """Return what failures and updates leave of the replicas of the sizing."""
    replicas, zones = sizing.replicas, policy.zones
    lost = -(-replicas // zones) if zones > 1 else 0
    added = surge(replicas, policy.max_surge_ratio)
    removed = unavailable(replicas, policy.max_unavailable_ratio)
    return Rollout(
        serving=Figure(sizing.serving, "replicas", "the fewest that serve the peak"),
        after_pod_loss=Figure(
            max(0, replicas - policy.lose_pods), "replicas", f"{policy.lose_pods} lost"
        ),
        after_zone_loss=Figure(
            replicas - lost,
            "replicas",
            f"one of {zones} zones lost" if zones > 1 else "no zones were named",
        ),
        update_highest=Figure(
            replicas + added,
            "replicas",
            f"maxSurge {policy.max_surge_ratio:.0%} of {replicas}, rounded up, is {added}",
        ),
        update_lowest=Figure(
            replicas - removed,
            "replicas",
            f"maxUnavailable {policy.max_unavailable_ratio:.0%} of {replicas}, rounded down, is"
            f" {removed}",
        ),
        disruption_budget=_budget(sizing, scaled),
        max_surge_ratio=policy.max_surge_ratio,
        max_unavailable_ratio=policy.max_unavailable_ratio,
        zones=zones,
    )


def _budget(sizing: Sizing, scaled: Scaled) -> Figure:
    replicas = sizing.replicas
    least = replicas if scaled.declined else int(scaled.hpa.min_replicas.value)
    at_peak = max(0, replicas - sizing.serving)
    busiest = scaled.pod.imbalance * scaled.hpa.trigger_rps.value
    at_least = max(0, math.floor(least * (1 - busiest / scaled.pod.limit_rps) + 1e-9))
    if least == 1:
        reason = "a single replica, which nothing may take away without an interruption"
        return Figure(0, "replicas", reason)
    reason = f"{replicas} less the {sizing.serving} that serve the peak"
    if least < replicas and at_least < at_peak:
        reason = (
            f"what the {least} replicas of the HPA's minimum can spare just before it adds one;"
            f" at the peak it would be {at_peak}"
        )
    most = min(at_peak, at_least) if least < replicas else at_peak
    if not most:
        reason += "; at least 1, or no node can be drained"
    return Figure(max(1, most), "replicas", reason)

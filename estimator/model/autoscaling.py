"""The HorizontalPodAutoscaler to recommend for one component."""

from dataclasses import dataclass

from estimator.model.figure import Figure


@dataclass(frozen=True, slots=True)
class HpaRecommendation:
    """autoscaling/v2, with the figures that its choice rests on."""

    min_replicas: Figure
    max_replicas: Figure
    target_percent: Figure
    """averageUtilization: percent of the **recommended** requests summed over all containers."""
    trigger_rps: Figure
    """Rps per replica at which it begins to add replicas (target x 1.1, its tolerance)."""
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
    """Whether its own series, simulated, leaves no second at saturation."""
    notes: tuple[str, ...]
    """What was tried to make it survive; where it does not."""

"""When a fixed number of replicas is better than an HPA, and what it costs.

    saved = 1 - pod-hours of the HPA / (R * time)

Below 5 % an HPA is not worth its changes of the count: its maximum is R, so it protects from
nothing that R replicas do not.

Worked: traffic that moves by half within 12 minutes kept an HPA from 2 to 3 at 2.94 replicas on
average, with 240 changes a day: 2.1 % saved.
"""

from estimator.model.autoscaling.simulation import SYNC_S, HpaLoop, HpaRun
from estimator.model.sizing.replicas import Sizing

LEAST_SAVED = 0.05


def better(loop: HpaLoop, run: HpaRun, sizing: Sizing) -> str:
    """Return why a fixed count is better than this HPA; empty if it is not."""
    cost = f"{sizing.replicas} replicas all the time take {_hours(sizing.replicas, run):,.4g}"
    cost += " pod-hours"
    if loop.min_replicas == loop.max_replicas:
        return f"minimum and maximum would both be {loop.max_replicas}: {cost}"
    saved = run.saved_ratio(sizing.replicas)
    if saved >= LEAST_SAVED:
        return ""
    span = f"from {loop.min_replicas} to {loop.max_replicas}"
    return (
        f"an HPA {span} would save {max(0.0, saved):.1%} of the pod-hours with"
        f" {run.changes_per_day:.0f} changes of the count a day: {cost}"
    )


def cost_of_a_spike(run: HpaRun, sizing: Sizing) -> list[str]:
    """Return what a minimum that meets the spike costs, if the HPA does not meet it."""
    if not run.saturations:
        return []
    needed = min(run.needed, sizing.replicas)
    return [
        f"a spike sets no minimum: {needed} replicas all the time would meet it and take"
        f" {_hours(needed, run):,.0f} pod-hours instead of {run.pod_hours:,.0f}"
    ]


def _hours(replicas: int, run: HpaRun) -> float:
    return replicas * len(run.desired) * SYNC_S / 3600

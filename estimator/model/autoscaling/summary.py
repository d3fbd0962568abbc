"""What a simulated HPA did, in figures and as a plot, compared with a fixed replica count."""

from dataclasses import dataclass

import numpy as np

from estimator.model.autoscaling.simulation import SYNC_S, HpaRun, Load, Pod, Saturation
from estimator.model.figure import Figure
from estimator.model.plots import ReplicasPlot, thin

MOST_SATURATIONS = 10


@dataclass(frozen=True, slots=True)
class Simulation:
    """What the recommended HPA would have done."""

    highest_replicas: Figure
    lowest_replicas: Figure
    saturated: Figure
    """Seconds in which a replica was beyond its performance limit, and so its local rate limit."""
    rejected: Figure
    """Share of the requests that the local rate limits reject, at most."""
    pod_hours: Figure
    """Over the series."""
    fixed_pod_hours: Figure
    """Pod-hours of the fixed replica count over the same time."""
    saved: Figure
    """1 - pod_hours / fixed_pod_hours, as ratio; negative where the HPA costs more."""
    changes: Figure
    """How often the HPA changed the replica count."""
    saturations: tuple[Saturation, ...]
    """The ten longest."""
    plot: ReplicasPlot


def summarise(load: Load, run: HpaRun, pod: Pod, fixed_replicas: int) -> Simulation:
    """Return the figures and the plot of a run, compared with a fixed replica count."""
    steps = len(run.ready)
    fixed = fixed_replicas * steps * SYNC_S / 3600
    longest = sorted(run.saturations, key=lambda stretch: (-stretch.duration_s, stretch.second))
    reason = "simulated over the series, with growth and events"
    saturated = "a replica beyond its performance limit or its whole cpu request; gaps not counted"
    requests = float(np.nansum(load.demand)) * load.resolution_s
    rejected = sum(stretch.rejected for stretch in run.saturations)
    return Simulation(
        highest_replicas=Figure(int(run.desired.max()), "replicas", reason),
        lowest_replicas=Figure(int(run.desired.min()), "replicas", reason),
        saturated=Figure(
            run.saturated_s,
            "seconds",
            saturated,
            formula="seconds at saturation of this HPA over its own series",
            numbers=f"simulated in {SYNC_S} s steps",
        ),
        rejected=Figure(
            rejected / requests if requests else 0.0,
            "ratio",
            "of the requests, at most, by the local rate limits in that time",
        ),
        pod_hours=Figure(run.pod_hours, "pod-hours", f"{reason}; starting replicas included"),
        fixed_pod_hours=Figure(fixed, "pod-hours", f"{fixed_replicas} replicas all the time"),
        saved=Figure(
            run.saved_ratio(fixed_replicas),
            "ratio",
            "1 - pod-hours over the pod-hours of the fixed count",
        ),
        changes=Figure(run.changes, "changes", "of the replica count"),
        saturations=tuple(longest[:MOST_SATURATIONS]),
        plot=_plot(load, run, pod),
    )


def _plot(load: Load, run: HpaRun, pod: Pod) -> ReplicasPlot:
    ready = run.ready.astype(np.float64)
    share = np.interp(run.seen_rps / ready, pod.rps, pod.utilisation)
    least, _, width = thin(-ready)
    beyond = np.zeros(len(ready))
    for stretch in run.saturations:
        first = (stretch.second - load.start) // SYNC_S
        beyond[first : first + max(1, -(-stretch.duration_s // SYNC_S))] = 1
    return ReplicasPlot(
        start=load.start,
        bin_s=width * SYNC_S,
        replicas=-least,
        desired=thin(run.desired.astype(np.float64))[0],
        utilisation=thin(share)[0],
        saturated=thin(beyond)[0] > 0,
    )

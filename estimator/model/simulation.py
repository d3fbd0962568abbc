"""A simulated HPA control loop over a measured series."""

from dataclasses import dataclass

from estimator.model.figure import Figure
from estimator.model.plots import ReplicasPlot


@dataclass(frozen=True, slots=True)
class Saturation:
    """One stretch of time in which replicas were beyond their performance limit."""

    second: int
    """Unix time of its start."""
    duration_s: int
    replicas: int
    """Ready at its worst moment."""
    needed: int
    """To stay within the limit at that moment."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What the recommended HPA would have done."""

    highest_replicas: Figure
    lowest_replicas: Figure
    saturated: Figure
    """Seconds in which a replica was beyond its performance limit."""
    pod_hours: Figure
    """Over the series."""
    fixed_pod_hours: Figure
    """Of the fixed replica count over the same time."""
    saved: Figure
    """1 - pod_hours / fixed_pod_hours, as ratio; negative where the HPA costs more."""
    changes: Figure
    """How often the HPA changed the replica count."""
    saturations: tuple[Saturation, ...]
    """The ten longest."""
    plot: ReplicasPlot

"""The same demand in another phase of the migration, and for some of its paths."""

from collections.abc import Mapping
from dataclasses import dataclass

from estimator.model.figure import Figure


@dataclass(frozen=True, slots=True)
class PhaseProjection:
    """What a phase needs for a set of paths."""

    phase: int
    """2: only gateways are on Kubernetes. 3: gateways and pods."""
    paths: tuple[str, ...]
    peak: Figure
    """Of these paths together."""
    replicas: Mapping[str, Figure]
    """By component that carries a request of these paths in this phase."""
    cpu_request: Figure
    """All replicas, millicores."""
    memory_request: Figure
    refused: tuple[str, ...]
    """Components that could not be answered, with the reason."""


@dataclass(frozen=True, slots=True)
class PathProjection:
    """One path moved alone."""

    path: str
    peak: Figure
    phases: tuple[PhaseProjection, ...]
    """Phase 2, then phase 3."""

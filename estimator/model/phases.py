"""The same demand in another phase of the migration, and for some of its paths.

Phase 2: the gateway on Kubernetes carries a path, the app stays where it is: only gateways count.
Phase 3: gateways and pods. A component is sized for the demand of the paths that move, together in
the same seconds, so a set of paths needs no more than the sum of what each needs alone, and mostly
less. Sizing only: an HPA belongs to the whole, not to a path.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from estimator.errors import Refused
from estimator.model.component import replicas_figure
from estimator.model.demand.scenario import Demand
from estimator.model.evidence.evidence import Evidence
from estimator.model.figure import Figure
from estimator.model.policy import Policy
from estimator.model.sizing.amounts import add, container_amounts, times
from estimator.model.sizing.replicas import size
from estimator.model.sizing.requests import proxy_workers
from estimator.table.load_points import Kind

PHASES = (2, 3)


@dataclass(frozen=True, slots=True)
class PhaseProjection:
    """What a phase needs for a set of paths."""

    phase: int
    """2: only gateways are on Kubernetes. 3: gateways and pods."""
    paths: tuple[str, ...]
    peak: Figure
    """The peak of these paths together."""
    replicas: Mapping[str, Figure]
    """By component that carries requests of these paths in this phase."""
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


@dataclass(frozen=True, slots=True, eq=False)
class ComponentDemand:
    """A component and the demand that reaches it."""

    evidence: Evidence
    demand: Demand


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """Paths that move together."""

    paths: tuple[str, ...]
    demand: Demand
    """The demand of these paths, whichever component carries it."""
    parts: tuple[ComponentDemand, ...]
    """The components that carry requests of these paths."""


def kinds_of(phase: int) -> tuple[Kind, ...]:
    """Return the kinds of component that are on Kubernetes in this phase."""
    return (Kind.GATEWAY,) if phase == 2 else tuple(Kind)


def project_phase(phase: int, moved: Moved, policy: Policy) -> PhaseProjection:
    """Return what this phase needs for these paths."""
    replicas: dict[str, Figure] = {}
    totals = []
    refused: list[str] = []
    for part in moved.parts:
        if part.evidence.component.kind not in kinds_of(phase):
            continue
        name = part.evidence.component.name
        try:
            sizing = size(part.demand.peak.value, part.evidence, policy)
        except Refused as error:
            refused += [str(refusal) for refusal in error.refusals]
            continue
        replicas[name] = replicas_figure(sizing, part.demand)
        evidence = part.evidence.among(sizing.serving, policy)
        workers = proxy_workers(evidence, sizing, policy)
        containers = [
            container_amounts(container, evidence, sizing, policy, workers)
            for container in evidence.cpu
        ]
        totals.append(times(add(containers, "sum over containers"), sizing.replicas))
    reason = f"all replicas of phase {phase}"
    nothing = Figure(0.0, "millicores", reason)
    total = add(totals, reason) if totals else None
    return PhaseProjection(
        phase=phase,
        paths=moved.paths,
        peak=moved.demand.peak,
        replicas=replicas,
        cpu_request=total.cpu_request if total else nothing,
        memory_request=total.memory_request if total else Figure(0.0, "bytes", reason),
        refused=tuple(refused),
    )


def project_path(moved: Moved, policy: Policy) -> PathProjection:
    """Return what one path needs in each phase, moved alone."""
    phases = tuple(project_phase(phase, moved, policy) for phase in PHASES)
    return PathProjection(moved.paths[0], phases[0].peak, phases)

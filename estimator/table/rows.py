"""One measured row of a correspondence table, and the verdicts that it can get.

A load point says how much rps a number of replicas served together, and what each replica used. It
also holds what else is known of the run (target rate, connections, duration, tool), because a
verdict rests on that; a row without it is judged by what it has.

This module holds values only: the rules for a verdict are in verdicts.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """The kind of a component. A gateway also has limits that a table of rps does not show."""

    POD = "pod"
    GATEWAY = "gateway"


class Loop(StrEnum):
    """How the generator paced its requests.

    Open: each request is sent at its scheduled instant, whatever the server does. Closed: each
    connection sends its next request only after a response, so a saturated server slows the
    generator down and its latency looks like that of a busy one (coordinated omission).
    """

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Resources:
    """An amount of cpu and memory for one container."""

    cpu_millicores: float
    memory_bytes: int


class Verdict(StrEnum):
    """What a row is worth. The curve rests on `ok` and `non-monotone` rows; others are left out."""

    OK = "ok"
    FAILING = "failing"
    SATURATED = "saturated"
    GENERATOR_BOUND = "generator-bound"
    TOO_SHORT = "too short"
    NOISY = "noisy"
    NON_MONOTONE = "non-monotone"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with the rule that decided it."""

    verdict: Verdict
    rule: str
    """The rule with its numbers. For `ok` it says which rules could not be checked."""
    latency_doubt: str | None = None
    """Why no latency limit may rest on this row's p99; None if one may, or there is no p99."""

    @property
    def is_usable(self) -> bool:
        return self.verdict in (Verdict.OK, Verdict.NON_MONOTONE)


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """One measured row."""

    row: int
    """Position in the component's `points`, counted from 1."""
    replicas: int
    rps: float
    """Achieved rate over all replicas."""
    usage: Mapping[str, Resources]
    """Mean cpu and highest memory of one replica, by container."""
    p99_ms: float | None = None
    error_ratio: float | None = None
    """0 to 1. None if the table does not state it: it counts as 0 and is listed as assumed."""
    p50_ms: float | None = None
    rps_target: float | None = None
    """Rate that the generator was set to, over all replicas; None for a closed loop."""
    connections: int | None = None
    """Connections of the generator, over all replicas."""
    duration_s: float | None = None
    """Duration of the steady part, which the row describes."""
    tool: str | None = None
    loop: Loop | None = None
    cpu_max_millicores: Mapping[str, float] = field(default_factory=dict)
    """Highest cpu sample of one replica, for containers where it is stated."""
    cpu_limit_millicores: Mapping[str, float] = field(default_factory=dict)
    """Cpu limit during the run, for containers where it is stated."""
    workers: Mapping[str, int] = field(default_factory=dict)
    """Worker threads (Envoy's concurrency), for containers where they are stated."""
    judgement: Judgement | None = field(default=None, compare=False, repr=False)
    """Set by the component that owns the row; None outside a component."""

    @property
    def rps_per_replica(self) -> float:
        return self.rps / self.replicas

    @property
    def exclusion(self) -> str | None:
        """The rule that excludes this row from the curve; None if the row is used."""
        if self.judgement is None or self.judgement.is_usable:
            return None
        return self.judgement.rule

    def ceiling_millicores(self, container: str) -> float | None:
        """Return the most millicores that a container can use: its limit, or a core per worker.

        None if neither is stated.
        """
        ceilings = []
        if container in self.cpu_limit_millicores:
            ceilings.append(self.cpu_limit_millicores[container])
        if container in self.workers:
            ceilings.append(self.workers[container] * 1000.0)
        return min(ceilings, default=None)

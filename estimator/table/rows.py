"""One measured row of a correspondence table, and the words for what it is worth.

A load point says: so many replicas served so much rps together, and each replica used this much.
What else was written down about the run (the rate asked for, connections, how long, by which tool)
is here because a verdict rests on it; a row without it is judged by what it has.

Values only. The rules that give a verdict are in verdicts.py; knows nothing of files and curves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a component is; gateways are also limited by things a table of rps does not show."""

    POD = "pod"
    GATEWAY = "gateway"


class Loop(StrEnum):
    """How the load was generated.

    Open: requests come at their instants, whatever the server does. Closed: each connection waits
    for its answer before it asks again, so a server that is full slows the questions down, and
    the latency of a full server reads like that of a busy one (coordinated omission).
    """

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Resources:
    """An amount of both resources, of one container."""

    cpu_millicores: float
    memory_bytes: int


class Verdict(StrEnum):
    """What a row is worth: `ok` and `non-monotone` ones carry the curve, others are left out."""

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
    """With its numbers; also for `ok`, where it says what was checked."""
    latency_doubt: str | None = None
    """Why no latency limit may rest on this row's p99; None where it may, or has none."""

    @property
    def is_usable(self) -> bool:
        return self.verdict in (Verdict.OK, Verdict.NON_MONOTONE)


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """One measured row."""

    row: int
    """Its place in the component's `points`, counted from 1."""
    replicas: int
    rps: float
    """Achieved, over all replicas."""
    usage: Mapping[str, Resources]
    """By container, of one replica: mean cpu and highest memory."""
    p99_ms: float | None = None
    error_ratio: float | None = None
    """0 to 1; None where the table does not say, which counts as 0 and is listed as assumed."""
    p50_ms: float | None = None
    rps_target: float | None = None
    """What the generator was told to send, over all replicas; None for a closed loop."""
    connections: int | None = None
    """Of the generator, over all replicas."""
    duration_s: float | None = None
    """Of the steady part that the row is about."""
    tool: str | None = None
    loop: Loop | None = None
    cpu_max_millicores: Mapping[str, float] = field(default_factory=dict)
    """Highest cpu sample of one replica, for the containers that state it."""
    cpu_limit_millicores: Mapping[str, float] = field(default_factory=dict)
    """What the kernel allowed during the run, for the containers that state it."""
    workers: Mapping[str, int] = field(default_factory=dict)
    """Threads that do the work (Envoy's concurrency), for the containers that state them."""
    judgement: Judgement | None = field(default=None, compare=False, repr=False)
    """Set by the component that the row belongs to; None outside one."""

    @property
    def rps_per_replica(self) -> float:
        return self.rps / self.replicas

    @property
    def exclusion(self) -> str | None:
        """The rule by which this row must not be used, or None."""
        if self.judgement is None or self.judgement.is_usable:
            return None
        return self.judgement.rule

    def ceiling_millicores(self, container: str) -> float | None:
        """Return the most cpu that this container could use: the limit, or a core per worker."""
        ceilings = []
        if container in self.cpu_limit_millicores:
            ceilings.append(self.cpu_limit_millicores[container])
        if container in self.workers:
            ceilings.append(self.workers[container] * 1000.0)
        return min(ceilings, default=None)

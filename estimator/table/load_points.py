"""Components, their load points, and the verdict on each point.

A load point is one measured row: so many replicas served so much rps together, and each replica
used this much. A row that cannot be used is kept with the rule that excluded it; nothing is dropped
in silence. Knows nothing of files and of curves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

ERROR_RATIO_LIMIT = 0.01
"""Above it a row shows a component that fails; a failed request costs less than a served one."""


class Kind(StrEnum):
    """What a component is; gateways are also limited by things a table of rps does not show."""

    POD = "pod"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class Resources:
    """An amount of both resources, of one container."""

    cpu_millicores: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """One measured row."""

    row: int
    """Its place in the component's `points`, counted from 1."""
    replicas: int
    rps: float
    """Over all replicas."""
    usage: Mapping[str, Resources]
    """By container, of one replica."""
    p99_ms: float | None = None
    error_ratio: float | None = None
    """0 to 1; None where the table does not say, which counts as 0 and is listed as assumed."""

    @property
    def rps_per_replica(self) -> float:
        return self.rps / self.replicas

    @property
    def exclusion(self) -> str | None:
        """The rule by which this row must not be used, or None."""
        if self.error_ratio is not None and self.error_ratio > ERROR_RATIO_LIMIT:
            return f"error_ratio {self.error_ratio:g} is above {ERROR_RATIO_LIMIT:g}"
        return None


@dataclass(frozen=True, slots=True)
class Component:
    """One pod or gateway, with whose traffic reaches it and what it was measured to use."""

    name: str
    kind: Kind
    routes: tuple[str, ...]
    """Route tags, or `*`."""
    requests: Mapping[str, Resources]
    """Kubernetes requests by container; the same containers as in every row's usage."""
    points: tuple[LoadPoint, ...]

    @property
    def used_points(self) -> tuple[LoadPoint, ...]:
        return tuple(point for point in self.points if point.exclusion is None)

    @property
    def excluded_points(self) -> tuple[LoadPoint, ...]:
        return tuple(point for point in self.points if point.exclusion is not None)


@dataclass(frozen=True, slots=True)
class Table:
    """The components of one correspondence table."""

    source: str
    components: tuple[Component, ...]
    is_example: bool = False
    """The bundled one, which nobody measured."""

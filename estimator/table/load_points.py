"""Components, their load points, and which of these points a load curve may rest on.

A component judges its rows when it is created, so every row of a component has one verdict. A row
that cannot be used is kept with the rule that excludes it. This module knows neither files nor
curves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from estimator.table.rows import Judgement, Kind, LoadPoint, Loop, Resources, Verdict
from estimator.table.verdicts import ERROR_RATIO_LIMIT, judge

__all__ = [
    "ASSUMABLE",
    "ERROR_RATIO_LIMIT",
    "Component",
    "Judgement",
    "Kind",
    "LoadPoint",
    "Loop",
    "Resources",
    "Table",
    "Verdict",
]


ASSUMABLE = ("requests", "routes")
"""What a table may hold of a component without anybody having stated it."""

IDLE_MILLICORES_PER_RPS = 0.005
"""5 us of cpu for each request: no proxy or server passes a request on for less (nginx: 36 us)."""
LEAST_BUSY_RPS = 20.0
"""Below this rps per replica the cpu of a busy container may also round to nothing."""


@dataclass(frozen=True, slots=True)
class Component:
    """One pod or gateway: the routes that reach it, its requests and its measured rows."""

    name: str
    kind: Kind
    routes: tuple[str, ...]
    """Route tags, or `*` for all."""
    requests: Mapping[str, Resources]
    """Kubernetes requests by container. Every row's usage has the same containers."""
    points: tuple[LoadPoint, ...]
    """Invariant: every point has its `judgement`."""
    templates: tuple[str, ...] = field(default=(), compare=False)
    """The routes as the file spells them, for writing them back; empty if it has tags."""
    assumed: tuple[str, ...] = ()
    """Which of ASSUMABLE nobody stated, so that a default stands for them."""

    def __post_init__(self) -> None:
        judged = tuple(
            replace(point, judgement=judgement)
            for point, judgement in zip(self.points, judge(self.points), strict=True)
        )
        object.__setattr__(self, "points", judged)

    @property
    def used_points(self) -> tuple[LoadPoint, ...]:
        return tuple(point for point in self.points if point.exclusion is None)

    @property
    def excluded_points(self) -> tuple[LoadPoint, ...]:
        return tuple(point for point in self.points if point.exclusion is not None)

    @property
    def idle_containers(self) -> dict[str, LoadPoint]:
        """Containers that cannot have seen the load, with their busiest row that can be used."""
        busiest = max(self.used_points, key=lambda point: point.rps_per_replica, default=None)
        if busiest is None or busiest.rps_per_replica < LEAST_BUSY_RPS:
            return {}
        most = IDLE_MILLICORES_PER_RPS * busiest.rps_per_replica
        idle = [name for name, used in busiest.usage.items() if used.cpu_millicores <= most]
        return dict.fromkeys(idle, busiest)


@dataclass(frozen=True, slots=True)
class Table:
    """The components of one correspondence table."""

    source: str
    components: tuple[Component, ...]
    is_example: bool = False
    """True for the bundled table, which nobody measured."""

    @property
    def templates(self) -> tuple[str, ...]:
        """The routes of all components as the file spells them, each once."""
        routes = (
            route
            for component in self.components
            for route in component.templates or component.routes
        )
        return tuple(dict.fromkeys(routes))

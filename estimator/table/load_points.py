"""Components, their load points, and which of these a curve may rest on.

A component judges its rows when it is made, so there is no row without a verdict and no second
opinion elsewhere. A row that cannot be used is kept with the rule that excluded it; nothing is
dropped in silence. Knows nothing of files and of curves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from estimator.table.rows import Judgement, Kind, LoadPoint, Loop, Resources, Verdict
from estimator.table.verdicts import ERROR_RATIO_LIMIT, judge

__all__ = [
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
    """Judged: every one has its `judgement`."""
    templates: tuple[str, ...] = field(default=(), compare=False)
    """The routes as the file spelt them, for writing it again; empty: as the tags."""

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


@dataclass(frozen=True, slots=True)
class Table:
    """The components of one correspondence table."""

    source: str
    components: tuple[Component, ...]
    is_example: bool = False
    """The bundled one, which nobody measured."""

    @property
    def templates(self) -> tuple[str, ...]:
        """The routes of all components as the file spelt them, each once."""
        spelt = [route for one in self.components for route in one.templates or one.routes]
        return tuple(dict.fromkeys(spelt))

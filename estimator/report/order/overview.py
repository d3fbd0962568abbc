"""The short answer: how many paths are in which group, the first to move, and a table of each.

The text output prints it, and the runbook begins with it.
"""

from collections.abc import Iterator

from estimator import units
from estimator.migration.order.groups import FEW_RPS, SMALL_SHARE_RATIO, Group
from estimator.migration.order.plan import Plan, PlannedPath
from estimator.report.blocks import (
    Banner,
    Block,
    Cell,
    Column,
    Document,
    Grid,
    Headline,
    Level,
    Listing,
    Section,
)
from estimator.units import format_share

_COLUMNS = (
    Column("path"),
    Column("peak rps", is_number=True),
    Column("share", is_number=True),
    Column("writes", is_number=True),
    Column("lost", is_number=True),
    Column("why"),
)
_UNKNOWN = Cell("?")


def overview(plan: Plan) -> Document:
    """Return the document; it has a table for each group that has a path."""
    head: list[Block] = [Headline(_answer(plan), _first(plan))]
    if plan.doubts:
        head.insert(0, Banner(Level.WARN, "Low confidence", plan.doubts))
    if plan.notes:
        head.append(Listing("Mind", plan.notes))
    grids = tuple(_grid(group, paths) for group in Group if (paths := plan.of(group)))
    foot = (
        f"? is not known. A path with more than {FEW_RPS:.0f} rps, or with more than"
        f" {format_share(SMALL_SHARE_RATIO)} of all requests, is mirrored first: size it with"
        " `estimate` and check that by `estimate verify`. When to take which step:"
        " `estimate switch-plan`."
    )
    section = Section("order", "The order, least risk first", grids)
    return Document("Which paths move first", tuple(head), (section,), foot)


def name_of(path: PlannedPath) -> str:
    """Return the template of a path, or its tag where it has none."""
    return path.placed.facts.template or path.placed.facts.tag


def _answer(plan: Plan) -> str:
    switching, mirrored, working = (len(plan.of(group)) for group in Group)
    return (
        f"{len(plan.paths)} paths: {switching} can switch now, {mirrored} should be mirrored first,"
        f" {working} {'needs' if working == 1 else 'need'} work"
    )


def _first(plan: Plan) -> str:
    path = next((path for path in plan.paths if path.moves), None)
    if path is None:
        return "No path can move yet."
    placed = path.placed
    return f"Begin with {name_of(path)} ({placed.group.value}): {placed.reasons[0]}."


def _grid(group: Group, paths: tuple[PlannedPath, ...]) -> Grid:
    return Grid(group.value.capitalize(), _COLUMNS, tuple(tuple(_row(path)) for path in paths))


def _row(path: PlannedPath) -> Iterator[Cell]:
    facts, seen = path.placed.facts, path.placed.facts.seen
    yield Cell(name_of(path))
    yield Cell(units.format_rps(facts.traffic.peak_rps))
    yield Cell(format_share(facts.traffic.share_ratio))
    yield _share(seen.write_ratio if seen else None)
    yield _share(seen.lost_ratio if seen else None)
    yield Cell(". ".join(_sentence(words) for words in (*path.placed.reasons, *path.placed.hints)))


def _share(ratio: float | None) -> Cell:
    return _UNKNOWN if ratio is None else Cell(format_share(ratio))


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]

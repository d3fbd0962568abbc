"""The document of a coverage: the verdict, what is lost and why, what to add, what is not sure.

The reader is about to move a path. The first line answers; the tables name what is lost, the
largest first; and for each of it there is the rule that took it or is nearest, and YAML to add.
A table has at most as many rows as its extent allows and says how many more there are.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from estimator import units
from estimator.migration.coverage.analysis import MOST_EXPLAINED
from estimator.migration.coverage.result import Allowed, Coverage, Group
from estimator.migration.coverage.verdicts import Verdict
from estimator.report.blocks import (
    Banner,
    Block,
    Cell,
    Code,
    Column,
    Document,
    FactList,
    Grid,
    Level,
    Listing,
    Section,
)
from estimator.report.charts.axes import instant
from estimator.report.coverage import words

_Item = TypeVar("_Item")

MOST_ROWS = 20
MOST_MENDED = 3
"""Groups whose reasons and YAML are in the short report."""
MOST_PAGE_ROWS = 1_000
"""A page with a thousand rows of each table and MOST_EXPLAINED reasons has less than a megabyte."""
LOW_CONFIDENCE = "Confidence: low"


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of an answer a document has."""

    rows: int
    """Most rows of a table."""
    mended: int
    """Most groups with reasons and YAML."""
    more_in: str
    """Where the rest is."""


SHORT = Extent(MOST_ROWS, MOST_MENDED, "with --full")
PAGE = Extent(MOST_PAGE_ROWS, MOST_EXPLAINED, "in the JSON")
FULL = Extent(sys.maxsize, MOST_EXPLAINED, "in the table alone")


def document_of(
    coverage: Coverage, allowed: Allowed, version: str, extent: Extent = SHORT
) -> Document:
    """Return the document."""
    sections = (
        _lost(coverage, extent),
        _mended(coverage, extent),
        _undecided(coverage, extent),
        _refused(coverage, extent),
        _unused(coverage, extent),
        _unjudged(coverage, extent),
        _source(coverage),
    )
    return Document(
        title="Would it be routed?",
        head=tuple(_head(coverage, allowed)),
        sections=tuple(section for section in sections if section.blocks),
        foot=f"kagami estimate {version}; docs/switching.md says how to read this",
    )


def verdict_line(coverage: Coverage) -> str:
    """Return the answer in one sentence."""
    served = words.requests(coverage.served)
    if coverage.lost:
        share = units.format_share(coverage.lost_ratio)
        return (
            f"{coverage.lost_count:,} of {served} that production served ({share}) would be"
            " rejected or sent elsewhere"
        )
    if coverage.undecided:
        count = coverage.undecided_count
        return (
            f"None of {served} that production served is known to be lost; {count:,}"
            f" ({units.format_share(coverage.undecided_ratio)}) are undecided"
        )
    return f"All {served} that production served would be routed"


def doubts_of(coverage: Coverage, allowed: Allowed) -> tuple[str, ...]:
    """Return why the answer has low confidence; empty if it has not."""
    if coverage.undecided_ratio <= allowed.undecided:
        return coverage.doubts
    count = coverage.undecided_count
    depends_on = [name for each in coverage.undecided for name in each.depends_on]
    return (
        *coverage.doubts,
        f"{words.requests(count)} ({units.format_share(coverage.undecided_ratio)}) depend on what"
        f" the source does not record; decided by: {words.deciding(dict.fromkeys(depends_on))}",
    )


def _head(coverage: Coverage, allowed: Allowed) -> Iterator[Block]:
    doubts = doubts_of(coverage, allowed)
    level = Level.WARN if doubts else Level.OK
    if coverage.is_lossy(allowed):
        level = Level.BAD
    yield Banner(level, verdict_line(coverage), tuple(_verdict_details(coverage)))
    if doubts:
        yield Banner(Level.WARN, LOW_CONFIDENCE, doubts)


def _verdict_details(coverage: Coverage) -> Iterator[str]:
    if coverage.lost:
        rejected = coverage.count_of(Verdict.REJECTED)
        elsewhere = coverage.count_of(Verdict.ELSEWHERE)
        undecided = coverage.undecided_count
        yield f"{rejected:,} rejected, {elsewhere:,} sent elsewhere, {undecided:,} undecided"
    if unknown := len(coverage.unknown):
        many = "path that production answers" if unknown == 1 else "paths that production answers"
        verb = "is" if unknown == 1 else "are"
        yield f"{unknown:,} {many} with 2xx or 3xx {verb} unknown to the routes"
    if coverage.unrecorded:
        yield (
            f"nobody recorded the status of {words.requests(coverage.unrecorded)}: they count as"
            " if production had served them"
        )
    if coverage.refused:
        yield (
            f"production itself answered {words.requests(coverage.refused)} with 4xx or 5xx: they"
            " do not count"
        )


def _cut(
    items: Sequence[_Item], extent: Extent, most: int | None = None
) -> tuple[Sequence[_Item], str]:
    """Return the items that are shown, and the words for those that are not."""
    most = extent.rows if most is None else most
    if len(items) <= most:
        return items, ""
    return items[:most], f" ({len(items) - most:,} more {extent.more_in})"


# --- what is lost ---


def _lost(coverage: Coverage, extent: Extent) -> Section:
    titles = {
        Verdict.REJECTED: "Rejected: no rule takes them",
        Verdict.ELSEWHERE: "Sent elsewhere than production did",
    }
    grids = []
    for verdict, title in titles.items():
        groups = [group for group in coverage.lost if group.verdict is verdict]
        if groups:
            grids.append(_groups(title, groups, extent))
    return Section("lost", "What would be lost", tuple(grids))


def _groups(title: str, groups: Sequence[Group], extent: Extent) -> Grid:
    shown, more = _cut(groups, extent)
    columns = [
        Column("path"),
        Column("requests", is_number=True),
        Column("last seen, UTC"),
        Column("production"),
    ]
    rows = [
        [
            Cell(words.where(group)),
            Cell(f"{group.count:,}"),
            Cell("not recorded" if group.last_s is None else _minute(group.last_s)),
            Cell(words.statuses(group.statuses)),
        ]
        for group in shown
    ]
    if groups[0].verdict is Verdict.ELSEWHERE:
        columns.append(Column("would be"))
        for row, group in zip(rows, shown, strict=True):
            row.append(Cell(words.change(group)))
    return Grid(f"{title}{more}", tuple(columns), tuple(map(tuple, rows)))


def _minute(second: float) -> str:
    return instant(second)[: len("2026-03-02 20:04")]


# --- why, and what to add ---


def _mended(coverage: Coverage, extent: Extent) -> Section:
    groups, more = _cut(coverage.lost, extent, extent.mended)
    blocks: list[Block] = []
    for group in groups:
        title = f"{words.where(group)}: {words.requests(group.count)}"
        blocks.append(Listing(title, tuple(_reasons(group))))
        if group.suggestion is not None:
            lines = words.yaml_of(group.suggestion).splitlines()
            blocks.append(Code(f"{words.addition(group.suggestion)}:", tuple(lines)))
    return Section("mend", f"Why, and what to add{more}", tuple(blocks))


def _reasons(group: Group) -> Iterator[str]:
    methods = f", {words.listed(group.methods)}" if group.methods else ""
    yield f"most frequent: {group.example}{methods}"
    decision = group.decision
    if decision.rule is not None:
        yield f"taken by {decision.rule.place}: {words.outcome(decision)}"
    else:
        yield f"{words.outcome(decision)}: {decision.why}"
    if group.shadowed is not None:
        yield f"behind it, {group.shadowed.place} would serve them"
    if group.before is not None:
        why = f": {group.before.why}" if group.before.why else ""
        yield f"today: {words.outcome(group.before)}{why}"
    if group.difference:
        yield f"why they differ: {group.difference}"
    if group.nearest is not None:
        yield f"nearest rule: {group.nearest.rule.place}: {group.nearest.words}"
    if group.no_suggestion:
        yield f"no entry is suggested: {group.no_suggestion}"


# --- what is not sure, and what does not count ---


def _undecided(coverage: Coverage, extent: Extent) -> Section:
    if not coverage.undecided:
        return Section("undecided", "Undecided", ())
    shown, more = _cut(coverage.undecided, extent)
    columns = (
        Column("depends on"),
        Column("requests", is_number=True),
        Column("such as"),
        Column("may be"),
        Column("decided by"),
    )
    rows = tuple(
        (
            Cell(words.listed(each.depends_on) if each.depends_on else "what is not judged"),
            Cell(f"{each.count:,}"),
            Cell(each.example),
            Cell(" or ".join(dict.fromkeys(map(words.outcome, each.candidates)))),
            Cell(words.deciding(each.depends_on)),
        )
        for each in shown
    )
    title = f"What the source does not record decides{more}"
    return Section("undecided", "Undecided", (Grid(title, columns, rows),))


def _refused(coverage: Coverage, extent: Extent) -> Section:
    title = "Refused today, too"
    if not coverage.refused_anyway:
        return Section("refused", title, ())
    shown, more = _cut(coverage.refused_anyway, extent)
    columns = (Column("path"), Column("requests", is_number=True), Column("production"))
    rows = tuple(
        (Cell(words.where(group)), Cell(f"{group.count:,}"), Cell(words.statuses(group.statuses)))
        for group in shown
    )
    caption = f"Production answered with 4xx or 5xx, and no rule takes them: not counted{more}"
    grid = Grid(caption, columns, rows, is_folded=True)
    return Section("refused", title, (grid,))


def _unused(coverage: Coverage, extent: Extent) -> Section:
    if not coverage.unused:
        return Section("unused", "Unused rules", ())
    count = f"{len(coverage.unused):,} of {coverage.rules:,} rules took no request"
    return Section("unused", "Unused rules", (_listing(count, coverage.unused, extent),))


def _unjudged(coverage: Coverage, extent: Extent) -> Section:
    blocks = []
    if coverage.unjudged:
        items = [f"{each.feature} ({words.requests(each.count)})" for each in coverage.unjudged]
        blocks.append(_listing("Not judged, on the way of requests", items, extent, Level.WARN))
    if coverage.warnings:
        blocks.append(_listing("Warnings", coverage.warnings, extent, Level.WARN))
    return Section("unjudged", "Not understood", tuple(blocks))


def _listing(
    title: str, items: Iterable[object], extent: Extent, level: Level | None = None
) -> Listing:
    shown, more = _cut([str(item) for item in items], extent)
    return Listing(f"{title}{more}", tuple(shown), level)


def _source(coverage: Coverage) -> Section:
    pairs = [("Source", coverage.source)]
    if coverage.seconds is not None:
        first, last = map(instant, coverage.seconds)
        pairs.append(("Period", f"{first} to {last}"))
    pairs += [("Left out", f"{count:,}: {reason}") for reason, count in coverage.left_out.items()]
    if coverage.objects_left_out:
        kinds = (f"{count:,} {kind}" for kind, count in coverage.objects_left_out.items())
        pairs.append(("Not routes", words.listed(kinds)))
    blocks: list[Block] = [FactList(tuple(pairs))]
    if coverage.notes:
        blocks.append(Listing("About the source", coverage.notes))
    return Section("source", "Source", tuple(blocks))

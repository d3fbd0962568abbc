"""The answer on one screen: what is needed, how far to rely on it, what it hangs on, what is next.

It has at most `MOST_LINES` lines of text whatever the projection is: where there are more
components, reasons or warnings than fit, the largest or the first are named and the others counted.
Everything in it is in the complete report (content.py), which `--full` prints. This module counts
lines and computes no number of the answer.
"""

from collections.abc import Iterator, Sequence

from estimator.model.projection import ComponentProjection, Projection, Weight
from estimator.report import wording
from estimator.report.blocks import (
    Banner,
    Block,
    Cell,
    Column,
    Document,
    FactList,
    Grid,
    Level,
    Listing,
    Section,
)
from estimator.report.charts.axes import instant
from estimator.report.content import (
    CONFIDENT,
    LOW_CONFIDENCE,
    all_warnings,
    decided,
    example_banners,
    hpa_range,
)

MOST_LINES = 40
"""A report that is longer than a screen is not read."""
_MOST_ROWS = 12
_MOST_REASONS = 4
_MOST_WARNINGS = 3
_HEADING = 2
_FRAME = 7
"""Lines of a grid beside its rows: title, heading, rules, footer and the space around them."""


def summary_of(projection: Projection) -> Document:
    """Return the summary of a report."""
    head: list[Block] = [
        *(Banner(banner.level, banner.title) for banner in example_banners(projection)),
        FactList(tuple(_origin(projection))),
    ]
    costs = tuple(_costs(projection))
    sections = [
        Section("confidence", "How far to rely on it", tuple(_confidence(projection))),
        *_assumed(projection),
        Section("next", "What to run next, with the same options", (_next(projection),)),
    ]
    taken = sum(_height(block) for block in head) + len(costs)
    for section in sections:
        taken += _HEADING + sum(_height(block) for block in section.blocks)
    head.append(_needed(projection, MOST_LINES - taken - _FRAME))
    if costs:
        head.append(FactList(costs))
    return Document("Capacity projection", tuple(head), tuple(sections), "")


def _height(block: Block) -> int:
    match block:
        case Banner():
            return 1 + len(block.lines)
        case FactList():
            return len(block.pairs)
        case Listing():
            return 1 + len(block.items)
    raise AssertionError(f"{type(block).__name__} is in no summary")


def _origin(projection: Projection) -> Iterator[tuple[str, str]]:
    series = projection.series
    observed = wording.amount(series.observed.value, "seconds")
    yield "Peak", f"{wording.shown(series.peak)} at {instant(series.peak_second)}, over all routes"
    yield (
        "Series",
        f"{series.source}: {observed} observed, {series.completeness.value:.1%} complete",
    )


def _needed(projection: Projection, room: int) -> Grid:
    """Return one row for each component, or the largest ones and a row for the others."""
    columns = (
        Column("component"),
        *(Column(title, is_number=True) for title in ("replicas", "HPA", "cpu", "memory")),
        Column("decided by"),
    )
    components = projection.components
    room = min(_MOST_ROWS, room)
    if len(components) > room:
        largest = sorted(components, key=lambda part: -part.total.cpu_request.value)[: room - 1]
        components = tuple(part for part in components if part in largest)
    rows = [_row(component) for component in components]
    if more := len(projection.components) - len(components):
        named = f"and {more} more, none with more cpu"
        rows.append((Cell(named), *(Cell("") for _ in columns[1:-1]), Cell("--full lists them")))
    total = projection.total
    footer = (
        *(Cell("all"), Cell(""), Cell("")),
        Cell(wording.rounded(total.cpu_request)),
        Cell(wording.rounded(total.memory_request)),
        Cell(""),
    )
    return Grid(
        "Needed at the peak; requests of all replicas together", columns, tuple(rows), footer
    )


def _row(component: ComponentProjection) -> tuple[Cell, ...]:
    total = component.total
    return (
        Cell(_short(component.name)),
        Cell(wording.bare(component.replicas)),
        hpa_range(component),
        Cell(wording.rounded(total.cpu_request)),
        Cell(wording.rounded(total.memory_request)),
        Cell(decided(component), wording.flags(component.replicas, total.cpu_request)),
    )


def _short(name: str) -> str:
    """Return a name of at most as many characters as Kubernetes allows: a row is one line."""
    return name if len(name) <= 63 else f"{name[:62]}…"


def _costs(projection: Projection) -> Iterator[tuple[str, str]]:
    if (reserve := projection.reserve) is not None:
        yield "Reserve", f"{wording.factor(reserve)}, {reserve.reason}"
    plan = projection.nodes
    if plan is None:
        return
    pools = ", ".join(f"{wording.bare(pool.nodes)} {pool.pool}" for pool in plan.pools[:4])
    more = f" and {len(plan.pools) - 4} pools more" if len(plan.pools) > 4 else ""
    yield "Nodes", f"{wording.shown(plan.nodes)}: {pools}{more}"
    if plan.cost_per_month is not None:
        yield "Cost", wording.shown(plan.cost_per_month)


def _confidence(projection: Projection) -> Iterator[Block]:
    if projection.low_confidence:
        reasons = _first(projection.low_confidence, _MOST_REASONS)
        yield Banner(Level.WARN, LOW_CONFIDENCE, reasons)
    else:
        yield Banner(Level.OK, CONFIDENT)
    if warnings := all_warnings(projection):
        yield Listing("Warnings", _first(warnings, _MOST_WARNINGS), Level.WARN)


def _first(sentences: Sequence[str], most: int) -> tuple[str, ...]:
    """Return the first sentences, at most so many lines."""
    if len(sentences) <= most:
        return tuple(sentences)
    return (*sentences[: most - 1], f"and {len(sentences) - most + 1} more: --full lists them")


def _assumed(projection: Projection) -> Iterator[Section]:
    pairs = tuple(_weight(weight) for weight in projection.heaviest)
    if pairs:
        title = "The assumptions that move the answer most; --full gives their reasons"
        yield Section("assumed", title, (FactList(pairs),))


def _weight(weight: Weight) -> tuple[str, str]:
    assumed = weight.assumption
    origin = "default" if assumed.is_default else "given"
    if weight.factor is None:
        return assumed.name, f"{assumed.value}: {assumed.reason}"
    effect = f"cpu requested {wording.factor(weight.factor)}"
    return f"{assumed.name} {assumed.value}", f"{effect} ({origin})"


def _next(projection: Projection) -> FactList:
    largest = max(projection.components, key=lambda part: part.total.cpu_request.value)
    return FactList(
        (
            ("--full", "every number with its reason, all assumptions, what is not covered"),
            (
                f"--explain {_short(largest.name)}",
                "the arithmetic of the largest component, line by line",
            ),
            ("--html report.html", "the same with charts, to show; --manifests DIR, to apply"),
        )
    )

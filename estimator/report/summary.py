"""The answer on one screen: what is needed, how far to rely on it, what it hangs on, what is next.

It takes at most `MOST_LINES` lines of a terminal of 80 columns whatever the projection is: where
there are more components, reasons or warnings than fit, the largest or the first are named and the
others counted; a sentence that does not fit is cut. Everything in it is in the complete report
(content.py), which `--full` prints. This module counts lines and computes no number of the answer.
"""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len, set_cell_size

from estimator.model.projection import ComponentProjection, Figure, Projection, Weight
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
    example_banners,
    some_names,
)
from mirror.formats.foreign_text import visible

MOST_LINES = 40
"""A report that is longer than a screen is not read."""
_WIDTH = 80
_MOST_ROWS = 12
_MOST_REASONS = 4
_MOST_WARNINGS = 3
_ROOMS = ((12, 8), (8, 5), (6, 4), (4, 3))
"""Lines for reasons of low confidence and for warnings: the first pair that leaves every component
its row, otherwise the last."""
_HEADING = 2
_FRAME = 5
"""Lines of a grid beside its rows: title, heading, two rules and the footer."""
_NOTES = 11
"""Columns before the text of a note below the table."""
_RESERVES = {
    "loss of a pod": "pod",
    "loss of a zone": "zone",
    "rolling update": "update",
    "min replicas": "minimum",
}


def summary_of(projection: Projection) -> Document:
    """Return the summary of a report."""
    head: list[Block] = [
        *(Banner(banner.level, banner.title) for banner in example_banners(projection)),
        FactList(tuple(_origin(projection))),
    ]
    notes = (*_marks(projection.components), *_costs(projection))
    for reasons, warnings in _ROOMS:
        sections = [
            Section(
                "confidence",
                "How far to rely on it",
                tuple(_confidence(projection, reasons, warnings)),
            ),
            *_assumed(projection),
            Section("next", "What to run next, with the same options", (_next(projection),)),
        ]
        room = MOST_LINES - _FRAME - sum(map(_height, head))
        room -= _height(FactList(notes)) if notes else 0
        for section in sections:
            room -= _HEADING + sum(_height(block) for block in section.blocks)
        if room >= min(_MOST_ROWS, len(projection.components)):
            break
    head.append(_needed(projection, room))
    if notes:
        head.append(FactList(notes))
    return Document("Capacity projection", tuple(head), tuple(sections), "")


def _height(block: Block) -> int:
    match block:
        case Banner():
            return 1 + sum(_lines(line, 2) for line in block.lines)
        case FactList():
            indent = 4 + max(len(name) for name, _ in block.pairs)
            return sum(_lines(value, indent) for _, value in block.pairs)
        case Listing():
            return 1 + sum(_lines(item, 4) for item in block.items)
    raise AssertionError(f"{type(block).__name__} is in no summary")


def _lines(text: str, indent: int) -> int:
    """Return how many lines of a terminal a text takes."""
    return -(-(indent + cell_len(visible(text))) // _WIDTH)


def _cut(text: str, lines: int, indent: int) -> str:
    """Return the text as it is if it takes at most so many lines, or else its begin."""
    if _lines(text, indent) <= lines:
        return text
    return f"{set_cell_size(visible(text), lines * _WIDTH - indent - 1).rstrip()}…"


def _origin(projection: Projection) -> Iterator[tuple[str, str]]:
    series = projection.series
    observed = wording.amount(series.observed.value, "seconds")
    yield "Peak", f"{wording.shown(series.peak)} at {instant(series.peak_second)}, over all routes"
    yield (
        "Series",
        f"{observed} observed, {series.completeness.value:.1%} complete, from"
        f" {_cut(series.source, 1, 0)}",
    )


def _needed(projection: Projection, room: int) -> Grid:
    """Return one row for each component, or the largest ones and a row for the others."""
    columns = (
        Column("component"),
        *(Column(title, is_number=True) for title in ("pods", "HPA", "cpu", "memory")),
        Column("decided by"),
    )
    components = projection.components
    room = min(_MOST_ROWS, room)
    if len(components) > room:
        largest = sorted(components, key=lambda part: -part.total.cpu_request.value)[: room - 1]
        components = tuple(part for part in components if part in largest)
    rows = [_row(component) for component in components]
    if more := len(projection.components) - len(components):
        named = f"and {more} smaller ones"
        rows.append((Cell(named), *(Cell("") for _ in columns[1:-1]), Cell("--full lists them")))
    total = projection.total
    footer = (
        *(Cell("all"), Cell(""), Cell("")),
        _cores(total.cpu_request),
        Cell(wording.rounded(total.memory_request)),
        Cell(""),
    )
    return Grid(
        "Needed at the peak; cpu (in cores) and memory requested by all pods together",
        columns,
        tuple(rows),
        footer,
        is_compact=True,
    )


def _row(component: ComponentProjection) -> tuple[Cell, ...]:
    total = component.total
    mark = "*" if _cautions(component) else ""
    return (
        Cell(_short(component.name)),
        Cell(f"{wording.bare(component.replicas)}{mark}"),
        Cell(_hpa(component)),
        _cores(total.cpu_request),
        Cell(wording.rounded(total.memory_request)),
        Cell(_decided(component)),
    )


def _cores(cpu: Figure) -> Cell:
    """Return cpu in cores, as the title of the table says: 400m is 0.4."""
    words = wording.rounded(cpu).removesuffix(" cores").removesuffix(" core")
    return Cell(f"{int(words[:-1]) / 1000:g}" if words.endswith("m") else words)


def _hpa(component: ComponentProjection) -> str:
    """Return `3-9 at 32%`."""
    hpa = component.hpa
    if hpa is None:
        return "none"
    return (
        f"{wording.bare(hpa.min_replicas)}-{wording.bare(hpa.max_replicas)}"
        f" at {hpa.target_percent.value:g}%"
    )


def _decided(component: ComponentProjection) -> str:
    """Return what decided, and the reserve on top: `cpu of app + zone`."""
    replicas, name = component.replicas.value, component.decided_by
    added = [
        _RESERVES[limit.name]
        for limit in component.constraints
        if limit.replicas == replicas and limit.name != name and limit.name in _RESERVES
    ]
    return f"{name} + {added[-1]}" if added else name


def _cautions(component: ComponentProjection) -> tuple[str, ...]:
    figures = (component.replicas, component.total.cpu_request)
    flags = [str(flag) for figure in figures for flag in figure.flags]
    if component.hpa is not None and not component.hpa.survives:
        flags.append("HPA too slow")
    return tuple(dict.fromkeys(flags))


def _marks(components: Sequence[ComponentProjection]) -> Iterator[tuple[str, str]]:
    """Yield what a star in the table means, and for which components."""
    named: dict[str, list[str]] = {}
    for component in components:
        for caution in _cautions(component):
            named.setdefault(caution, []).append(component.name)
    if named:
        marks = "; ".join(f"{caution}: {some_names(of)}" for caution, of in named.items())
        yield "*", _cut(marks, 2, _NOTES)


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
    yield "Nodes", _cut(f"{wording.shown(plan.nodes)}: {pools}{more}", 2, _NOTES)
    if plan.cost_per_month is not None:
        yield "Cost", wording.shown(plan.cost_per_month)


def _confidence(projection: Projection, for_reasons: int, for_warnings: int) -> Iterator[Block]:
    if projection.low_confidence:
        reasons = _first(projection.low_confidence, _MOST_REASONS, for_reasons, 2)
        yield Banner(Level.WARN, LOW_CONFIDENCE, reasons)
    else:
        yield Banner(Level.OK, CONFIDENT)
    if warnings := all_warnings(projection):
        shown = _first(warnings, _MOST_WARNINGS, for_warnings, 4)
        yield Listing("Warnings", shown, Level.WARN)


def _first(sentences: Sequence[str], most: int, lines: int, indent: int) -> tuple[str, ...]:
    """Return the first sentences, at most so many, in at most so many lines."""
    shown: list[str] = []
    left = lines
    for number, sentence in enumerate(sentences, 1):
        is_last = number == len(sentences)
        # A line is kept for the count of the others.
        room = left if is_last else left - 1
        if len(shown) == most - (not is_last) or (shown and _lines(sentence, indent) > room):
            return (*shown, f"and {len(sentences) - len(shown)} more: --full lists them")
        shown.append(_cut(sentence, room, indent))
        left -= _lines(shown[-1], indent)
    return tuple(shown)


def _assumed(projection: Projection) -> Iterator[Section]:
    pairs = tuple(_weight(weight) for weight in projection.heaviest)
    if pairs:
        indent = 4 + max(len(name) for name, _ in pairs)
        pairs = tuple((name, _cut(value, 1, indent)) for name, value in pairs)
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

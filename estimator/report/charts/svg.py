"""Charts as inline SVG: lines over time, and a load curve with the rows it was fitted through.

A chart has two parts: the SVG, complete without a script, and the `data` that the script of the
page reads for the pointer and the arrow keys. Both come from the same values, so a tooltip says
what is drawn. Colours are classes of the style sheet, for light, dark and paper.

The page of a replay (mirror/replay/html.py) draws its own, simpler charts: `mirror` must not import
`estimator`, and a chart is no format that the two must agree on.

A name may come from a user's file: text enters the SVG through `Markup.format`, which escapes it.
This module computes pixels only, and does not know components, policies or files.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from estimator.report.charts.axes import Axis, short_number, ticks, time_ticks
from estimator.report.charts.thinning import Keep, Values

TOP = 22
TALL, LOW = 300, 190
_FOOT = 42
"""Height below the plot, for ticks and their labels."""


@dataclass(frozen=True, slots=True)
class Size:
    """How wide a chart is drawn; text has the same size in each."""

    css: str
    width: int
    left: int
    """Pixel at which the plot begins."""
    right: int
    about_ticks: int


WIDE = Size("wide", 960, 64, 934, 8)
NARROW = Size("narrow", 360, 46, 340, 4)
"""For a phone."""
SMALL = Size("both", 360, 46, 340, 4)
"""For a page that draws each chart only once."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One quantity over time."""

    name: str
    css: str
    """Class of the stroke: `line-1` to `line-6`."""
    values: Values
    """One value per bin; None is a gap."""
    is_step: bool = False
    """Whether each value holds until the next one, as for replicas."""
    keep: Keep = Keep.HIGHEST
    """Which of several neighbouring values represents them in a smaller chart."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point with a circle and a tooltip."""

    x: float
    y: float
    label: str
    """The text beside the circle; empty for none."""
    tip: str
    css: str = "mark"


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line across the plot, at a value of one axis."""

    at: float
    label: str
    css: str = "rule"


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Bins of equal length from `start`, in Unix seconds."""

    start: int
    bin_s: float
    bins: int

    @property
    def end(self) -> float:
        return self.start + self.bins * self.bin_s


@dataclass(frozen=True, slots=True)
class TimeChart:
    """A chart over time; every curve has a value for every bin."""

    title: str
    unit: str
    span: TimeAxis
    lines: tuple[Curve, ...]
    marks: tuple[Mark, ...] = ()
    rules: tuple[Rule, ...] = ()
    shaded: tuple[bool, ...] = ()
    """Whether each bin is shaded to mark a problem; empty if no bin is."""
    height: int = TALL


@dataclass(frozen=True, slots=True)
class CurveChart:
    """A function of rps with its bounds, the measured rows, and the limits of the evidence."""

    title: str
    name: str
    """The name of the value in the tooltip."""
    unit: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    band: tuple[tuple[float, float], ...]
    """Low and high at each x; empty for none."""
    points: tuple[Mark, ...]
    rules: tuple[Rule, ...]
    """Horizontal lines, each at a value of y."""
    limits: tuple[Rule, ...]
    """Vertical lines, each at an rps per replica."""
    known_to: float
    """The largest measured rps; beyond it the chart is shaded."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A finished chart."""

    svg: Markup
    data: dict[str, Any]


def draw_time(chart: TimeChart, size: Size = WIDE) -> Drawing:
    """Draw a chart that has at least one curve and one value."""
    span = chart.span
    highest = max(
        [value or 0.0 for line in chart.lines for value in line.values]
        + [mark.y for mark in chart.marks]
        + [rule.at for rule in chart.rules]
    )
    bottom = chart.height - _FOOT
    x = Axis(span.start, span.end, size.left, size.right)
    y_ticks = ticks(highest or 1.0, 5 if chart.height == TALL else 3)
    y = Axis(0.0, y_ticks[-1], bottom, TOP)
    when = time_ticks(span.start, int(span.end), size.about_ticks)
    parts = [
        _shade(chart, x),
        _y_axis(y, y_ticks, chart.unit, size),
        _x_axis([(x.px(second), label) for second, label in when], bottom),
        *(_path(line, span, x, y) for line in chart.lines),
        # Marks are drawn above the lines, so that their labels stay legible.
        _rules(chart.rules, y, size),
        _marks(chart.marks, x, y, size),
    ]
    data = {
        "kind": "time",
        "unit": chart.unit,
        "start": span.start,
        "bin": span.bin_s,
        "top": TOP,
        "bottom": bottom,
        "most": y.high,
        "lines": [
            {
                "name": drawn.name,
                "css": drawn.css,
                "value": [_short(value) for value in drawn.values],
            }
            for drawn in chart.lines
        ],
    }
    return Drawing(_frame(chart.title, chart.height, size, parts), data)


def draw_curve(chart: CurveChart, size: Size = WIDE) -> Drawing:
    """Draw a chart that has at least two values of x."""
    above = [high for _, high in chart.band] or [0.0]
    right = max(
        [*chart.x, *(point.x for point in chart.points), *(limit.at for limit in chart.limits)]
    )
    highest = max([*chart.y, *above, *(p.y for p in chart.points), *(r.at for r in chart.rules)])
    x_ticks, y_ticks = ticks(right or 1.0, size.about_ticks), ticks(highest or 1.0)
    x = Axis(0.0, x_ticks[-1], size.left, size.right)
    bottom = TALL - _FOOT
    y = Axis(0.0, y_ticks[-1], bottom, TOP)
    known_px = x.px(min(chart.known_to, x.high))
    beyond = Markup('<rect class="beyond" x="{}" y="{}" width="{}" height="{}"/>').format(
        known_px, TOP, round(size.right - known_px, 1), bottom - TOP
    )
    parts = [
        beyond if known_px < size.right else Markup(""),
        _y_axis(y, y_ticks, chart.unit, size),
        _x_axis([(x.px(value), short_number(value)) for value in x_ticks], bottom),
        _band(chart, x, y),
        _rules(chart.rules, y, size),
        _limits(chart.limits, x, bottom, size),
        _curve(chart, x, y),
        Markup('<text class="unit" x="{}" y="{}" text-anchor="end">rps per replica</text>').format(
            size.right, TALL - 3
        ),
        _marks(chart.points, x, y, size),
    ]
    data = {
        "kind": "curve",
        "unit": chart.unit,
        "at": [_short(value) for value in chart.x],
        "top": TOP,
        "bottom": bottom,
        "widest": x.high,
        "most": y.high,
        "lines": [
            {
                "name": chart.name,
                "css": "line-1",
                "value": [_short(value) for value in chart.y],
                "low": [_short(low) for low, _ in chart.band],
                "high": [_short(high) for _, high in chart.band],
            }
        ],
    }
    return Drawing(_frame(chart.title, TALL, size, parts), data)


def _frame(title: str, height: int, size: Size, parts: Iterable[Markup]) -> Markup:
    """Return the SVG around the parts, with a cursor that is hidden until the script shows it."""
    return Markup(
        '<svg viewBox="0 0 {} {}" class="{}" data-left="{}" data-right="{}" role="group"'
        ' aria-label="{}">{}'
        '<line class="cursor" x1="0" x2="0" y1="{}" y2="{}" visibility="hidden"/></svg>'
    ).format(
        *(size.width, height, size.css, size.left, size.right, title),
        *(Markup("").join(parts), TOP, height - _FOOT),
    )


def _shade(chart: TimeChart, x: Axis) -> Markup:
    """Shade bins; neighbours share a rectangle, because separate ones would show seams."""
    runs: list[tuple[int, int]] = []
    for index, is_shaded in enumerate(chart.shaded):
        if is_shaded and runs and runs[-1][1] == index:
            runs[-1] = (runs[-1][0], index + 1)
        elif is_shaded:
            runs.append((index, index + 1))
    span = chart.span
    return Markup("").join(
        Markup('<rect class="shade" x="{}" y="{}" width="{}" height="{}"/>').format(
            left, TOP, max(1.5, round(right - left, 1)), chart.height - _FOOT - TOP
        )
        for first, end in runs
        for left in [x.px(span.start + first * span.bin_s)]
        for right in [x.px(span.start + end * span.bin_s)]
    )


def _y_axis(axis: Axis, values: Sequence[float], unit: str, size: Size) -> Markup:
    placed = [(axis.px(value), short_number(value)) for value in values]
    grid = "".join(f"M{size.left} {at:g}H{size.right}" for at, _ in placed)
    labels = Markup("").join(
        Markup('<text x="{}" y="{}">{}</text>').format(size.left - 8, at + 4, label)
        for at, label in placed
    )
    return Markup(
        '<path class="grid" d="{}"/><g class="tick" text-anchor="end">{}</g>'
        '<text class="unit" x="{}" y="{}">{}</text>'
    ).format(grid, labels, size.left - 8, TOP - 10, unit)


def _x_axis(placed: Sequence[tuple[float, str]], bottom: float) -> Markup:
    marks = "".join(f"M{at:g} {bottom}v5" for at, _ in placed)
    labels = Markup("").join(
        Markup('<text x="{}" y="{}">{}</text>').format(at, bottom + 20, label)
        for at, label in placed
    )
    return Markup('<path class="axis" d="{}"/><g class="tick" text-anchor="middle">{}</g>').format(
        marks, labels
    )


def _rules(rules: Iterable[Rule], y: Axis, size: Size) -> Markup:
    return Markup("").join(
        Markup(
            '<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>'
            '<text class="rule-label" x="{}" y="{}" text-anchor="end">{}</text>'
        ).format(
            *(rule.css, size.left, size.right, at, at),
            *(size.right - 4, round(at - 5, 1), rule.label),
        )
        for rule in rules
        for at in [y.px(rule.at)]
    )


def _limits(limits: Sequence[Rule], x: Axis, bottom: float, size: Size) -> Markup:
    """Draw vertical lines with labels on separate rows, so that close ones stay legible."""
    drawn = []
    for row, limit in enumerate(limits):
        at = x.px(limit.at)
        is_left = at > (size.left + size.right) / 2
        drawn.append(
            Markup(
                '<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>'
                '<text class="rule-label" x="{}" y="{}" text-anchor="{}">{}</text>'
            ).format(
                *(limit.css, at, at, TOP, bottom),
                *(at + (-5 if is_left else 5), TOP + 12 + 15 * row),
                "end" if is_left else "start",
                limit.label,
            )
        )
    return Markup("").join(drawn)


def _marks(marks: Iterable[Mark], x: Axis, y: Axis, size: Size) -> Markup:
    drawn = []
    for mark in marks:
        at_x, at_y = x.px(mark.x), y.px(mark.y)
        is_left = at_x > (size.left + 3 * size.right) / 4 or at_x > size.right - 150
        label = Markup('<text class="mark-label" x="{}" y="{}" text-anchor="{}">{}</text>').format(
            at_x + (-9 if is_left else 9), at_y - 6, "end" if is_left else "start", mark.label
        )
        drawn.append(
            Markup('<g class="{}" tabindex="0" role="img" aria-label="{}">').format(
                mark.css, mark.tip
            )
            + Markup('<circle class="hit" cx="{}" cy="{}" r="12"/>').format(at_x, at_y)
            + Markup('<circle class="dot" cx="{}" cy="{}" r="5"/>').format(at_x, at_y)
            + (label if mark.label else Markup(""))
            + Markup("</g>")
        )
    return Markup("").join(drawn)


def _path(line: Curve, span: TimeAxis, x: Axis, y: Axis) -> Markup:
    """Draw one stroke from bin to bin; a gap interrupts it, and a level stretch is one command."""
    steps: list[str] = []
    before: float | None = None
    for index, value in enumerate(line.values):
        if value is not None:
            at = x.px(span.start + (index + (0 if line.is_step else 0.5)) * span.bin_s)
            if before is None:
                steps.append(f"M{at:g} {y.px(value):g}")
            elif line.is_step:
                steps += [] if value == before else [f"H{at:g}V{y.px(value):g}"]
            else:
                steps.append(f"L{at:g} {y.px(value):g}")
        is_last = index + 1 == len(line.values) or line.values[index + 1] is None
        if value is not None and is_last:
            # A single bin becomes a line of its length, because a single point would be invisible.
            end = x.px(span.start + (index + 1) * span.bin_s)
            steps += [f"H{end:g}"] if line.is_step or before is None else []
        before = value
    return Markup('<path class="line {}" d="{}"/>').format(line.css, "".join(steps))


def _straight(xs: Sequence[float], ys: Sequence[float], x: Axis, y: Axis) -> str:
    placed = [f"{x.px(x_value):g} {y.px(other):g}" for x_value, other in zip(xs, ys, strict=True)]
    return "M" + "L".join(placed)


def _curve(chart: CurveChart, x: Axis, y: Axis) -> Markup:
    """Draw a curve that is solid within the measured rows and dashed beyond them."""
    measured = max(1, sum(at <= chart.known_to for at in chart.x))
    solid = _straight(chart.x[:measured], chart.y[:measured], x, y)
    beyond = _straight(chart.x[measured - 1 :], chart.y[measured - 1 :], x, y)
    return Markup(
        '<path class="line line-1" d="{}"/><path class="line line-1 extrapolated" d="{}"/>'
    ).format(solid, beyond)


def _band(chart: CurveChart, x: Axis, y: Axis) -> Markup:
    if not chart.band:
        return Markup("")
    lows = [low for low, _ in chart.band]
    highs = [high for _, high in chart.band]
    upper = _straight(chart.x, highs, x, y)
    back = _straight(chart.x[::-1], lows[::-1], x, y)
    return Markup('<path class="band" d="{}L{}Z"/>').format(upper, back[1:])


def _short(value: float | None) -> float | None:
    """Round to the five digits of a tooltip, which take a third of the bytes of a double."""
    return None if value is None else float(f"{value:.6g}")

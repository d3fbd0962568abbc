"""Renders the result of a replay as one HTML page with plots, without scripts and other files.

Owns the plots: latency by percentile, and rate, latency and lag by step. The numbers are those of
the result; all text goes through Jinja2, which escapes it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from mirror.formats.replay_result import PartResult, ReplayResult, StepResult
from mirror.replay.result import measure_of
from mirror.replay.text import as_text

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 624, 16, 220
"""Edges of the plot area, in pixels."""
MOST_SPECTRA = 6
"""Most lines in one plot. Of more steps some are left out, never the first or the last."""

RATIOS = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999)
NINES = {0.0: "0 %", 1.0: "90 %", 2.0: "99 %", 3.0: "99.9 %", 4.0: "99.99 %"}

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    """Pixels."""
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot; all coordinates are in pixels."""

    title: str
    x_name: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: list[tuple[str, Points]]


def as_html(result: ReplayResult) -> str:
    """Return the whole page. Raises ValueError for broken histograms."""
    area = {"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT}
    area |= {"top": TOP, "bottom": BOTTOM}
    return _template().render(result=result, text=as_text(result), plots=plots_of(result), **area)


def plots_of(result: ReplayResult) -> list[Plot]:
    steps = [step for step in result.steps if step.due]
    if len(steps) < 2:
        return [_spectra([("all requests", result)])]
    shown = steps
    if len(steps) > MOST_SPECTRA:
        pace = (len(steps) - 1) / (MOST_SPECTRA - 1)
        shown = [steps[round(place * pace)] for place in range(MOST_SPECTRA)]
    rates = [("offered", [step.offered_rps for step in steps])]
    rates.append(("achieved", [step.achieved_rps for step in steps]))
    latencies = [
        ("p50", [step.from_intended_ms.p50 for step in steps]),
        ("p90", [step.from_intended_ms.p90 for step in steps]),
        ("p99", [step.from_intended_ms.p99 for step in steps]),
    ]
    lags = [
        ("p50", [step.schedule_lag_ms.p50 for step in steps]),
        ("p99", [step.schedule_lag_ms.p99 for step in steps]),
    ]
    return [
        _spectra([(f"{step.offered_rps:.0f} rps", step) for step in shown]),
        _by_rate("Latency from the intended start, ms", steps, latencies),
        _by_rate("Achieved rate, rps", steps, rates),
        _by_rate("Schedule lag of the generator, ms", steps, lags),
    ]


def _spectra(parts: Sequence[tuple[str, PartResult]]) -> Plot:
    """Plot latency over the share of requests within it; the axis counts the nines of the share."""
    lines = []
    for name, part in parts:
        histogram = measure_of(part).from_intended
        points = []
        for ratio in RATIOS:
            latency_ms = histogram.percentile_ms(ratio)
            # Draw no share above which there is less than one request.
            if latency_ms is not None and (1 - ratio) * part.answered >= 1:
                points.append((-math.log10(1 - ratio), latency_ms))
        lines.append((name, points))
    ticks = {at: text for at, text in NINES.items() if at <= _highest(lines, 0)}
    return _plot("Latency from the intended start, ms", "share of requests", lines, ticks)


def _by_rate(
    title: str, steps: Sequence[StepResult], columns: Sequence[tuple[str, Sequence[float | None]]]
) -> Plot:
    lines = []
    for name, values in columns:
        points = zip((step.offered_rps for step in steps), values, strict=True)
        lines.append((name, sorted((x, y) for x, y in points if y is not None)))
    ticks = {at: f"{at:g}" for at in _round_steps(_highest(lines, 0))}
    return _plot(title, "offered rps", lines, ticks)


def _plot(
    title: str, x_name: str, lines: list[tuple[str, Points]], x_ticks: dict[float, str]
) -> Plot:
    y_steps = _round_steps(_highest(lines, 1))
    x_end = max(_highest(lines, 0), *x_ticks) or 1.0
    y_end = max(_highest(lines, 1), *y_steps) or 1.0

    def x_at(x: float) -> float:
        return round(LEFT + x / x_end * (RIGHT - LEFT), 1)

    def y_at(y: float) -> float:
        return round(BOTTOM - y / y_end * (BOTTOM - TOP), 1)

    return Plot(
        title,
        x_name,
        [Tick(x_at(at), text) for at, text in x_ticks.items()],
        [Tick(y_at(at), f"{at:g}") for at in y_steps],
        [(name, [(x_at(x), y_at(y)) for x, y in points]) for name, points in lines],
    )


def _highest(lines: Sequence[tuple[str, Points]], axis: int) -> float:
    return max((point[axis] for _, points in lines for point in points), default=0.0)


def _round_steps(highest: float) -> list[float]:
    """Return four to ten ticks from 0 on, in steps of 1, 2 or 5 times a power of ten."""
    if highest <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(highest / 4))
    step = max(size * power for size in (1, 2, 5) if size * power * 4 <= highest * 1.000001)
    return [round(place * step, 9) for place in range(int(highest / step * 1.000001) + 1)]


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("mirror.replay"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")

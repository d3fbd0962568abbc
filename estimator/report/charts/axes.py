"""Axes of a chart: where a value lies in pixels, and which round values carry a label.

Ticks are 1, 2 or 5 times a power of ten; ticks of time fall on whole minutes, hours and days of
UTC, because a reader compares them with a dashboard. This module does not know what is drawn.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_TIME_STEPS_S = (
    *(1, 5, 15, 30),
    *(_MINUTE, 5 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE),
    *(_HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(_DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 28 * _DAY, 91 * _DAY, 364 * _DAY),
)


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear axis from `low` at pixel `low_px` to `high` at `high_px`; `low` < `high`."""

    low: float
    high: float
    low_px: float
    high_px: float

    def px(self, value: float) -> float:
        """Return the pixel of a value, rounded to a tenth, which keeps the file short."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.low_px + share * (self.high_px - self.low_px), 1)


def ticks(high: float, about: int = 5) -> tuple[float, ...]:
    """Return about `about` round values from 0 to the first at or above `high`, which is above 0.

    Worked: 943 in about five steps gives 0, 200, 400, 600, 800, 1000.
    """
    mantissa, exponent = f"{high / about:e}".split("e")
    round_up = next(step for step in (1, 2, 5, 10) if step >= float(mantissa) - 1e-9)
    step = float(f"{round_up}e{exponent}")
    values = [0.0]
    while values[-1] < high * (1 - 1e-12):
        # Multiply instead of adding, because 0.1 added ten times is not 1.
        values.append(round(len(values) * step, 12))
    return tuple(values)


def time_ticks(start: int, end: int, about: int = 8) -> tuple[tuple[int, str], ...]:
    """Return Unix times on round UTC instants within the span, each with its label."""
    step = next(
        (step for step in _TIME_STEPS_S if (end - start) / step <= about), _TIME_STEPS_S[-1]
    )
    first = -(-start // step) * step
    return tuple((second, _label(second, step)) for second in range(first, end + 1, step))


def _label(second: int, step_s: int) -> str:
    moment = datetime.fromtimestamp(second, UTC)
    if step_s >= _DAY:
        return moment.strftime("%-d %b")
    if moment.hour == moment.minute == moment.second == 0:
        return moment.strftime("%-d %b")
    return moment.strftime("%H:%M:%S" if step_s < _MINUTE else "%H:%M")


def short_number(value: float) -> str:
    """Return a tick's label: `0`, `0.5`, `800`, `12k`, `3.5M`."""
    for divisor, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= divisor:
            return f"{value / (1e3 if suffix == 'k' else divisor):g}{suffix}"
    return f"{value:g}"


def instant(second: float) -> str:
    """Return a Unix time in the form `2026-01-05 12:30:00 UTC`."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

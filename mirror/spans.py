"""Spans of time as people write them, in the configuration and on a command line.

This module owns the notation. What a span may be at most is said where it is used.
"""

import re
from dataclasses import dataclass

LONGEST_S = 3660 * 86400.0
"""Ten years, longer than anything that is kept."""

_UNITS_S = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_NUMBER = r"[0-9]*\.?[0-9]+"
_PART = re.compile(rf"({_NUMBER})(ms|[smhd])")
_SPAN = re.compile(rf"{_NUMBER}|(?:{_PART.pattern})+")


@dataclass(frozen=True, slots=True)
class SpanUnit:
    """Marks a numeric type as a span of time in this unit, which may be written as a text, too."""

    unit_s: float


def read_span_s(text: str, unit_s: float = 1.0) -> float:
    """Return the seconds of `500ms`, `90s`, `1.5m`, `1h30m` or `7d`. Raises ValueError.

    A number without a unit counts in units of `unit_s` seconds.
    """
    span_s = 0.0
    if _SPAN.fullmatch(text):
        parts = [float(number) * _UNITS_S[unit] for number, unit in _PART.findall(text)]
        span_s = sum(parts) if parts else float(text) * unit_s
    if not 0.001 <= span_s <= LONGEST_S:
        raise ValueError("expected a time span such as 500ms, 90s, 1h30m or 7d")
    return span_s


def show_span(span_s: float) -> str:
    """Return the span as a text that `read_span_s` reads: `1m15s` for 75 seconds."""
    if span_s < 1:
        return f"{span_s * 1000:g}ms"
    shown = ""
    for unit in ("d", "h", "m"):
        count, span_s = divmod(span_s, _UNITS_S[unit])
        shown += f"{count:g}{unit}" if count else ""
    return shown + f"{span_s:g}s" if span_s or not shown else shown

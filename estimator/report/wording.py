"""A figure in words: its value in the unit that people use, its bounds, its flags.

Invariant: the words never omit a flag and never show an amount below the figure (units.py rounds
up). Rounding for the reader is all that happens to a number.
"""

from estimator import units
from estimator.model.projection import Assumption, Figure
from estimator.report.blocks import Cell

_PLAIN = {"replicas", "nodes", "percent", "connections", "workers", "tokens", "requests"}


def amount(value: float, unit: str) -> str:
    """Return a value in words: `1,820 rps`, `450m`, `256Mi`, `1d12h`, `4`."""
    if unit == "millicores":
        return units.format_cpu(value)
    if unit == "bytes":
        return units.format_memory(int(value))
    if unit == "seconds":
        return units.format_duration(int(value)) if value == int(value) else f"{value:,.4g} s"
    if unit == "percent":
        return f"{value:,.6g}%"
    if unit in _PLAIN:
        return f"{value:,.6g}"
    if unit == "ratio":
        return f"{value:.4g}"
    if unit.startswith("rps"):
        return f"{units.format_rps(value)} {unit}"
    # The unit is a currency, or a word.
    digits = 2 if "per month" in unit else 1
    return f"{value:,.{digits}f}".removesuffix(".0") + f" {unit}"


def rounded(value: float, unit: str) -> str:
    """Return cpu as cores and memory as GiB, rounded up, for readers who do not read `13470m`.

    Worked: 13,471 millicores are `13.5 cores`.
    """
    if unit == "millicores":
        return f"{-(-value // 100) / 10:,.1f} cores"
    assert unit == "bytes", unit
    return f"{-(-value * 10 // 2**30) / 10:,.1f} GiB"


def bare(figure: Figure) -> str:
    """Return the value without its unit, for a column whose title names the unit."""
    words = amount(figure.value, figure.unit)
    return words.removesuffix(f" {figure.unit}")


def bounds(figure: Figure) -> str:
    """Return `4 to 6`; empty if the figure is exact or its error is unknown."""
    if figure.low is None and figure.high is None:
        return ""
    low = "?" if figure.low is None else _bare(figure.low, figure.unit)
    high = "?" if figure.high is None else _bare(figure.high, figure.unit)
    return "" if low == high == bare(figure) else f"{low} to {high}"


def caution(figure: Figure) -> str:
    """Return bounds and flags in brackets, such as `(4 to 6; extrapolated)`; empty without any."""
    parts = [part for part in (bounds(figure), *(str(flag) for flag in figure.flags)) if part]
    return f"({'; '.join(parts)})" if parts else ""


def shown(figure: Figure) -> str:
    """Return value, unit, bounds and flags."""
    return f"{amount(figure.value, figure.unit)} {caution(figure)}".rstrip()


def cell(figure: Figure | None, absent: str = "none") -> Cell:
    """Return the cell of a figure; None gives `absent`."""
    return Cell(absent) if figure is None else Cell(bare(figure), caution(figure))


def without_bounds(figure: Figure) -> Cell:
    """Return a cell with flags and without bounds, for a narrow column."""
    flags = "; ".join(str(flag) for flag in figure.flags)
    return Cell(bare(figure), f"({flags})" if flags else "")


def percent(figure: Figure) -> str:
    """Return a ratio as a share: `59%`, with its flags."""
    return f"{figure.value:.0%} {caution(figure)}".rstrip()


def factor(figure: Figure) -> str:
    """Return a ratio as a multiplier: `x 1.43`, with its flags."""
    return f"x {figure.value:.4g} {caution(figure)}".rstrip()


def rows(numbers: tuple[int, ...]) -> str:
    """Return `row 3` or `rows 1, 2`; empty without rows."""
    listed = ", ".join(str(number) for number in numbers)
    return f"row{'s' if len(numbers) > 1 else ''} {listed}" if numbers else ""


def assumption(assumed: Assumption) -> str:
    """Return a sentence that says whether the value is a default or was given."""
    origin = "default" if assumed.is_default else "given"
    reason = "" if assumed.reason == "given" else f"; {assumed.reason}"
    return f"{assumed.name}: {assumed.value} ({origin}){reason}"


def _bare(value: float, unit: str) -> str:
    return amount(value, unit).removesuffix(f" {unit}")

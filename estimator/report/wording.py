"""A figure in words: its value in the unit that people use, its bounds, its flags.

Invariant: the words never omit a flag and never show an amount below the figure (units.py rounds
up). Rounding for the reader is all that happens to a number.
"""

from estimator import units
from estimator.model.projection import Assumption, Figure
from estimator.report.blocks import Cell

_PLAIN = {"replicas", "nodes", "percent", "connections", "workers", "tokens", "requests"}


def amount(value: float, unit: str) -> str:
    """Return a value in words: `1,820 rps`, `450m`, `2.35 cores`, `256Mi`, `1d12h`, `4`."""
    if unit == "millicores":
        return _cpu(value)
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
    if "per month" in unit:
        # A currency. No price of a node is known to the cent.
        return f"{_raised(value):,} {unit}"
    return f"{value:,.1f}".removesuffix(".0") + f" {unit}"


def rounded(figure: Figure) -> str:
    """Return cpu or memory for an overview: three digits, rounded up, and its unit.

    Worked: 13,471 millicores are `13.5 cores`, 2,341 are `2.35 cores`, 960 stay `960m`; 8,025 Mi
    are `7.84Gi`.
    """
    value = figure.value
    if figure.unit == "millicores":
        return f"{_three_digits(value / 1000)} cores" if value > 1000 else _cpu(value)
    assert figure.unit == "bytes", figure.unit
    return f"{_three_digits(value / 2**30)}Gi" if value >= 2**30 else amount(value, figure.unit)


def _three_digits(value: float) -> str:
    """Return a number from 1 on with three digits, rounded up, or all digits of its whole part."""
    decimals = 2 if value < 10 else 1 if value < 100 else 0
    shown = f"{_raised(value * 10**decimals) / 10**decimals:,.{decimals}f}"
    return shown.rstrip("0").removesuffix(".") if decimals else shown


def _raised(value: float) -> int:
    """Return the next whole number; noise of binary floats raises nothing."""
    return int(-(-round(value, 9) // 1))


def _cpu(millicores: float) -> str:
    """Return whole millicores, rounded up, in cores from one core on: `960m`, `1 core`."""
    notation = units.format_cpu(millicores)
    if not notation.endswith("m"):
        return f"{notation} core{'' if notation == '1' else 's'}" if notation != "0" else "0"
    whole = int(notation[:-1])
    return f"{whole / 1000:,.3f}".rstrip("0") + " cores" if whole > 1000 else notation


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
    if low == high == bare(figure):
        return ""
    # Both are in cores, as a rule: the unit once is enough.
    low = low.removesuffix(" cores").removesuffix(" core") if high.endswith(" cores") else low
    return f"{low} to {high}"


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
    return Cell(bare(figure), flags(figure))


def flags(*figures: Figure) -> str:
    """Return the flags of all figures in brackets, each once; empty without any."""
    named = dict.fromkeys(str(flag) for figure in figures for flag in figure.flags)
    return f"({'; '.join(named)})" if named else ""


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

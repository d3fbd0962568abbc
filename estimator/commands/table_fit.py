"""`estimate table fit`: the load curve of every container, its range and its error."""

import sys
from pathlib import Path

import click

from estimator.commands.exits import EXIT_LOW_CONFIDENCE, endings
from estimator.migration.curves import ContainerCurve, curves_of, plot_of
from estimator.table.files import read_table
from estimator.table.text_plot import draw
from mirror.formats.terminal import say

EPILOG = """\b
Examples:
  estimate table fit table.yaml
  estimate table fit table.yaml | less

\b
Exit codes:
  0  every container has a curve
  2  bad input: every problem is listed on stderr
  3  a component has no row that can be used
"""


@click.command(epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path))
def fit(file: Path) -> None:
    """Fit a load curve to every container, with its error.

    The error comes from leaving out each row in turn and predicting it from the others.
    """
    with endings():
        table = read_table(file)
    is_whole = True
    for component in table.components:
        curves = curves_of(component)
        if not curves:
            is_whole = False
            say(f"{component.name}: has no row that can be used", err=True)
        for curve in curves.values():
            say(_described(curve))
            say(_drawn(curve))
            say("")
    if not is_whole:
        sys.exit(EXIT_LOW_CONFIDENCE)


def _described(curve: ContainerCurve) -> str:
    component, prediction = curve.component, curve.prediction
    used, total = len(component.used_points), len(component.points)
    lowest, highest = prediction.curve.lowest_rps, prediction.curve.highest_rps
    lines = [
        f"{component.name}, {curve.container}",
        f"  range     {lowest:.4g} to {highest:.4g} rps per replica; beyond it an extrapolation,"
        f" up to {prediction.limit_rps:.4g}",
        f"  rows      {used} used of {total}",
    ]
    if curve.median_error is None or curve.worst_error is None:
        lines.append("  error     not known: no row lies between others")
    else:
        lines.append(
            f"  error     median {curve.median_error:.1%}, worst {curve.worst_error:+.1%}"
            f" (measured against predicted, {len(curve.left_out)} row(s) left out in turn)"
        )
    lines.append(
        f"  bounds    +{prediction.margin_up:.1%} -{prediction.margin_down:.1%}"
        f" ({prediction.evidence})"
    )
    return "\n".join(lines)


def _drawn(curve: ContainerCurve) -> str:
    plot = plot_of(curve)
    line = [
        (float(x), float(y))
        for x, y in zip(plot.rps, plot.value, strict=True)
        if x <= plot.highest_row_rps
    ]
    used = [(row.rps, row.value) for row in plot.rows if row.is_used]
    unused = [(row.rps, row.value) for row in plot.rows if not row.is_used]
    return draw(line, used, unused, "mcpu")

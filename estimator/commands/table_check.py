"""`estimate table check`: the verdict on every row, with the rule that decided it."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.table import Table as Grid
from rich.text import Text

from estimator import units
from estimator.commands.exits import EXIT_LOW_CONFIDENCE, endings
from estimator.commands.terminal import console
from estimator.model.confidence import SPOILT, row_doubts
from estimator.table.files import read_table
from estimator.table.load_points import Component, LoadPoint, Verdict

EPILOG = """\b
Examples:
  estimate table check table.yaml
  estimate table check measured.csv

\b
Exit codes:
  0  every component has sound rows
  2  bad input: every problem is listed on stderr
  3  confidence: low, as an estimate from this table; rows were spoilt by the
     generator, by noise or by a short run, cpu falls as rps rises, a component has
     fewer than three loads, requests or routes that nobody stated, or a container
     that the load went past, or replicas serve more each the more there are;
     saturated and failing rows are no fault
"""

MOST_ROWS_SHOWN = 200
MOST_ROWS_NAMED = 20


@click.command(epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Judge every row of a correspondence table, with the rule that decided.

    The load curve rests on the rows that are ok, and on non-monotone rows, pooled with their
    neighbours. All other rows are left out and listed.
    """
    with endings():
        table = read_table(file)
    out = console()
    is_sound = True
    for component in table.components:
        out.print(_grid(component))
        if hidden := len(component.points) - len(_shown(component)):
            out.print(f"  {hidden:,} more rows; of many, only those that are not ok are listed")
        for text in _rules(component):
            out.print(text)
        for doubt in row_doubts(component):
            is_sound = False
            out.print(Text(f"{component.name}: {doubt}", "yellow"))
        for point in component.points:
            if point.judgement is not None and point.judgement.latency_doubt is not None:
                reason = f"{component.name}: row {point.row}: {point.judgement.latency_doubt}"
                out.print(Text(reason, "yellow"))
    if not is_sound:
        sys.exit(EXIT_LOW_CONFIDENCE)


def _grid(component: Component) -> Grid:
    title = Text(f"{component.name} ({component.kind.value})")
    grid = Grid(title=title, title_justify="left", show_edge=False)
    grid.add_column("row", justify="right")
    grid.add_column("replicas", justify="right")
    grid.add_column("rps", justify="right")
    grid.add_column("each", justify="right")
    for container in component.requests:
        grid.add_column(Text(container), justify="right")
    grid.add_column("verdict")
    for point in _shown(component):
        assert point.judgement is not None
        grid.add_row(
            str(point.row),
            str(point.replicas),
            units.format_rps(point.rps),
            units.format_rps(point.rps_per_replica),
            *(
                units.format_cpu(point.usage[container].cpu_millicores)
                for container in component.requests
            ),
            Text(point.judgement.verdict.value, _style(point.judgement.verdict)),
        )
    return grid


def _shown(component: Component) -> Sequence[LoadPoint]:
    """Return the rows that are listed: all, or of many the first that are not ok."""
    points = component.points
    if len(points) <= MOST_ROWS_SHOWN:
        return points
    not_ok = [p for p in points if p.judgement and p.judgement.verdict is not Verdict.OK]
    return not_ok[:MOST_ROWS_SHOWN]


def _rules(component: Component) -> Iterator[Text]:
    """Yield each rule once, with the rows that it decided."""
    rows: dict[tuple[Verdict, str], list[int]] = {}
    for point in component.points:
        assert point.judgement is not None
        rows.setdefault((point.judgement.verdict, point.judgement.rule), []).append(point.row)
    for (verdict, rule), decided in rows.items():
        listed = ", ".join(map(str, decided[:MOST_ROWS_NAMED]))
        if len(decided) > MOST_ROWS_NAMED:
            listed += f" and {len(decided) - MOST_ROWS_NAMED:,} more"
        where = f"  row{'s' * (len(decided) > 1)} {listed} "
        yield Text.assemble(where, (verdict.value, _style(verdict)), f": {rule}")


def _style(verdict: Verdict) -> str:
    if verdict is Verdict.OK:
        return "green"
    return "yellow" if verdict in SPOILT else "red"

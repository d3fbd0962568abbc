"""`mirror series`: shows the last minutes of a series.db, or exports the file for other tools.

This module owns the arguments, the table and its bars; series_file.py reads and exports.
"""

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.live import Live
from rich.table import Table

from mirror.commands.arguments import Written
from mirror.commands.series_file import SeriesFile, Window, export
from mirror.errors import InputError
from mirror.formats.rich_console import visible_console
from mirror.formats.terminal import say
from mirror.spans import read_span_s

EXIT_UNUSABLE = 2
ALL = "all routes"
BARS = 24
SHOWN_S = 900.0
_BAR = " ▁▂▃▄▅▆▇█"
_GAP = "·"
_REFRESH_S = 1.0


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default="series.db")
@click.option(
    "--route", "routes", multiple=True, metavar="TAG", help="Show only this route; may be repeated."
)
@click.option(
    "--last",
    "last_s",
    type=Written("SPAN", read_span_s),
    help="How far back from the newest second, such as 90s, 15m or 24h."
    "  [default: 15m to show, all to export]",
)
@click.option("--follow", is_flag=True, help="Refresh every second until Ctrl-C.")
@click.option(
    "--export",
    "target",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write every second to a .csv or .parquet file instead, or all that FILE holds to a .db.",
)
def series(
    file: Path, routes: tuple[str, ...], last_s: float | None, follow: bool, target: Path | None
) -> None:
    """Show the requests per second of FILE (default: series.db), with each peak and its second.

    A sidecar may be writing the file, also while it is copied. Each bar shows the highest second in
    its part of the window; a dot marks a part in which nothing was observed.

    \b
    Exit codes:
      0  shown or written
      2  the file cannot be used

    \b
    Examples:
      mirror series --last 1h --route /api/_
      mirror series /var/lib/mirror/series.db --export week.parquet --last 168h
      mirror series /var/lib/mirror/series.db --export copy.db --last 75m
    """
    if follow and target:
        raise click.UsageError("--follow and --export exclude each other")
    is_copy = target is not None and target.suffix == ".db"
    if is_copy and routes:
        raise click.UsageError("--export to a .db file takes all routes: leave out --route")
    try:
        with SeriesFile(file) as source:
            if target and is_copy:
                first, last = _bounds(source, last_s)
                source.copy_to(target, first, last)
                say(f"{target}: {utc(first)} to {utc(last)}")
            elif target:
                first, last = _bounds(source, last_s)
                chosen = _chosen(source, routes, first, last)
                number = export(source.rows(chosen, first, last), target)
                say(f"{target}: {number} rows, {utc(first)} to {utc(last)}")
            elif follow:
                _follow(source, routes, last_s or SHOWN_S)
            else:
                visible_console().print(_shown(source, routes, last_s or SHOWN_S))
    except InputError as error:
        say(f"mirror: {error}", err=True)
        sys.exit(EXIT_UNUSABLE)


def _chosen(source: SeriesFile, routes: tuple[str, ...], first: int, last: int) -> list[str]:
    recorded = source.routes(first, last)
    for route in routes:
        if route not in recorded:
            raise InputError(f"--route {route}: expected one of {', '.join(recorded)}")
    return list(routes) or recorded


def _bounds(source: SeriesFile, last_s: float | None) -> tuple[int, int]:
    first, last = source.span()
    return (first if last_s is None else max(first, last - round(last_s) + 1)), last


def _follow(source: SeriesFile, routes: tuple[str, ...], last_s: float) -> None:
    shown = Live(_shown(source, routes, last_s), console=visible_console(), auto_refresh=False)
    with suppress(KeyboardInterrupt), shown:
        while True:
            time.sleep(_REFRESH_S)
            shown.update(_shown(source, routes, last_s), refresh=True)


def _shown(source: SeriesFile, routes: tuple[str, ...], last_s: float) -> Table:
    window = source.window(*_bounds(source, last_s))
    chosen = _chosen(source, routes, window.first, window.last)
    length = window.last - window.first + 1
    gaps = length - len(window.observed)
    table = Table(
        title=f"{utc(window.first)} to {utc(window.last)}: {length} s, {gaps} not observed",
        title_justify="left",
        box=None,
    )
    table.add_column("route")
    for heading in ("last", "mean", "peak"):
        table.add_column(heading, justify="right")
    table.add_column("peak at (UTC)")
    table.add_column("highest second of each part")
    everything: dict[int, int] = {}
    for route in chosen:
        rps = window.rps.get(route, {})
        table.add_row(*_cells(route, rps, window))
        for second, number in rps.items():
            everything[second] = everything.get(second, 0) + number
    if len(chosen) > 1:
        table.add_row(*_cells(ALL, everything, window), style="bold")
    return table


def _cells(name: str, rps: dict[int, int], window: Window) -> list[str]:
    mean = sum(rps.values()) / len(window.observed)
    peak = max(rps.values(), default=0)
    peak_at = min((second for second, number in rps.items() if number == peak), default=None)
    return [
        name,
        str(rps.get(window.last, 0)),
        f"{mean:.1f}",
        str(peak),
        "" if peak_at is None else utc(peak_at),
        bars(rps, window),
    ]


def bars(rps: dict[int, int], window: Window) -> str:
    """Return a character for each part of the window: its highest second relative to the peak."""
    length = window.last - window.first + 1
    parts = min(BARS, length)
    highest: list[int | None] = [None] * parts
    for second in window.observed:
        part = (second - window.first) * parts // length
        highest[part] = max(highest[part] or 0, rps.get(second, 0))
    return drawn(highest)


def drawn(values: Sequence[int | None]) -> str:
    """Return a bar for each value, relative to the highest one; None is a gap."""
    top = max((value for value in values if value is not None), default=0) or 1
    steps = len(_BAR) - 1
    # Rounded up, so that every value above zero shows.
    return "".join(_GAP if value is None else _BAR[-(-value * steps // top)] for value in values)


def utc(second: float) -> str:
    """Return a Unix time in seconds as a date and a time of day in UTC."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")

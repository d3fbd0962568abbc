"""The projection for a terminal: tables, then what to know before relying on them.

Colour only where the console says it is a terminal; rich itself honours NO_COLOR. Names come from
files and from Datadog, so nothing is read as markup.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TextIO

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from estimator import units
from estimator.model.projection import Amounts, ComponentProjection, Projection

# Wide enough that no column is cut where nobody looks at a screen, in a file or a pipe.
_WIDTH_OFF_TERMINAL = 120


def print_text(projection: Projection, stream: TextIO) -> None:
    """Write the whole report to the stream."""
    console = Console(
        file=stream,
        markup=False,
        highlight=False,
        emoji=False,
        width=None if stream.isatty() else _WIDTH_OFF_TERMINAL,
    )
    if projection.is_example_table:
        console.print(
            "EXAMPLE TABLE: these numbers show the format of the answer, they are NOT a sizing of"
            " your cluster. Measure your own table and give it with --table.",
            style="bold red",
        )
        console.print()
    _print_series(projection, console)
    console.print(_overview(projection))
    for component in projection.components:
        _print_component(component, console)
    _print_list("Assumed", _assumption_lines(projection), console)
    _print_list("Warnings", projection.warnings, console, "yellow")
    _print_list("LOW CONFIDENCE", projection.low_confidence, console, "bold red")


def _print_series(projection: Projection, console: Console) -> None:
    series = projection.series
    observed = units.format_duration(int(series.observed.value))
    console.print(f"Series  {series.source}", soft_wrap=True)
    console.print(
        f"        {observed} observed from {_utc(series.start)}, {series.completeness.value:.1%}"
        f" complete, one value each {series.resolution.value:g} s"
    )
    console.print(
        f"        peak {units.format_rps(series.peak.value)} rps over all routes at"
        f" {_utc(series.peak_second)}"
    )
    console.print(f"Table   {projection.table}", soft_wrap=True)
    console.print()


def _overview(projection: Projection) -> Table:
    # Six columns: they fit into 80 characters with a long component name.
    table = Table(title="Needed at the peak", title_justify="left", show_footer=True, box=SIMPLE)
    total = projection.total
    table.add_column("component", "all", style="bold", overflow="fold")
    table.add_column("peak rps", justify="right")
    table.add_column("replicas", justify="right", style="bold green")
    table.add_column("cpu", units.format_cpu(total.cpu_request.value), justify="right")
    table.add_column("memory", _memory(total.memory_request.value), justify="right")
    table.add_column("decided by", overflow="fold")
    for component in projection.components:
        cpu, memory, _, _ = _cells(component.total)
        table.add_row(
            component.name,
            units.format_rps(component.peak.value),
            f"{component.replicas.value:g}",
            cpu,
            memory,
            component.decided_by,
        )
    return table


def _print_component(component: ComponentProjection, console: Console) -> None:
    console.print()
    console.print(
        Text.assemble(
            (component.name, "bold"),
            f"  {component.kind}, one replica of ",
            (f"{component.replicas.value:g}", "bold green"),
        )
    )
    table = Table(box=SIMPLE)
    table.add_column("container", overflow="fold")
    for title in ("cpu request", "memory request", "cpu used", "memory used"):
        table.add_column(title, justify="right")
    for name, amounts in component.containers.items():
        table.add_row(name, *_cells(amounts))
    console.print(table)
    rows = ", ".join(str(row) for row in component.rows_used)
    cpu_reasons = {amounts.cpu_used.reason: None for amounts in component.containers.values()}
    _, _, cpu_used, memory_used = _cells(component.total)
    lines = [
        f"peak: {units.format_rps(component.peak.value)} rps at {_utc(component.peak_second)},"
        f" {component.peak.reason}",
        f"replicas: {component.decided_by}: {component.replicas.reason}",
        f"load: {units.format_rps(component.rps_per_replica.value)} rps per replica of"
        f" {units.format_rps(component.capacity.value)} that one can serve; cpu utilisation"
        f" {component.cpu_utilisation.value:.0%} of the requests",
        f"cpu used: {'; '.join(cpu_reasons)}",
        f"all replicas together use {cpu_used} cpu and {memory_used} memory at the peak",
        f"rests on rows {rows}",
        *(f"row {row} not used: {rule}" for row, rule in component.rows_excluded.items()),
        f"not covered: {', '.join(component.not_covered)}",
    ]
    for line in lines:
        console.print(f"  {line}", soft_wrap=True)
    for warning in component.warnings:
        console.print(f"  warning: {warning}", style="yellow", soft_wrap=True)


def _assumption_lines(projection: Projection) -> Iterable[str]:
    for assumption in projection.assumptions:
        origin = " (default)" if assumption.is_default else ""
        yield f"{assumption.name}: {assumption.value}{origin}; {assumption.reason}"


def _print_list(title: str, lines: Iterable[str], console: Console, style: str = "") -> None:
    listed = list(lines)
    if listed:
        console.print()
        console.print(title, style=style or "bold")
        for line in listed:
            console.print(f"  - {line}", style=style, soft_wrap=True)


def _cells(amounts: Amounts) -> tuple[str, str, str, str]:
    return (
        units.format_cpu(amounts.cpu_request.value),
        _memory(amounts.memory_request.value),
        units.format_cpu(amounts.cpu_used.value),
        _memory(amounts.memory_used.value),
    )


def _memory(amount_bytes: float) -> str:
    return units.format_memory(int(amount_bytes))


def _utc(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

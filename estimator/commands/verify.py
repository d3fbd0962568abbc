"""`estimate verify`: compares predicted with observed cpu and memory while traffic is mirrored."""

import json
import math
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from estimator import units
from estimator.commands.exits import EXIT_LOW_CONFIDENCE, endings
from estimator.commands.sources import (
    check_source,
    read_source,
    set_by_user,
    source_of,
    source_options,
)
from estimator.commands.terminal import console
from estimator.commands.usage_options import DATADOG, UsageOptions, read_samples, usage_options
from estimator.errors import InputError, Problem
from estimator.migration.correct import Corrected, Correction, correct
from estimator.migration.verify import Conditions, ContainerError, Decision, Verification
from estimator.migration.verify import verify as compare
from estimator.observed.usage_file import parse_time
from estimator.series.rps import RpsSeries
from estimator.table.files import read_table, write_table
from mirror.formats.terminal import say_json

FORMAT = "kagami-verification"
VERSION = 1

EPILOG = """\b
Examples:
  estimate verify --table table.yaml --from-series series.db --observed usage.csv
  estimate verify --table table.yaml --from-series series.db --observed prometheus \\
      --prometheus-url http://prometheus:9090 --namespace shop
  estimate verify --table table.yaml --from-datadog --service watch --since 24h \\
      --observed datadog --mirror-ratio 0.5 --corrected better.yaml

\b
usage.csv has the columns time,container,cpu,memory and may have pod,component.

\b
Exit codes:
  0  go: the table predicts what was used
  2  bad input: every problem is listed on stderr
  3  no-go, or low confidence; the comparison is printed and says why
  4  refused: a source has no usable answer
"""


def _ratio(context: click.Context, parameter: click.Parameter, value: float) -> float:
    # click accepts "nan" as a float, and it compares false with both ends of the range.
    if value != value:
        raise click.BadParameter("nan is not a number")
    return value


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--table",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Correspondence table to be verified.",
)
@click.option(
    "--observed",
    required=True,
    metavar="FILE|prometheus|datadog",
    help="Cpu and memory of the pods in the new cluster, over the time of the series.",
)
@click.option(
    "--mirror-ratio",
    type=click.FloatRange(min=0, min_open=True, max=1000),
    callback=_ratio,
    default=1.0,
    show_default=True,
    help="Requests that reached the new cluster for each one of the series: 0.5 where half of"
    " them are mirrored, 2 where each is sent twice.",
)
@click.option(
    "--replicas",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="Pods of each component, where the samples do not name them.",
)
@click.option(
    "--start", metavar="TIME", help="Ignore everything before; Unix time or 2026-03-01T10:00:00Z."
)
@click.option("--end", metavar="TIME", help="Ignore everything after, such as a change of ratio.")
@click.option(
    "--corrected",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a corrected table, .yaml or .csv.",
)
@click.option(
    "--correction",
    type=click.Choice([correction.value for correction in Correction]),
    default=Correction.SCALE.value,
    show_default=True,
    help="scale: multiply the CPU of all rows by the bias. refit: use observed rows where there are"
    " any.",
)
@click.option(
    "--format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Output format.",
)
@source_options
@usage_options
@click.pass_context
def verify(context: click.Context, /, **options: Any) -> None:
    """Compare the CPU that a table predicts with the CPU used while traffic was mirrored.

    For every minute, the load curve predicts the CPU of each pod from its share of the rps; the
    prediction is compared with the measured CPU. The answer is go or no-go, with its reasons.
    """
    named = set_by_user(context)
    if options["observed"] == DATADOG:
        # These options then also apply to the usage samples, wherever the series comes from.
        named -= {"site", "api_url", "no_cache"}
    source = source_of(options, named)
    with endings():
        table = read_table(options["table"])
        check_source(source)
        _check_output(options["corrected"])
        limits = _times(options)
        series = between(read_source(source, table.templates), *limits)
        containers = {component.name: tuple(component.requests) for component in table.components}
        period = (float(series.start), float(series.start + series.duration_s))
        usage = read_samples(options["observed"], UsageOptions.of(options), containers, period)
        conditions = Conditions(options["mirror_ratio"], options["replicas"])
        verification = compare(series, table, usage, conditions)
        corrected = None
        if options["corrected"] is not None:
            corrected = correct(table, verification, Correction(options["correction"]))
            write_table(corrected.table, options["corrected"])
    if options["format"] == "json":
        say_json(json.dumps(_document(verification, corrected, options["corrected"]), indent=2))
    else:
        _print(verification, corrected, options["corrected"])
    if verification.decision is not Decision.GO:
        sys.exit(EXIT_LOW_CONFIDENCE)


def _times(options: dict[str, Any]) -> tuple[float, float]:
    bounds, problems = {"start": -math.inf, "end": math.inf}, []
    for name in bounds:
        if options[name] is not None:
            try:
                bounds[name] = parse_time(options[name])
            except ValueError as error:
                problems.append(Problem(f"--{name}", str(error)))
    if problems:
        raise InputError(problems)
    return bounds["start"], bounds["end"]


def between(series: RpsSeries, start: float, end: float) -> RpsSeries:
    """Return the buckets of a series that begin in [start, end).

    Raises InputError if there are none.
    """
    seconds = series.start + np.arange(series.rps.shape[1]) * series.resolution_s
    chosen = (seconds >= start) & (seconds < end)
    if not chosen.any():
        rule = f"leave nothing of the series, which is from {series.start} to {seconds[-1]}"
        raise InputError([Problem("--start and --end", rule)])
    return replace(series, start=int(seconds[chosen][0]), rps=series.rps[:, chosen])


def _check_output(path: Path | None) -> None:
    if path is not None and path.exists():
        raise InputError([Problem(str(path), "exists; a corrected table is a new file")])


def _print(verification: Verification, corrected: Corrected | None, path: Path | None) -> None:
    out = console()
    grid = Grid(show_edge=False)
    grid.add_column("container", no_wrap=True)
    for title in ("minutes", "bias", "median", "short", "worst", "in bounds", "memory"):
        grid.add_column(title, justify="right", no_wrap=True)
    for error in verification.containers:
        grid.add_row(Text(f"{error.component}, {error.container}"), *_cells(error))
    out.print(grid)
    out.print(
        "bias: predicted over used cpu, all minutes; median: of the error of a minute; short: one"
        " minute of twenty is below; worst: the lowest",
        style="dim",
    )
    for title, lines in (("because", verification.reasons), ("mind", verification.cautions)):
        _list(out, title, lines)
    if corrected is not None:
        _list(out, f"changed in {path}", corrected.changes)
    style = "green" if verification.decision is Decision.GO else "red"
    out.print(Text(verification.decision.value, f"bold {style}"))


def _cells(error: ContainerError) -> Iterable[str]:
    yield str(len(error.buckets.rps_per_replica))
    yield f"{error.bias:+.1%}"
    yield f"{error.median_error:.1%}"
    yield f"{error.short_error:+.1%}"
    yield f"{error.worst_short:+.1%}"
    yield "unknown" if error.coverage is None else f"{error.coverage:.0%}"
    if error.observed_memory_bytes is None:
        yield "unknown"
    else:
        memory = units.format_memory(error.observed_memory_bytes)
        yield f"{memory} of {units.format_memory(error.predicted_memory_bytes)}"


def _list(out: Console, title: str, lines: Iterable[str]) -> None:
    for line in lines:
        out.print(Text(f"{title}: {line}"))


def _document(
    verification: Verification, corrected: Corrected | None, path: Path | None
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "verdict": verification.decision.value,
        "reasons": list(verification.reasons),
        "cautions": list(verification.cautions),
        "containers": [
            {
                "component": error.component,
                "container": error.container,
                "buckets": len(error.buckets.rps_per_replica),
                "bucket_s": error.buckets.width_s,
                "bias": error.bias,
                "median_error": error.median_error,
                "short_error": error.short_error,
                "worst_short": error.worst_short,
                "worst_excess": error.worst_excess,
                "coverage": error.coverage,
                "buckets_beyond_rows": error.beyond_rows,
                "buckets_beyond_limit": error.beyond_limit,
                "reached_ratio": error.reached_ratio,
                "predicted_memory_bytes": error.predicted_memory_bytes,
                "observed_memory_bytes": error.observed_memory_bytes,
            }
            for error in verification.containers
        ],
        "corrected": None
        if corrected is None
        else {"file": str(path), "changes": list(corrected.changes)},
    }

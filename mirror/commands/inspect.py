"""`mirror inspect`: shows what captures hold, as text or JSON.

This module owns the arguments and the printing; capture/overview.py adds up.
"""

import json
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import click

from mirror.capture.overview import Overview
from mirror.errors import InputError
from mirror.formats.capture.reader import read_records
from mirror.formats.capture.record import Summary
from mirror.formats.foreign_text import visible
from mirror.formats.routes import RouteTable, TemplateError
from mirror.formats.terminal import say, say_json

EXIT_UNUSABLE = 2

SHOWN_NAMES = 10
SHOWN_LOSSES = 5
COLUMNS = 60
_BARS = "▁▂▃▄▅▆▇█"


class Losses:
    """Counts the places that cannot be read, and keeps the first few."""

    def __init__(self) -> None:
        self.number = 0
        self.shown: list[str] = []

    def add(self, loss: str) -> None:
        self.number += 1
        if len(self.shown) < SHOWN_LOSSES:
            self.shown.append(loss)


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE...", type=Path)
@click.option(
    "--route", "templates", multiple=True, metavar="TEMPLATE", help="A route, as in mirror.yaml."
)
@click.option("--salvage", is_flag=True, help="Use what can be read of a damaged capture.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def inspect(
    paths: tuple[Path, ...], templates: tuple[str, ...], salvage: bool, as_json: bool
) -> None:
    """Show what captures hold: files of `mirror import`, segments, or folders of segments.

    Shows the time span, requests per second with the busiest second, routes (paths unless --route
    gives templates), methods, sizes, and what was dropped, redacted or not sampled.

    \b
    Examples:
      mirror inspect /var/lib/mirror/capture
      mirror inspect requests.zst --route '/watch/{id}' --route '/api/*'
      mirror inspect --salvage --json capture/20261123T011500.000000Z-web-1-4711.capture.zst

    \b
    Exit codes:
      0  read
      2  a capture cannot be read; with --salvage, only if nothing can be read
    """
    losses = Losses()
    summary = Summary()
    try:
        overview = Overview(RouteTable(templates).match if templates else None)
        for path in paths:
            for record in read_records(path, losses.add if salvage else None, summary):
                overview.add(record)
        if not overview.requests:
            raise InputError(f"{', '.join(map(str, paths))}: no request in it")
    except TemplateError as error:
        raise click.BadParameter(str(error), param_hint="--route") from error
    except InputError as error:
        say(error, err=True)
        sys.exit(EXIT_UNUSABLE)
    if as_json:
        say_json(to_json(overview, summary, losses))
    else:
        say(to_text(overview, summary))
    if losses.number and not as_json:
        say(f"\n{losses.number} places could not be read:", err=True)
        for loss in losses.shown:
            say(f"  {loss}", err=True)


def to_json(overview: Overview, summary: Summary, losses: Losses) -> str:
    """Return the overview as one JSON object (docs/formats.md)."""
    second, highest = overview.peak
    document = {
        "format": "kagami-overview",
        "version": 1,
        "requests": overview.requests,
        "begin": overview.begin_s,
        "end": overview.end_s,
        "mean_rps": overview.mean_rps,
        "peak": {"second": second, "rps": highest},
        "methods": dict(overview.methods.most_common()),
        "hosts": dict(overview.hosts.most_common()),
        "routes": dict(overview.routes.most_common()),
        "head_bytes": overview.head_bytes,
        "bodies": {
            "requests": overview.bodies,
            "left_out": overview.bodies_left_out,
            "bytes": overview.body_bytes,
            "largest_bytes": overview.largest_body_bytes,
        },
        "dropped": summary.dropped,
        "redacted": summary.redacted,
        "not_sampled": summary.not_sampled,
        "unreadable": losses.number,
    }
    return json.dumps(document, indent=2)


def to_text(overview: Overview, summary: Summary) -> str:
    second, highest = overview.peak
    rows = [
        f"{overview.requests} requests over {overview.span_s:.1f} s, "
        f"{_utc(overview.begin_s)} to {_utc(overview.end_s)}",
        f"  mean {overview.mean_rps:.1f} rps, highest second {highest} at {_utc(second)}",
        f"  {_sparkline(overview.rps_over_time(COLUMNS))}",
        "",
        _listed("methods", overview.methods),
        _listed("hosts", overview.hosts),
        _listed("routes", overview.routes),
        f"  heads    {overview.head_bytes / overview.requests:.0f} bytes each",
    ]
    if overview.bodies:
        rows.append(
            f"  bodies   {overview.bodies}, {overview.body_bytes / overview.bodies:.0f} bytes each,"
            f" largest {overview.largest_body_bytes}; {overview.bodies_left_out} not kept"
        )
    dropped = ", ".join(f"{reason} {number}" for reason, number in summary.dropped.items())
    rows += [
        "",
        f"  dropped {visible(dropped) or 'none'}; {summary.redacted} values redacted; "
        f"{summary.not_sampled} requests not sampled",
    ]
    return "\n".join(rows)


def _listed(title: str, names: Counter[str]) -> str:
    total = names.total()
    rows = []
    for name, number in names.most_common(SHOWN_NAMES):
        rows.append(f"{number:9} {number / total:6.1%}  {visible(name)[:100]}")
    if len(names) > SHOWN_NAMES:
        rest = total - sum(number for _, number in names.most_common(SHOWN_NAMES))
        rows.append(f"{rest:9} {rest / total:6.1%}  in {len(names) - SHOWN_NAMES} others")
    return f"  {title}\n" + "\n".join(rows)


def _sparkline(values: list[float]) -> str:
    highest = max(values)
    return "".join(_BARS[int(value / highest * (len(_BARS) - 1) + 0.5)] for value in values)


def _utc(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""`mirror compare`: does the shadow answer as production does, and is the switch safe?

This module owns the options, the exit codes and what is printed; mirror/comparison/report judges.
"""

import re
import sys
from pathlib import Path

import click

from mirror.addresses import TcpAddress
from mirror.commands.admin_client import AdminAddress, token_option
from mirror.commands.arguments import Number, Written, read_instant
from mirror.commands.compare_sources import DEFAULT, NotComparedError, read_parts
from mirror.comparison.report.content import content_of
from mirror.comparison.report.data import as_json
from mirror.comparison.report.html import as_html
from mirror.comparison.report.judgement import Judgement, Thresholds, judge
from mirror.comparison.report.parts import Sum, add_up
from mirror.comparison.report.series_part import Span
from mirror.comparison.report.text import as_text
from mirror.errors import InputError
from mirror.formats.terminal import say, say_json
from mirror.formats.whole_files import writing_whole
from mirror.spans import read_span_s

EXIT_UNUSABLE = 2
EXIT_UNJUDGED = 3
MOST_TEXT_ROWS = 20
MOST_PAGE_ROWS = 500
_SHARE = re.compile(r"([0-9]*\.?[0-9]+)( ?%)?")


def read_threshold(text: str) -> tuple[str, float]:
    """Return the route (empty for all) and the share of `[ROUTE=]SHARE`. Raises ValueError."""
    route, _, share = text.rpartition("=")
    match = _SHARE.fullmatch(share)
    ratio = (float(match[1]) / 100 if match[2] else float(match[1])) if match else 0.0
    if not 0 < ratio <= 1:
        raise ValueError(
            "expected a share above 0 such as 0.1%, 0.001 or /api/_=1%; no number of pairs proves"
            " that there is no error at all"
        )
    return route, ratio


@click.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option(
    "--admin",
    "sidecar",
    type=AdminAddress(),
    metavar="HOST:PORT",
    help="A running sidecar, as other commands name it; the same as this address as SOURCE.",
)
@click.option(
    "--max-new-errors",
    "new_errors",
    multiple=True,
    type=Written("[ROUTE=]SHARE", read_threshold),
    help="Largest share of requests that the shadow does not serve as production does, of all and"
    " of each route; with ROUTE= another one for that route.  [default: 0.1%]",
)
@click.option(
    "--max-slower",
    type=Number(min=0.1),
    default=2.0,
    show_default=True,
    metavar="X",
    help="Accept a p99 of the shadow up to X times production's, of all and of each route.",
)
@click.option(
    "--from",
    "from_s",
    type=Written("TIME", read_instant),
    help="Read a series.db from this time on, such as 2026-11-23T09:00:00Z.",
)
@click.option("--until", "until_s", type=Written("TIME", read_instant), help="And up to this time.")
@click.option(
    "--last",
    "last_s",
    type=Written("SPAN", read_span_s),
    help="Or how far back from its newest second, such as 15m or 24h.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print the report.",
)
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write the report as one page that opens offline.",
)
@token_option
def compare(
    sources: tuple[str, ...],
    sidecar: TcpAddress | None,
    new_errors: tuple[tuple[str, float], ...],
    max_slower: float,
    from_s: float | None,
    until_s: float | None,
    last_s: float | None,
    form: str,
    page: Path | None,
    token: bytes | None,
) -> None:
    """Compare what production and the shadow answered, and say whether the switch is safe.

    A SOURCE is the admin address of a running sidecar (default: 127.0.0.1:9911), a file with what
    its /comparison answered, or a series.db. Several are added up. The first line is the answer:
    safe so far, not known yet, needs attention, or not safe to switch.

    \b
    Exit codes:
      0  safe so far: the thresholds hold, with 95 % confidence
      2  a source or an option cannot be used
      3  needs attention or not known yet: too few pairs, or another doubt that the report names
      5  not safe to switch: more new errors, or a slower p99, than the thresholds allow

    \b
    Examples:
      mirror compare
      mirror compare 10.0.0.5:9911 10.0.0.6:9911 --token-file token --html compare.html
      mirror compare /var/lib/mirror/series.db --last 24h --max-new-errors 0.05%
      mirror compare --max-new-errors 0.1% --max-new-errors /rare/_=5% --max-slower 1.5
    """
    if sidecar is not None:
        if sources:
            raise click.UsageError("--admin and SOURCE exclude each other; several are SOURCEs")
        sources = (str(sidecar),)
    if last_s is not None and (from_s is not None or until_s is not None):
        raise click.UsageError("--last excludes --from and --until")
    if from_s is not None and until_s is not None and from_s > until_s:
        raise click.UsageError("--from: expected a time before that of --until")
    shares = dict(new_errors)
    if len(shares) < len(new_errors):
        raise click.UsageError("--max-new-errors: expected one share for all and one for a route")
    overall = shares.pop("", Thresholds().new_errors)
    try:
        compared = add_up(read_parts(sources or (DEFAULT,), Span(from_s, until_s, last_s), token))
        judgement = judge(compared, Thresholds(overall, shares, max_slower))
        if page is not None:
            _write(page, compared, judgement)
    except NotComparedError as error:
        say(f"mirror: {error}", err=True)
        sys.exit(EXIT_UNJUDGED)
    except InputError as error:
        say(f"mirror: {error}", err=True)
        sys.exit(EXIT_UNUSABLE)
    if form == "json":
        say_json(as_json(compared, judgement))
    else:
        say(as_text(content_of(compared, judgement, MOST_TEXT_ROWS)))
    sys.exit(judgement.exit_code)


def _write(page: Path, compared: Sum, judgement: Judgement) -> None:
    try:
        with writing_whole(page) as file:
            file.write(as_html(content_of(compared, judgement, MOST_PAGE_ROWS)).encode())
    except OSError as error:
        raise InputError(f"{page}: cannot be written: {error.strerror}") from error

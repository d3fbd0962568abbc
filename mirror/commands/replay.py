"""`mirror replay`: send a capture again, open loop, and say what came of it.

Owns the argv and what is printed; the doing is mirror/replay's.
"""

import gc
import resource
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import click
import uvloop

from mirror.addresses import Url
from mirror.capture.reader import read_records
from mirror.commands.arguments import (
    Number,
    Written,
    read_instant,
    read_rates,
    read_shard,
    read_span_s,
    read_target,
)
from mirror.commands.replay_table import sampled, table_options, write_table
from mirror.core.record import is_host
from mirror.errors import InputError
from mirror.formats.replay_result import ReplayResult, to_json
from mirror.proxy.upstream.origins import replay_origin
from mirror.replay.html import as_html
from mirror.replay.requests import RequestList, Rules, read_filter, read_header
from mirror.replay.saturation import Limits
from mirror.replay.schedule import Arrivals
from mirror.replay.session import Pace, Settings
from mirror.replay.session import replay as run
from mirror.replay.text import as_text

EXIT_NO_TABLE = 1
EXIT_UNUSABLE = 2
EXIT_INVALID = 3
EXIT_SIGNALLED = 128
"""To which a shell adds the number of the signal: 130 is Ctrl-C."""

SPARE_DESCRIPTORS = 64
MAX_HEAD_BYTES = 65536
CONNECT_TIMEOUT_S = 3.0
MOST_LOSSES_SHOWN = 5
HOLD_S = 60.0
FIRST_RPS = 100.0

POSITIVE = Number(min=0.001, max=1e6)
SPAN = Written("span", read_span_s)

HELP = """Send a capture to URL and report rates, latencies and outcomes.

Open loop: each request goes out at its instant, whatever became of those before. Latency is
measured from that instant and from the send. Only safe methods are sent unless --all-methods
is given. The requests carry X-Mirror-Leg: replay, so that no sidecar counts them as production.
A long list is read while it is sent. Ctrl-C gives the report so far.

Give one of --speed, --rate, --steps and --until-saturated; the last two begin the list again at
its end. Of each step the first fifth (at most 62 s) is left out of its numbers.

The result is invalid when this program was the bottleneck: when the 99th percentile of the
schedule lag is above 10 ms, or when it used 90 % of a core.

\b
Examples:
  mirror replay requests.jsonl --to http://127.0.0.1:30080 --rate 500
  mirror replay requests.jsonl --to http://10.0.0.7:30080 --speed 2
  mirror replay requests.jsonl --to http://10.0.0.7:30080 --rate 800 --loop --duration 5m
  mirror replay requests.jsonl --to http://10.0.0.7:30080 --steps 100,200,400 --hold 2m
  mirror replay requests.jsonl --to http://10.0.0.7:30080 --until-saturated --max-p99 250
  mirror replay requests.jsonl --to http://10.0.0.7:30080 --steps 500,1000,2000 --hold 3m \\
    --arrivals poisson --sample prometheus=http://prometheus:9090,istio-ingressgateway \\
    --table table.yaml
  mirror replay requests.jsonl --to http://10.0.0.7:30080 --rate 9000 --loop --duration 5m \\
    --shard 0/3 --start-at 2026-11-23T09:00:00Z --format json

\b
Exit codes:
  0    the report is valid
  1    the report is valid, and the table was not written; stderr says why
  2    the command line or the file cannot be used; nothing was sent
  3    the report is invalid, and says why
  130  interrupted by Ctrl-C; the report covers the time so far
"""


@click.command(help=HELP)
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--to",
    required=True,
    metavar="URL",
    type=Written("url", read_target),
    help="Where to send: http://HOST:PORT.",
)
@click.option("--speed", type=POSITIVE, metavar="X", help="The recorded timing, X times as fast.")
@click.option("--rate", type=POSITIVE, metavar="N", help="N requests per second.")
@click.option(
    "--steps",
    type=Written("rates", read_rates),
    metavar="N,N,…",
    help="These rates, one after the other, for --hold each.",
)
@click.option(
    "--until-saturated",
    is_flag=True,
    help=f"Raise the rate, from --rate or {FIRST_RPS:g}, until a limit breaks, then bisect.",
)
@click.option("--hold", type=SPAN, metavar="SPAN", help=f"Length of a step [default: {HOLD_S:g}s].")
@click.option(
    "--arrivals",
    type=click.Choice(list(Arrivals), case_sensitive=False),
    help="How the requests of a rate follow each other: evenly spaced, or each at a random instant "
    "as from many users, which is what a table for production should be measured with "
    "[default: even].",
)
@click.option("--max-p99", type=POSITIVE, metavar="MS", help="Latency limit of --until-saturated.")
@click.option(
    "--max-errors",
    type=Number(min=0, max=1),
    default=0.01,
    show_default=True,
    metavar="RATIO",
    help="Error limit of --until-saturated: all but 1xx to 4xx, of the requests due.",
)
@click.option("--duration", type=SPAN, metavar="SPAN", help="Stop sending after that: 90s, 5m.")
@click.option("--loop", is_flag=True, help="Begin the file again at its end; needs --duration.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    type=Written("filter", read_filter),
    metavar="KEY=GLOB",
    help="Only requests that fit: method=GET, host=*.example.com, path=/watch/{id}; repeated, "
    "one of each key must fit.",
)
@click.option("--all-methods", is_flag=True, help="Send unsafe methods too, such as POST.")
@click.option("--host", metavar="NAME", help="Host header of all requests, instead of their own.")
@click.option(
    "--set-header",
    "set_headers",
    multiple=True,
    type=Written("header", read_header),
    metavar="'NAME: VALUE'",
    help="A header of all requests, instead of their own; repeated for several.",
)
@click.option(
    "--remove-header",
    "remove_headers",
    multiple=True,
    metavar="NAME",
    help="A header that no request gets; repeated for several.",
)
@click.option(
    "--as-production",
    is_flag=True,
    help="Leave the mark off: a sidecar counts AND MIRRORS these requests as production's. Never "
    "against a sidecar whose numbers are used.",
)
@click.option(
    "--connections",
    type=click.IntRange(1, 65536),
    default=512,
    show_default=True,
    metavar="N",
    help="Most connections; a request that finds none waits.",
)
@click.option(
    "--timeout",
    type=Number(min=0.001, max=3599),
    default=10.0,
    show_default=True,
    metavar="S",
    help="Longest wait for an answer, from the instant a request was due.",
)
@click.option(
    "--shard",
    type=Written("shard", read_shard),
    metavar="I/N",
    help="Every N-th request of the schedule, from the I-th (0 to N-1) on; see replay-merge.",
)
@click.option(
    "--start-at",
    type=Written("time", read_instant),
    metavar="TIME",
    help="When the schedule begins, for all shards: RFC 3339 or Unix seconds.",
)
@click.option(
    "--salvage", is_flag=True, help="Use what can be read of a damaged file, and say what was lost."
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print the report.",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the report with plots there: one page, nothing beside it.",
)
@table_options
def replay(path: Path, to: Url, output: str, connections: int, **asked: Any) -> None:
    _allow_descriptors(connections)
    settings = _settings(path, to, connections, asked)
    losses: list[str] = []
    on_loss = losses.append if asked["salvage"] else None
    try:
        requests = RequestList(partial(read_records, path, on_loss), settings.rules)
        if not requests.held:
            raise InputError(f"{path}: no request to send ({_why_none(requests)})")
        gc.collect()
        gc.freeze()  # the list is not looked through for garbage while requests are due
        origin = replay_origin(to, min(CONNECT_TIMEOUT_S, settings.timeout_s), MAX_HEAD_BYTES)
        with sampled(asked["samples"], asked["table"]) as usage:
            result, signalled = uvloop.run(run(settings, origin, requests))
    except InputError as error:
        click.echo(error, err=True)
        sys.exit(EXIT_UNUSABLE)
    result.usage = usage()
    click.echo(to_json(result) if output == "json" else as_text(result))
    _tell_losses(losses)
    if asked["html"] is not None:
        _write_page(asked["html"], result)
    table = asked["table"]
    has_failed = table is not None and not write_table(result, table, asked["samples"])
    if signalled:
        sys.exit(EXIT_SIGNALLED + signalled)
    if not result.is_valid:
        sys.exit(EXIT_INVALID)
    sys.exit(EXIT_NO_TABLE if has_failed else 0)


def _settings(path: Path, to: Url, connections: int, asked: dict[str, Any]) -> Settings:
    """Raises click.UsageError."""
    host, start_at = asked["host"], asked["start_at"]
    if host is not None and not is_host(host):
        raise click.BadParameter("expected a host name", param_hint="--host")
    if start_at is not None and start_at <= time.time():
        late_s = time.time() - start_at
        raise click.BadParameter(
            f"expected a time to come, this one was {late_s:.1f} s ago", param_hint="--start-at"
        )
    if asked["table"] is not None and asked["shard"]:
        raise click.UsageError("--table needs the rate of the whole schedule: not with --shard")
    if asked["until_saturated"] and (asked["shard"] or start_at is not None):
        raise click.UsageError("--until-saturated is one process: not with --shard or --start-at")
    rules = Rules(
        all_methods=asked["all_methods"],
        filters=asked["filters"],
        host=host,
        set_headers=asked["set_headers"],
        remove_headers=asked["remove_headers"],
        as_production=asked["as_production"],
    )
    return Settings(
        path=path,
        to=str(to),
        pace=_pace(asked),
        rules=rules,
        limits=Limits(asked["max_p99"], asked["max_errors"]),
        connections=connections,
        timeout_s=asked["timeout"],
        shard=asked["shard"],
        start_at=start_at,
    )


def _pace(asked: dict[str, Any]) -> Pace:
    """Raises click.UsageError."""
    rate, speed, steps = asked["rate"], asked["speed"], asked["steps"]
    arrivals = Arrivals(asked["arrivals"] or Arrivals.EVEN)
    is_searched = asked["until_saturated"]
    duration_s, is_looped = asked["duration"], asked["loop"]
    if (rate is not None and not is_searched) + (speed is not None) + (
        steps is not None
    ) + is_searched != 1:
        raise click.UsageError("give one of --speed X, --rate N, --steps N,N and --until-saturated")
    if speed is not None and asked["arrivals"] is not None:
        raise click.UsageError("--speed keeps the recorded timing: not with --arrivals")
    if steps is None and not is_searched:
        if asked["hold"] is not None:
            raise click.UsageError("--hold is for --steps and --until-saturated")
        if is_looped and duration_s is None:
            raise click.UsageError("--loop needs --duration SPAN: it would never end")
        rates = () if rate is None else (rate,)
        return Pace(rates, speed, duration_s=duration_s, is_looped=is_looped, arrivals=arrivals)
    if is_looped or duration_s is not None:
        raise click.UsageError("--hold says how long a step lasts: not with --loop or --duration")
    hold_s = HOLD_S if asked["hold"] is None else asked["hold"]
    if is_searched:
        first_rps = FIRST_RPS if rate is None else rate
        return Pace(saturate_from_rps=first_rps, hold_s=hold_s, arrivals=arrivals)
    return Pace(steps, hold_s=hold_s, arrivals=arrivals)


def _why_none(requests: RequestList) -> str:
    if requests.filtered:
        return f"--filter left out all {requests.filtered}"
    if requests.skipped:
        return "none with a safe method: --all-methods sends the others"
    return "it is empty"


def _write_page(path: Path, result: ReplayResult) -> None:
    """What was measured is printed all the same."""
    try:
        path.write_text(as_html(result))
    except OSError as error:
        click.echo(f"{path}: cannot be written: {error}", err=True)


def _tell_losses(losses: list[str]) -> None:
    different = list(dict.fromkeys(losses))  # each lap through a long file meets them again
    for loss in different[:MOST_LOSSES_SHOWN]:
        click.echo(loss, err=True)
    if (more := len(different) - MOST_LOSSES_SHOWN) > 0:
        click.echo(f"and {more} more losses", err=True)


def _allow_descriptors(connections: int) -> None:
    """Without descriptors a connect fails, and that would read as a failure of the upstream."""
    wanted = connections + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and wanted > hard:
        raise click.BadParameter(
            f"this process may open {hard} descriptors (ulimit -Hn), {wanted} are needed",
            param_hint="--connections",
        )
    if soft != resource.RLIM_INFINITY and wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

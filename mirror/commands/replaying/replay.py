"""`mirror replay`: send a capture again, open loop, and report what was measured.

Owns the command line and what is printed; mirror/replay does the rest.
"""

import gc
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import uvloop

from mirror.addresses import Url
from mirror.commands.arguments import (
    Number,
    Written,
    read_instant,
    read_rates,
    read_shard,
    read_target,
)
from mirror.commands.replaying.replay_table import TableOptions, sampled, table_options, write_table
from mirror.errors import InputError
from mirror.formats.capture.reader import read_records
from mirror.formats.capture.record import is_host
from mirror.formats.replay_result import ReplayResult, to_json
from mirror.formats.terminal import say, say_json
from mirror.formats.whole_files import writing_whole
from mirror.proxy.upstream.origins import replay_origin
from mirror.replay.html import as_html
from mirror.replay.readiness import allow_descriptors, credentials_sent, public_address
from mirror.replay.requests import RequestList, Rules, read_filter, read_header
from mirror.replay.saturation import Limits
from mirror.replay.schedule import Arrivals, Shard
from mirror.replay.session import Pace, Settings
from mirror.replay.session import replay as run
from mirror.replay.text import as_text
from mirror.spans import read_span_s

EXIT_NO_TABLE = 1
EXIT_UNUSABLE = 2
EXIT_INVALID = 3
EXIT_SIGNALLED = 128
"""Exit code for a signal, less its number: Ctrl-C is 130."""

MAX_HEAD_BYTES = 65536
CONNECT_TIMEOUT_S = 3.0
MOST_LOSSES_SHOWN = 5
HOLD_S = 60.0
FIRST_RPS = 100.0

POSITIVE = Number(min=0.001, max=1e6)
SPAN = Written("span", read_span_s)

HELP = """Send a capture to URL and report rates, latencies and outcomes.

Open loop: each request is sent at its instant, whatever became of earlier requests. Latency is
measured both from that instant and from the send. Only safe methods are sent, unless --all-methods
is given. The requests carry X-Mirror-Leg: replay, so that no sidecar counts them as production.
A long list is read while it is sent. Ctrl-C ends the replay and prints the report so far.

Give one of --speed, --rate, --steps and --until-saturated; the last two start the list again at
its end. The numbers of a step leave out its first fifth (at most 62 s).

The report is invalid where this program was the bottleneck: the 99th percentile of the schedule
lag is above 10 ms, or it used more than 90 % of a core.

\b
Examples:
  mirror replay requests.jsonl --to http://127.0.0.1:30080 --rate 500
  mirror replay requests.jsonl --to http://10.0.0.7:30080 --speed 2
  mirror replay requests.jsonl --to http://10.0.0.7:30080 --rate 800 --loop --duration 5m
  mirror replay requests.jsonl --to http://10.0.0.7:30080 --steps 100,200,400 --hold 2m
  mirror replay requests.jsonl --to http://10.0.0.7:30080 --until-saturated --max-p99 250
  mirror replay requests.jsonl --to http://10.0.0.7:30080 --steps 500,1000,2000 --hold 3m \\
    --arrivals poisson --sample prometheus=http://prometheus:9090,site-gateway \\
    --table table.yaml
  mirror replay requests.jsonl --to http://127.0.0.1:30080 --steps 100,200 --hold 3m \\
    --sample pid=gateway/envoy:4711 --table table.yaml --request envoy=500m,256Mi --route '*'
  mirror replay requests.jsonl --to http://10.0.0.7:30080 --rate 9000 --loop --duration 5m \\
    --shard 0/3 --start-at 2026-11-23T09:00:00Z --format json

\b
Exit codes:
  0    the report is valid
  1    the report is valid, but no row for the table, or none that can be used; stderr says why
  2    the command line or the file cannot be used; nothing was sent
  3    the report is invalid, and says why
  130  interrupted by Ctrl-C; the report covers the time so far
"""


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """The options as click names them."""

    path: Path
    to: Url
    speed: float | None
    rate: float | None
    steps: tuple[float, ...] | None
    until_saturated: bool
    hold: float | None
    arrivals: str | None
    max_p99: float | None
    max_errors: float
    duration: float | None
    loop: bool
    filters: tuple[tuple[str, str], ...]
    all_methods: bool
    host: str | None
    set_headers: tuple[tuple[str, str], ...]
    remove_headers: tuple[str, ...]
    as_production: bool
    connections: int
    timeout: float
    shard: Shard | None
    start_at: float | None
    salvage: bool
    yes: bool
    output: str
    html: Path | None
    samples: tuple[str, ...]
    table: Path | None
    requests: tuple[str, ...]
    routes: tuple[str, ...]


@click.command(help=HELP)
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--to",
    required=True,
    metavar="URL",
    type=Written("url", read_target),
    help="Where to send: http://HOST:PORT.",
)
@click.option(
    "--speed", type=POSITIVE, metavar="X", help="Keep the recorded timing, X times as fast."
)
@click.option("--rate", type=POSITIVE, metavar="N", help="Send N requests per second.")
@click.option(
    "--steps",
    type=Written("rates", read_rates),
    metavar="N,N,…",
    help="Send at these rates, one after the other, each for --hold.",
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
    help="How the requests of a rate follow each other: evenly spaced, or at random instants as "
    "from many users. Measure a table for production with poisson [default: even].",
)
@click.option(
    "--max-p99", type=POSITIVE, metavar="MS", help="Highest p99 that --until-saturated accepts."
)
@click.option(
    "--max-errors",
    type=Number(min=0, max=1),
    default=0.01,
    show_default=True,
    metavar="RATIO",
    help="Highest share of the requests due that may end otherwise than with 1xx to 4xx, for "
    "--until-saturated.",
)
@click.option(
    "--duration", type=SPAN, metavar="SPAN", help="Stop sending after this time: 90s, 5m."
)
@click.option("--loop", is_flag=True, help="Start the file again at its end; needs --duration.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    type=Written("filter", read_filter),
    metavar="KEY=GLOB",
    help="Send only requests that match: method=GET, host=*.example.com, path=/watch/{id}; "
    "repeatable: for each key, one of its patterns must match.",
)
@click.option("--all-methods", is_flag=True, help="Send unsafe methods too, such as POST.")
@click.option("--host", metavar="NAME", help="Send this Host header instead of the recorded ones.")
@click.option(
    "--set-header",
    "set_headers",
    multiple=True,
    type=Written("header", read_header),
    metavar="'NAME: VALUE'",
    help="Send this header instead of the recorded ones; repeatable.",
)
@click.option(
    "--remove-header",
    "remove_headers",
    multiple=True,
    metavar="NAME",
    help="Send no such header; repeatable.",
)
@click.option(
    "--as-production",
    is_flag=True,
    help="Leave the mark off, so that a sidecar counts AND MIRRORS these requests as production. "
    "Never use it against a sidecar whose numbers matter.",
)
@click.option(
    "--connections",
    type=click.IntRange(1, 65536),
    default=512,
    show_default=True,
    metavar="N",
    help="Highest number of connections; a request that finds none free waits.",
)
@click.option(
    "--timeout",
    type=Number(min=0.001, max=3599),
    default=10.0,
    show_default=True,
    metavar="S",
    help="Longest wait for a response, from the instant a request was due.",
)
@click.option(
    "--shard",
    type=Written("shard", read_shard),
    metavar="I/N",
    help="Send every N-th request of the schedule, from the I-th (0 to N-1) on; see replay-merge.",
)
@click.option(
    "--start-at",
    type=Written("time", read_instant),
    metavar="TIME",
    help="Common start of all shards: RFC 3339 or Unix seconds.",
)
@click.option(
    "--salvage", is_flag=True, help="Use what can be read of a damaged file, and report the losses."
)
@click.option("--yes", is_flag=True, help="Send to a public address without being asked.")
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
    help="Write the report with plots to this file, as one self-contained page.",
)
@table_options
def replay(**values: Any) -> None:
    options = ReplayOptions(**values)
    settings = _settings(options)
    path = options.path
    table = TableOptions(options.samples, options.table, options.requests, options.routes)
    losses: list[str] = []
    on_loss = losses.append if options.salvage else None
    try:
        allow_descriptors(options.connections)
        requests = RequestList(partial(read_records, path, on_loss), settings.rules)
        if not requests.held:
            raise InputError(f"{path}: no request to send ({requests.why_none})")
        if sent := credentials_sent(requests, options.to):
            say(sent, err=True)
        if not options.yes:
            _ask_about(options.to)
        gc.collect()
        gc.freeze()  # no collection walks the list while requests are due
        origin = replay_origin(
            options.to, min(CONNECT_TIMEOUT_S, settings.timeout_s), MAX_HEAD_BYTES
        )
        with sampled(table) as usage:
            result, signalled = uvloop.run(run(settings, origin, requests))
    except InputError as error:
        say(error, err=True)
        sys.exit(EXIT_UNUSABLE)
    result.usage = usage()
    if options.output == "json":
        say_json(to_json(result))
    else:
        say(as_text(result))
    _print_losses(losses)
    if options.html is not None:
        _write_page(options.html, result)
    has_failed = table.table is not None and not write_table(result, table)
    if signalled:
        sys.exit(EXIT_SIGNALLED + signalled)
    if not result.is_valid:
        sys.exit(EXIT_INVALID)
    sys.exit(EXIT_NO_TABLE if has_failed else 0)


def _settings(options: ReplayOptions) -> Settings:
    """Return the settings that the options mean. Raises click.UsageError."""
    start_at = options.start_at
    if options.host is not None and not is_host(options.host):
        raise click.BadParameter("expected a host name", param_hint="--host")
    if start_at is not None and start_at <= time.time():
        late_s = time.time() - start_at
        raise click.BadParameter(
            f"expected a time in the future, got one {late_s:.1f} s ago", param_hint="--start-at"
        )
    if options.table is not None and options.shard:
        raise click.UsageError(
            "--table needs the rate of the whole schedule: not with --shard. Give it to `estimate"
            " table import MERGED --samples SOURCE` after replay-merge"
        )
    if options.until_saturated and (options.shard or start_at is not None):
        raise click.UsageError("--until-saturated is one process: not with --shard or --start-at")
    rules = Rules(
        all_methods=options.all_methods,
        filters=options.filters,
        host=options.host,
        set_headers=options.set_headers,
        remove_headers=options.remove_headers,
        as_production=options.as_production,
    )
    return Settings(
        path=options.path,
        to=str(options.to),
        pace=_pace(options),
        rules=rules,
        limits=Limits(options.max_p99, options.max_errors),
        connections=options.connections,
        timeout_s=options.timeout,
        shard=options.shard,
        start_at=start_at,
    )


def _pace(options: ReplayOptions) -> Pace:
    """Return the pace that the options mean. Raises click.UsageError."""
    rate, speed, steps = options.rate, options.speed, options.steps
    arrivals = Arrivals(options.arrivals or Arrivals.EVEN)
    is_searched = options.until_saturated
    duration_s, is_looped = options.duration, options.loop
    if (rate is not None and not is_searched) + (speed is not None) + (
        steps is not None
    ) + is_searched != 1:
        raise click.UsageError("give one of --speed X, --rate N, --steps N,N and --until-saturated")
    if speed is not None and options.arrivals is not None:
        raise click.UsageError("--speed keeps the recorded timing: not with --arrivals")
    if steps is None and not is_searched:
        if options.hold is not None:
            raise click.UsageError("--hold is for --steps and --until-saturated")
        if is_looped and duration_s is None:
            raise click.UsageError("--loop needs --duration SPAN, or it never ends")
        rates = () if rate is None else (rate,)
        return Pace(rates, speed, duration_s=duration_s, is_looped=is_looped, arrivals=arrivals)
    if is_looped or duration_s is not None:
        raise click.UsageError("--hold says how long a step lasts: not with --loop or --duration")
    hold_s = HOLD_S if options.hold is None else options.hold
    if is_searched:
        first_rps = FIRST_RPS if rate is None else rate
        return Pace(saturate_from_rps=first_rps, hold_s=hold_s, arrivals=arrivals)
    assert steps is not None
    return Pace(steps, hold_s=hold_s, arrivals=arrivals)


def is_interactive() -> bool:
    return sys.stdin.isatty()


def _ask_about(target: Url) -> None:
    """Ask whether a public address is meant. Raises InputError if it is not, or nobody is there."""
    address = public_address(target)
    if address is None:
        return
    what = f"--to {target}: {address} is a public address"
    if not is_interactive():
        raise InputError(f"{what}, and nobody can be asked; --yes sends to it")
    if not click.confirm(f"{what}. Send this load there?", err=True):
        raise InputError(f"{what}: nothing was sent")


def _write_page(path: Path, result: ReplayResult) -> None:
    """Write the page, or say why that is impossible: the report has been printed already."""
    try:
        with writing_whole(path) as file:
            file.write(as_html(result).encode())
    except OSError as error:
        say(f"{path}: cannot be written: {error}", err=True)


def _print_losses(losses: list[str]) -> None:
    different = list(dict.fromkeys(losses))  # every lap through a long file meets them again
    for loss in different[:MOST_LOSSES_SHOWN]:
        say(loss, err=True)
    if (more := len(different) - MOST_LOSSES_SHOWN) > 0:
        say(f"and {more} more losses", err=True)

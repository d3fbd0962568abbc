"""`mirror replay`: send a request list again, open loop, and say what came of it.

Owns the argv, the schedule that it asks for, and the report as text or JSON; the sending and the
measuring are proxy/replayer.py's.
"""

import asyncio
import gc
import json
import math
import resource
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import cycle, takewhile
from pathlib import Path
from typing import Any

import click
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from mirror.addresses import Url, read_url
from mirror.core import pacing
from mirror.core.record import MAX_LINE_BYTES, Record, decode, is_host
from mirror.core.request_head import SAFE_METHODS
from mirror.errors import InputError
from mirror.proxy.origins import replay_origin
from mirror.proxy.replayer import (
    CONNECT_TIMEOUT_S,
    LAG_LIMIT_S,
    MAX_HEAD_BYTES,
    Percentiles,
    Replayer,
    Report,
    Request,
)

EXIT_UNUSABLE = 2
EXIT_INVALID = 3
EXIT_SIGNALLED = 128
"""To which a shell adds the number of the signal: 130 is Ctrl-C."""

SPARE_DESCRIPTORS = 64
PROGRESS_INTERVAL_S = 0.5
"""Drawing costs 0.3 ms, during which nothing is sent."""


class Number(click.FloatRange):
    """A range that NaN is not in: it compares as neither too small nor too large."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail("expected a number", param, ctx)
        return number


POSITIVE = Number(min=0.001, max=1e6)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line asked for."""

    path: Path
    url: Url
    rate_rps: float | None
    speed: float | None
    duration_s: float | None
    is_looped: bool
    connections: int
    timeout_s: float

    @property
    def pace(self) -> str:
        if self.rate_rps is not None:
            return f"constant {self.rate_rps:g} rps"
        return f"original timing, speed {self.speed:g}"


@click.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "url",
    required=True,
    metavar="URL",
    callback=lambda ctx, param, value: _checked_url(value),
    help="Where to send: http://HOST:PORT.",
)
@click.option("--rate", type=POSITIVE, metavar="N", help="N requests per second, evenly spaced.")
@click.option("--speed", type=POSITIVE, metavar="X", help="The recorded timing, X times as fast.")
@click.option("--duration", type=POSITIVE, metavar="S", help="Stop sending after S seconds.")
@click.option("--loop", is_flag=True, help="Begin the file again at its end; needs --duration.")
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
@click.option("--host", metavar="NAME", help="Host header of all requests, instead of their own.")
@click.option("--all-methods", is_flag=True, help="Send unsafe methods too, such as POST.")
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print the report.",
)
def replay(
    path: Path,
    url: Url,
    rate: float | None,
    speed: float | None,
    duration: float | None,
    loop: bool,
    connections: int,
    timeout: float,
    host: str | None,
    all_methods: bool,
    output: str,
) -> None:
    """Send a request list to URL and report rates, latencies and outcomes.

    Open loop: each request goes out at its instant, whatever became of those before. Latency is
    measured from that instant and from the send. Only safe methods are sent unless --all-methods
    is given. The requests carry X-Mirror-Leg: replay, so that no sidecar counts them as production.
    The list is held in memory. Ctrl-C gives the report so far.

    The result is invalid when this program could not keep its schedule: when the 99th percentile
    of the schedule lag is above 10 ms.

    \b
    Examples:
      mirror replay requests.jsonl --to http://127.0.0.1:30080 --rate 500
      mirror replay requests.jsonl --to http://10.0.0.7:30080 --speed 2
      mirror replay requests.jsonl --to http://10.0.0.7:30080 --rate 800 --loop --duration 300

    \b
    Exit codes:
      0    the report is valid
      2    the command line or the file cannot be used; nothing was sent
      3    the report is invalid, and says why
      130  interrupted by Ctrl-C; the report covers the time so far
    """
    if (rate is None) == (speed is None):
        raise click.UsageError("give one of --rate N and --speed X")
    if loop and duration is None:
        raise click.UsageError("--loop needs --duration S: it would never end")
    if host is not None and not is_host(host):
        raise click.BadParameter("expected a host name", param_hint="--host")
    _allow_descriptors(connections)
    settings = Settings(path, url, rate, speed, duration, loop, connections, timeout)
    try:
        requests, times_s, skipped = load(path, host, all_methods)
        schedule, window_s = plan(settings, requests, times_s)
    except InputError as error:
        click.echo(error, err=True)
        sys.exit(EXIT_UNUSABLE)
    gc.freeze()  # the list is not looked through for garbage while requests are due
    report, signalled = uvloop.run(_run(settings, schedule, window_s))
    shown = as_json if output == "json" else as_text
    click.echo(shown(settings, report, skipped))
    if signalled:
        sys.exit(EXIT_SIGNALLED + signalled)
    sys.exit(0 if report.is_valid else EXIT_INVALID)


def _checked_url(text: str) -> Url:
    try:
        return read_url(text)
    except ValueError as error:
        raise click.BadParameter(f"expected {error}, got {text!r}") from error


def load(
    path: Path, host: str | None, all_methods: bool
) -> tuple[list[Request], list[float], Counter[str]]:
    """The requests in the order of their times, the times, and methods left out; InputError."""
    skipped: Counter[str] = Counter()
    records: list[Record] = []
    try:
        with open(path, "rb") as stream:
            for record in decode(iter(lambda: stream.readline(MAX_LINE_BYTES + 1), b""), str(path)):
                if all_methods or record.method.encode() in SAFE_METHODS:
                    records.append(record)
                else:
                    skipped[record.method] += 1
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if not records:
        why = (
            "none with a safe method: --all-methods sends the others" if skipped else "it is empty"
        )
        raise InputError(f"{path}: no request to send ({why})")
    records.sort(key=lambda record: record.time_s)
    requests = [Request(record.to_request(host), record.method == "HEAD") for record in records]
    return requests, [record.time_s for record in records], skipped


def plan(
    settings: Settings, requests: list[Request], times_s: list[float]
) -> tuple[Iterator[tuple[float, Request]], float]:
    """What is due when, and how long that lasts; raises InputError."""
    offsets: Iterator[float]
    if settings.rate_rps is not None:
        offsets = pacing.constant(settings.rate_rps)
        window_s = len(requests) / settings.rate_rps
    else:
        assert settings.speed is not None
        recorded = pacing.original(times_s, settings.speed)
        window_s = pacing.span_s(recorded)
        try:
            offsets = pacing.looped(recorded) if settings.is_looped else iter(recorded)
        except ValueError as error:
            raise InputError(f"{settings.path}: {error}") from error
    schedule = zip(offsets, cycle(requests) if settings.is_looped else requests, strict=False)
    duration_s = settings.duration_s
    if duration_s is None:
        return schedule, window_s
    window_s = duration_s if settings.is_looped else min(window_s, duration_s)
    return takewhile(lambda item: item[0] < duration_s, schedule), window_s


async def _run(
    settings: Settings, schedule: Iterator[tuple[float, Request]], window_s: float
) -> tuple[Report, int]:
    """The report, and the number of the signal that ended the replay early, or 0."""
    connect_timeout_s = min(CONNECT_TIMEOUT_S, settings.timeout_s)
    origin = replay_origin(settings.url, connect_timeout_s, MAX_HEAD_BYTES)
    replayer = Replayer(origin, schedule, settings.connections, settings.timeout_s)
    signalled = 0

    def stop(number: int) -> None:
        nonlocal signalled
        signalled = number
        replayer.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    showing = loop.create_task(_show_progress(replayer, window_s))
    await replayer.run()
    showing.cancel()
    with suppress(asyncio.CancelledError):
        await showing
    return replayer.report(window_s), signalled


async def _show_progress(replayer: Replayer, window_s: float) -> None:
    console = Console(stderr=True)
    if not console.is_terminal:
        return
    columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        task = progress.add_task("", total=window_s)
        sent_before, elapsed_before = 0, 0.0
        while True:
            await asyncio.sleep(PROGRESS_INTERVAL_S)
            elapsed_s = replayer.elapsed_s
            rps = (replayer.sent - sent_before) / (elapsed_s - elapsed_before)
            sent_before, elapsed_before = replayer.sent, elapsed_s
            text = f"{rps:.0f} rps, {replayer.sent} sent, {replayer.in_flight} in flight"
            if troubles := _troubles(replayer):
                text += f", {troubles}"
            progress.update(task, completed=min(elapsed_s, window_s), description=text)
            progress.refresh()


def _troubles(replayer: Replayer) -> str:
    answered_well = ("1xx", "2xx", "3xx")
    counts = [(name, n) for name, n in replayer.outcomes.items() if name not in answered_well]
    return _listed(dict(counts) | dict(replayer.shed))


def as_json(settings: Settings, report: Report, skipped: Counter[str]) -> str:
    """One object; its keys are those of docs/formats.md."""
    header = {
        "format": "kagami-replay",
        "version": 1,
        "to": str(settings.url),
        "rate_rps": settings.rate_rps,
        "speed": settings.speed,
        "skipped": dict(skipped),
        "lag_limit_ms": LAG_LIMIT_S * 1000,
    }
    measured = asdict(report)
    for name, value in measured.items():
        if isinstance(value, Percentiles):
            measured[name] = value._asdict()
    return json.dumps(header | measured, indent=2)


def as_text(settings: Settings, report: Report, skipped: Counter[str]) -> str:
    rows = [
        f"{settings.path} to {settings.url}, {settings.pace}, {report.elapsed_s:.1f} s",
        f"  offered   {report.offered_rps:10.1f} rps  {report.due} requests were due",
        f"  achieved  {report.achieved_rps:10.1f} rps  {report.answered} were answered",
        f"  outcomes  {_listed(report.outcomes) or 'none'}",
    ]
    if report.shed:
        rows.append(f"  shed      {_listed(report.shed)} (not sent: no connection was free)")
    if skipped:
        rows.append(f"  skipped   {_listed(skipped)} (unsafe: --all-methods sends them)")
    rows += [
        "",
        "  milliseconds              p50       p90       p99     p99.9       max",
        _percentile_row("from intended start", report.from_intended_ms),
        _percentile_row("from send", report.from_send_ms),
        _percentile_row("schedule lag", report.schedule_lag_ms),
    ]
    if report.is_interrupted:
        rows.append("\ninterrupted: this is the report so far")
    if report.invalid_reason:
        rows.append(f"\nINVALID: {report.invalid_reason}")
    return "\n".join(rows)


def _percentile_row(name: str, percentiles: Percentiles) -> str:
    values = (f"{value:10.2f}" if value is not None else f"{'-':>10}" for value in percentiles)
    return f"  {name:<19}" + "".join(values)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


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

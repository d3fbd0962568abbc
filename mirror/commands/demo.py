"""`mirror demo`: the whole product in a minute, on this machine, without configuration.

This module owns the output: which programs run where, progress while traffic flows, the ledger with
its sums beside Envoy's own counter, and the projection that `estimate` makes of the recorded
series. `estimate` runs as a process, because the two packages share a file and nothing else.

Nothing is left behind: children end with the block that started them, however it ends, and the
directory is removed unless --keep names one.
"""

import asyncio
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from mirror.build import BUILD
from mirror.demo.load import Tally, arrivals, drive
from mirror.demo.processes import ChildFailed, Processes
from mirror.demo.world import World, start_world
from mirror.formats.rich_console import visible_console

DEFAULT_SECONDS = 45
"""Keeps `make demo` below two minutes, including the installation and the projection."""

PLAIN_INTERVAL_S = 5
INTERRUPTED = 130
"""The exit code that a shell reports for a program ended by Ctrl-C."""

LOW_CONFIDENCE = 3
"""Exit code of `estimate` for low confidence: half a minute of traffic is not a week."""


@click.command()
@click.option(
    "--seconds",
    type=click.IntRange(5, 600),
    default=DEFAULT_SECONDS,
    show_default=True,
    help="How long traffic flows.",
)
@click.option("--inline", is_flag=True, help="Run without nginx, even where it is installed.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep configurations, logs and series.db in this directory.",
)
def demo(seconds: int, inline: bool, keep: Path | None) -> None:
    """Mirror generated traffic to a real Envoy, then size a cluster from what was measured.

    Starts everything that it needs on free ports of this machine, and stops all of it at the end.

    \b
    Exit codes:
      0    every sum holds
      1    the counts do not agree, or a program could not be started or ended early
      2    an option cannot be used; nothing was started
      130  interrupted by Ctrl-C; everything was stopped

    \b
    Examples:
      mirror demo
      mirror demo --seconds 20 --keep demo/
    """
    console = visible_console(soft_wrap=True)
    try:
        with _ended_by_sigterm(), _directories(keep) as (directory, socket_directory):
            _run(console, directory, socket_directory, seconds, not inline)
    except ChildFailed as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        console.print("\ninterrupted; everything that was started has been stopped")
        sys.exit(INTERRUPTED)
    if keep:
        console.print(f"kept: {keep}")


def _run(
    console: Console, directory: Path, socket_directory: Path, seconds: int, with_nginx: bool
) -> None:
    with Processes(directory) as processes:
        world = start_world(processes, directory, socket_directory, with_nginx=with_nginx)
        _print_world(console, world)
        baseline = world.envoy.requests_arrived() if world.envoy else 0
        tally = asyncio.run(_drive_with_progress(console, world, seconds))
        for child in processes.failed():
            raise ChildFailed(f"{child.name} ended during the demo:\n{child.last_lines()}")
        ledger = world.sidecar.settled_ledger()
        arrived = world.envoy.requests_arrived() - baseline if world.envoy else None
    _print_traffic(console, tally)
    _print_ledger(console, ledger)
    adds_up = _print_sums(console, ledger, tally, arrived)
    _estimate(console, world.series)
    if not adds_up:
        raise click.ClickException("the counts above do not agree")


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Make SIGTERM unwind the stack as Ctrl-C does; otherwise it would leave children behind."""

    def unwind(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    previous = signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def _directories(keep: Path | None) -> Iterator[tuple[Path, Path]]:
    """Yield the directories of files and of the unix socket, whose path must fit into 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="kagami-") as temporary:
        directory = Path(temporary)
        if keep is None:
            yield directory, directory
            return
        if keep.is_dir() and any(keep.iterdir()):
            # This run would add to the series of an earlier run, and the sums would not agree.
            raise click.ClickException(f"{keep} is not empty")
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve(), directory


def _print_world(console: Console, world: World) -> None:
    front = f"127.0.0.1:{world.front_port}"
    target = "app (shadow)"
    if world.envoy:
        target = f"Envoy as istio-proxy (127.0.0.1:{world.envoy.port}) -> app (shadow)"
    else:
        console.print("no Envoy wheel for this platform: mirroring to the shadow app directly")
    console.print(f"mirror runs as the {BUILD} build")
    if world.mode == "sink":
        console.print(f"client -> nginx ({front}) -> app (primary)")
        console.print(f"            \\-> mirror, sink mode -> {target}")
    else:
        console.print("without nginx (not installed, or --inline)")
        console.print(f"client -> mirror, inline mode ({front}) -> app (primary)")
        console.print(f"            \\-> {target}")
    console.print()


async def _drive_with_progress(console: Console, world: World, seconds: int) -> Tally:
    tally = Tally()
    load = asyncio.create_task(
        drive(f"http://127.0.0.1:{world.front_port}", arrivals(seconds), tally)
    )
    show = _show_bar if console.is_terminal else _show_lines
    watcher = asyncio.create_task(show(console, world, tally, seconds))
    try:
        await load
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
    return tally


async def _show_bar(console: Console, world: World, tally: Tally, seconds: int) -> None:
    columns = (
        BarColumn(),
        TextColumn("{task.fields[now]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("traffic", total=seconds, now="")
        begin = time.monotonic()
        while True:
            now = await _one_line(world, tally)
            progress.update(task, completed=time.monotonic() - begin, now=now)
            await asyncio.sleep(0.5)


async def _show_lines(console: Console, world: World, tally: Tally, seconds: int) -> None:
    begin = time.monotonic()
    while True:
        await asyncio.sleep(PLAIN_INTERVAL_S)
        now = await _one_line(world, tally)
        console.print(f"{time.monotonic() - begin:4.0f} of {seconds} s  {now}")


async def _one_line(world: World, tally: Tally) -> str:
    # The previous second is complete; the current one still grows.
    rps = tally.by_second[int(time.time()) - 1]
    status = await asyncio.to_thread(world.sidecar.status)
    sent = status.get("ledger", {}).get("sent", 0)
    return f"{rps:4d} rps  sent {tally.sent}  mirrored {sent}  errors {tally.failed.total()}"


def _print_traffic(console: Console, tally: Tally) -> None:
    methods = ", ".join(f"{count} {name}" for name, count in tally.by_method.most_common())
    console.print(f"the client sent {tally.sent} requests ({methods}),")
    console.print(f"{tally.peak_rps} in the busiest second; {tally.failed.total()} failed")
    for kind, count in tally.failed.most_common():
        console.print(f"  {count} {kind}")
    if tally.not_sent:
        console.print(f"  {tally.not_sent} more were due but not sent: this machine is too slow")
    console.print()


def _print_ledger(console: Console, ledger: dict[str, Any]) -> None:
    table = Table("count", "requests", title="ledger", title_justify="left")
    table.columns[1].justify = "right"
    for name in ("seen", "amplified", "not_selected", "shed", "sent", "outcomes", "in_flight"):
        value = ledger.get(name, 0)
        if not isinstance(value, dict):
            table.add_row(name, str(value))
            continue
        for reason, count in value.items():
            table.add_row(f"  {name}: {reason}", str(count))
    console.print(table)


def _print_sums(
    console: Console, ledger: dict[str, Any], tally: Tally, arrived: int | None
) -> bool:
    """Print each sum; return whether all of them hold."""
    seen, sent = ledger.get("seen", 0), ledger.get("sent", 0)
    left_out = sum(ledger.get("not_selected", {}).values())
    shed = sum(ledger.get("shed", {}).values())
    outcomes = ledger.get("outcomes", {})
    ended = sum(outcomes.values())
    checks = [
        (f"client sent {tally.sent} = seen {seen}", tally.sent == seen),
        (
            f"seen {seen} = not selected {left_out} + shed {shed} + sent {sent}",
            seen + ledger.get("amplified", 0) == left_out + shed + sent,
        ),
        (f"sent {sent} = outcomes {ended}", sent == ended),
    ]
    if arrived is not None:
        # A leg without a connection cannot have arrived; a probe of a connection has.
        begun = sent - outcomes.get("connect_failed", 0)
        probes = sum(ledger.get("probes", {}).values())
        checks.append(
            (
                f"mirrored {begun} + probes {probes} = arrived at Envoy {arrived}",
                begun + probes == arrived,
            )
        )
    for text, holds in checks:
        console.print(f"{'ok' if holds else 'NO':>4}  {text}", style=None if holds else "bold red")
    if missed := outcomes.get("4xx", 0):
        console.print(
            f"note  {missed} copies were answered 404: the new cluster declares no route for `/`,"
        )
        console.print("      which after the switch would have been an outage of that page")
    console.print()
    return all(holds for _, holds in checks)


def _estimate(console: Console, series: Path) -> None:
    command = [sys.executable, "-m", "estimator", "--from-series", str(series)]
    console.print("estimate --from-series series.db, with the bundled example table:")
    console.print()
    # Flush our own lines first: the child writes to the same terminal or pipe.
    sys.stdout.flush()
    code = subprocess.run(command, check=False).returncode
    if code not in (0, LOW_CONFIDENCE):
        raise click.ClickException(f"estimate ended with exit code {code}")

"""`mirror demo`: the whole product in a minute, on this machine, without configuration.

This module owns the output: which programs run where, progress while traffic flows, the sums of the
ledger beside the counters of nginx and Envoy, the verdict of the comparison, and the summary of the
estimate. Both answers are pages in a folder as well.

Nothing else is left behind: children end with the block that started them, however it ends, and
their directory is removed unless --keep names one.
"""

import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from mirror.build import BUILD
from mirror.demo.load import Tally, arrivals, drive
from mirror.demo.pages import COMPARISON, ESTIMATE, Folder
from mirror.demo.processes import ChildFailed, Processes
from mirror.demo.world import World, start_world
from mirror.formats.rich_console import visible_console

DEFAULT_SECONDS = 45
"""Keeps `make demo` below two minutes, including the installation and the projection."""

PLAIN_INTERVAL_S = 5
INTERRUPTED = 130
"""The exit code that a shell reports for a program ended by Ctrl-C."""


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
    help="Keep configurations and logs in this directory.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    default="kagami-demo",
    show_default=True,
    help="Where the two pages and series.db go; those of an earlier demo are replaced.",
)
def demo(seconds: int, inline: bool, keep: Path | None, output: Path) -> None:
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
      mirror demo --seconds 20 --output /tmp/demo --keep /tmp/demo-logs
    """
    console = visible_console(soft_wrap=True)
    folder = Folder(output)
    try:
        folder.prepare()
        with _ended_by_sigterm(), _directories(keep) as (directory, socket_directory):
            with Processes(directory) as processes:
                world = start_world(processes, directory, socket_directory, with_nginx=not inline)
                adds_up = _run(console, processes, world, seconds, folder)
            _print_estimate(console, folder, world.series)
    except OSError as error:
        raise click.ClickException(
            f"{output}: {error.strerror}; choose another --output"
        ) from error
    except ChildFailed as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        console.print("\ninterrupted; everything that was started has been stopped")
        sys.exit(INTERRUPTED)
    if keep:
        console.print(f"kept: {keep}")
    if not adds_up:
        raise click.ClickException("the counts above do not agree")


def _run(
    console: Console, processes: Processes, world: World, seconds: int, folder: Folder
) -> bool:
    """Send the traffic and print what came of it; return whether the counts agree."""
    _print_world(console, world)
    baseline = world.envoy.requests_arrived() if world.envoy else 0
    tally = asyncio.run(_drive_with_progress(console, world, seconds))
    for child in processes.failed():
        raise ChildFailed(f"{child.name} ended during the demo:\n{child.last_lines()}")
    ledger = world.sidecar.settled_ledger()
    elsewhere = Elsewhere(
        arrived=world.envoy.requests_arrived() - baseline if world.envoy else None,
        logged=len(world.nginx.logged()) if world.nginx else None,
    )
    _print_traffic(console, tally)
    adds_up = _print_sums(console, ledger, tally, elsewhere)
    console.print("Does the new cluster answer as production does? (mirror compare)")
    console.print(f"  {folder.compare(world.sidecar.admin_port)}")
    console.print()
    return adds_up


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
    target = "app (new cluster)"
    if world.envoy:
        target = f"Envoy as istio-proxy (127.0.0.1:{world.envoy.port}) -> {target}"
    console.print(f"What runs, all on this machine; mirror runs as the {BUILD} build:")
    if world.mode == "sink":
        console.print(f"  client -> nginx ({front}) -> app (production)")
        console.print(f"              \\-> mirror, sink mode -> {target}")
    else:
        console.print(f"  client -> mirror, inline mode ({front}) -> app (production)")
        console.print(f"              \\-> {target}")
        console.print("  without nginx, which is not installed, or left out by --inline")
    if not world.envoy:
        console.print("  without Envoy, because this platform has no wheel of it")
    console.print(f"  live page: http://127.0.0.1:{world.sidecar.admin_port}/")
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
    console.print()
    console.print(f"The client sent {tally.sent} requests ({methods}),")
    console.print(f"{tally.peak_rps} in the busiest second; {tally.failed.total()} failed")
    for kind, count in tally.failed.most_common():
        console.print(f"  {count} {kind}")
    if tally.not_sent:
        console.print(f"  {tally.not_sent} more were due but not sent: this machine is too slow")
    console.print()


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What programs other than the sidecar counted; None where they do not run."""

    arrived: int | None
    """Requests that arrived at Envoy."""
    logged: int | None
    """Lines of production's access log."""


def _print_sums(
    console: Console, ledger: dict[str, Any], tally: Tally, elsewhere: Elsewhere
) -> bool:
    """Print each sum; return whether all of them hold."""
    seen, sent = ledger.get("seen", 0), ledger.get("sent", 0)
    left_out = sum(ledger.get("not_selected", {}).values())
    shed = sum(ledger.get("shed", {}).values())
    outcomes = ledger.get("outcomes", {})
    ended = sum(outcomes.values())
    checks = [
        (f"client sent {tally.sent} = seen by mirror {seen}", tally.sent == seen),
        (
            f"seen {seen} = not selected {left_out}{_parts(ledger, 'not_selected')}"
            f" + shed {shed}{_parts(ledger, 'shed')} + mirrored {sent}",
            seen + ledger.get("amplified", 0) == left_out + shed + sent,
        ),
        (f"mirrored {sent} = ended {ended}{_parts(ledger, 'outcomes')}", sent == ended),
    ]
    if elsewhere.logged is not None:
        checks.insert(
            0,
            (
                f"client sent {tally.sent} = lines in production's access log {elsewhere.logged}",
                tally.sent == elsewhere.logged,
            ),
        )
    if elsewhere.arrived is not None:
        # A leg without a connection cannot have arrived; a probe of a connection has.
        begun = sent - outcomes.get("connect_failed", 0)
        probes = sum(ledger.get("probes", {}).values())
        checks.append(
            (
                f"mirrored {begun} + probes {probes} = arrived at Envoy {elsewhere.arrived}",
                begun + probes == elsewhere.arrived,
            )
        )
    console.print("Is every request accounted for? (mirror status)")
    for text, holds in checks:
        console.print(f"{'ok' if holds else 'NO':>4}  {text}", style=None if holds else "bold red")
    if missed := outcomes.get("4xx", 0):
        console.print(
            f"note  {missed} copies were answered 404: the new cluster declares no route for `/`,"
        )
        console.print("      which after the switch would have been an outage of that page")
    console.print()
    return all(holds for _, holds in checks)


def _parts(ledger: dict[str, Any], name: str) -> str:
    parts = ", ".join(f"{count} {reason}" for reason, count in ledger.get(name, {}).items())
    return f" ({parts})" if parts else ""


def _print_estimate(console: Console, folder: Folder, series: Path) -> None:
    console.print("What does the new cluster need? (estimate, with the bundled example table)")
    for line in folder.estimate(series):
        console.print(line, markup=False, highlight=False)
    console.print()
    console.print(f"open this: {folder.path / ESTIMATE}")
    console.print(f" and this: {folder.path / COMPARISON}")

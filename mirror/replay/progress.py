"""Shows a replay while it runs: a bar on a terminal, else a line now and then on stderr.

Drawing costs 0.3 ms, during which nothing is sent, so it is done twice a second.
"""

import asyncio
import math

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from mirror.replay.connection import clock
from mirror.replay.generator import Generator
from mirror.replay.steps import NOT_ERRORS, Run

BAR_INTERVAL_S = 0.5
LINE_INTERVAL_S = 10.0


class Shown:
    """The live numbers of a run, as one line."""

    def __init__(self, run: Run, generator: Generator) -> None:
        self._run = run
        self._generator = generator
        self._sent = 0
        self._at = clock()

    def line(self) -> str:
        """Rate since the line before; latency of the part under way."""
        total = self._run.total()
        sent, now = total.due - sum(total.shed.values()), clock()
        rps = (sent - self._sent) / (now - self._at) if now > self._at else 0.0
        self._sent, self._at = sent, now
        text = f"{rps:.0f} rps, {sent} sent, {self._generator.in_flight} in flight"
        if (p50 := total.from_intended.percentile_ms(0.5)) is not None:
            text += f", p50 {p50:.1f} ms, p99 {total.from_intended.percentile_ms(0.99):.1f} ms"
        troubles = {name: n for name, n in total.outcomes.items() if name not in NOT_ERRORS}
        for name, number in (troubles | total.shed).items():
            text += f", {name} {number}"
        return f"step {len(self._run.steps)}: {text}" if len(self._run.steps) > 1 else text


async def show(run: Run, generator: Generator, window_s: float) -> None:
    """Until it is cancelled; `window_s` may be infinite: nobody knows."""
    shown = Shown(run, generator)
    console = Console(stderr=True)
    if not console.is_terminal:
        while True:
            await asyncio.sleep(LINE_INTERVAL_S)
            click.echo(shown.line(), err=True)
    columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        total_s = window_s if math.isfinite(window_s) else None
        task = progress.add_task("", total=total_s)
        began_at = clock()
        while True:
            await asyncio.sleep(BAR_INTERVAL_S)
            progress.update(task, completed=clock() - began_at, description=shown.line())
            progress.refresh()

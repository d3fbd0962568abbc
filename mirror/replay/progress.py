"""Shows a replay while it runs: a bar on a terminal, elsewhere a line on stderr every 10 s.

Drawing takes 0.3 ms, during which nothing is sent, so the bar is drawn only twice a second.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from mirror.formats.replay_result import SERVED
from mirror.formats.rich_console import visible_console
from mirror.formats.terminal import say
from mirror.replay.generator import Generator, clock
from mirror.replay.steps import StepRunner

BAR_INTERVAL_S = 0.5
LINE_INTERVAL_S = 10.0
_NO_TROUBLE = ("1xx", *SERVED)


class Shown:
    """The live numbers of a replay, as one line."""

    def __init__(self, run: StepRunner, generator: Generator) -> None:
        self._run = run
        self._generator = generator
        self._sent = 0
        self._at = clock()

    def line(self) -> str:
        """Return the rate since the previous line, and the latency so far."""
        total = self._run.total()
        sent, now = total.due - sum(total.shed.values()), clock()
        rps = (sent - self._sent) / (now - self._at) if now > self._at else 0.0
        self._sent, self._at = sent, now
        text = f"{rps:.0f} rps, {sent} sent, {self._generator.in_flight} in flight"
        if (p50 := total.from_intended.percentile_ms(0.5)) is not None:
            text += f", p50 {p50:.1f} ms, p99 {total.from_intended.percentile_ms(0.99):.1f} ms"
        # A 404 may be as in production, but a row of a table needs answers of 2xx and 3xx.
        troubles = {name: n for name, n in total.outcomes.items() if name not in _NO_TROUBLE}
        for name, number in (troubles | total.shed).items():
            text += f", {name} {number} ({number / total.due:.1%})"
        if not self._run.steps or (rate_rps := self._run.steps[-1].step.rate_rps) is None:
            return text
        return f"step {len(self._run.steps)} at {rate_rps:g} rps: {text}"


@asynccontextmanager
async def shown(run: StepRunner, generator: Generator, window_s: float) -> AsyncIterator[None]:
    """Show progress while the block lasts; an infinite `window_s` means an unknown end."""
    showing = asyncio.get_running_loop().create_task(show(run, generator, window_s))
    try:
        yield
    finally:
        showing.cancel()
        with suppress(asyncio.CancelledError):
            await showing


async def show(run: StepRunner, generator: Generator, window_s: float) -> None:
    """Show progress until cancelled; an infinite `window_s` means that the end is unknown."""
    numbers = Shown(run, generator)
    out = visible_console(err=True)
    if not out.is_terminal:
        while True:
            await asyncio.sleep(LINE_INTERVAL_S)
            say(numbers.line(), err=True)
    columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=out, auto_refresh=False, transient=True) as progress:
        total_s = window_s if math.isfinite(window_s) else None
        task = progress.add_task("", total=total_s)
        began_at = clock()
        while True:
            await asyncio.sleep(BAR_INTERVAL_S)
            progress.update(task, completed=clock() - began_at, description=numbers.line())
            progress.refresh()

"""Reloads: when one was asked for, one after the other, and how each ended.

This module does not know what a reload changes.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from mirror.errors import MirrorError

log = logging.getLogger(__name__)

RELOADED = "reloaded"
REFUSED = "refused"


class Reloads:
    """The reloads of one sidecar."""

    def __init__(self, change: Callable[[float], Awaitable[str]]) -> None:
        """`change` loads and applies, and returns what is in force then.

        It takes the time (monotonic clock) at which that was asked for, and raises MirrorError
        where nothing has changed.
        """
        self.numbers = {RELOADED: 0, REFUSED: 0}
        self._change = change
        self._last: dict[str, Any] | None = None
        self._asked = asyncio.Event()
        self._asked_at = 0.0

    def ask(self) -> None:
        """Ask for a reload. While one is under way, another one follows."""
        self._asked_at = time.monotonic()
        self._asked.set()

    def status(self) -> dict[str, Any]:
        return {**self.numbers, "last": self._last}

    async def run(self) -> None:
        """Reload whenever that is asked for, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            problems: list[str] = []
            try:
                log.info("reloaded; %s", await self._change(self._asked_at))
            except MirrorError as error:
                problems = str(error).splitlines()
                for line in problems:
                    log.error("reload refused: %s", line)
            except Exception as error:
                log.exception("unexpected error while reloading")
                problems = [f"unexpected: {error!r}"]
            result = REFUSED if problems else RELOADED
            self.numbers[result] += 1
            self._last = {"at": int(time.time()), "result": result, "problems": problems}

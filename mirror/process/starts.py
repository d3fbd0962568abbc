"""Starts of workers that are repeated until they succeed, and what is said about them.

A start fails where the kernel refuses a process, memory or a descriptor, or where the interpreter
is missing. Each missing worker waits longer after each failure. A reason is logged when it is new,
and again once a minute while it lasts. This module does not know what is started.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 10.0
SAY_AGAIN_S = 60.0


class Starts:
    """The starts under way; `error` says why one is being repeated."""

    def __init__(self, ending: asyncio.Event) -> None:
        """`ending` ends every wait, and with it the repetition."""
        self._ending = ending
        self._failing = 0
        """Number of workers whose last start failed."""
        self._newest = ""
        self._said_at: dict[str, float] = {}
        """When (monotonic clock) each reason was last logged."""

    @property
    def error(self) -> str | None:
        """The newest reason; None where no start is being repeated."""
        return self._newest if self._failing else None

    async def repeat(
        self, start: Callable[[], Awaitable[None]], is_wanted: Callable[[], bool]
    ) -> None:
        """Start until it raises no OSError, or is not wanted any more."""
        wait_s = FIRST_WAIT_S
        has_failed = False
        try:
            while is_wanted() and not self._ending.is_set():
                try:
                    return await start()
                except OSError as error:
                    self._failing += not has_failed
                    has_failed = True
                    self._say(str(error))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._ending.wait()
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        finally:
            self._failing -= has_failed
            if has_failed and not self._failing and not self._ending.is_set():
                self._said_at.clear()
                log.info("every missing worker was started")

    def _say(self, reason: str) -> None:
        self._newest = reason
        now_s = time.monotonic()
        if now_s - self._said_at.get(reason, -SAY_AGAIN_S) >= SAY_AGAIN_S:
            self._said_at[reason] = now_s
            log.error("cannot start a worker: %s; trying again", reason)

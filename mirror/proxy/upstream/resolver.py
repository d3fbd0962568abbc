"""The addresses of an upstream's name, looked up again and again.

A name is looked up off the loop, once for all connects that wait for it, and again every
`interval_s`: getaddrinfo does not say how long its answer is good for. Meanwhile, and when a
look-up fails, the last good answer stands. An address stands for itself.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

Lookup = Callable[[str], Awaitable[list[str]]]
"""The addresses of a name; raises OSError or ValueError."""


class Resolver:
    """One name."""

    def __init__(self, host: str, interval_s: float, lookup: Lookup | None = None) -> None:
        self.addresses: tuple[str, ...] = ()
        """Of the last look-up that succeeded."""
        self.generation = 0
        """Grows when an address is gone from the answer."""
        self._host = host
        self._interval_s = interval_s
        self._lookup = lookup or look_up
        self._due_at = float("inf")
        self._turn = 0
        self._is_failing = False
        self._task: asyncio.Task[None] | None = None
        if is_address(host):
            self.addresses = (host,)

    async def in_turn(self) -> list[str]:
        """All addresses, beginning with the next one each time; raises OSError or ValueError
        where none was ever found."""
        if not self.addresses:
            await asyncio.shield(self._refresh())
        self._turn += 1
        at = self._turn % len(self.addresses)
        return [*self.addresses[at:], *self.addresses[:at]]

    def tick(self, now: float) -> None:
        """Look up again where it is time to."""
        if now >= self._due_at:
            self._due_at = float("inf")
            self._refresh().add_done_callback(_retrieve)

    def close(self) -> None:
        self._due_at = float("inf")
        if self._task is not None:
            self._task.cancel()

    def _refresh(self) -> "asyncio.Task[None]":
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._look_up())
        return self._task

    async def _look_up(self) -> None:
        try:
            found = tuple(await self._lookup(self._host))
        except (OSError, ValueError) as error:
            if self.addresses:
                self._keep(error)
                return
            raise
        finally:
            self._due_at = asyncio.get_running_loop().time() + self._interval_s
        if self._is_failing:
            self._is_failing = False
            log.info("%s is found again", self._host)
        if set(self.addresses) - set(found):
            self.generation += 1
            log.info("%s is now at %s", self._host, ", ".join(found))
        self.addresses = found

    def _keep(self, error: Exception) -> None:
        if not self._is_failing:
            self._is_failing = True
            where = ", ".join(self.addresses)
            log.warning("%s cannot be looked up (%s): keeping %s", self._host, error, where)


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def look_up(host: str) -> list[str]:
    """What the system's resolver says, each address once, in its order."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _retrieve(task: "asyncio.Task[None]") -> None:
    """Nobody waits for this one; what it failed with is logged already."""
    if not task.cancelled():
        task.exception()

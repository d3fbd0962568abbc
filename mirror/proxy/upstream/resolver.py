"""The addresses behind an upstream's name, looked up periodically.

A name is looked up in a thread, once for all connects that wait for it, and again every
`interval_s`, because getaddrinfo does not report how long its answer is valid. In the meantime, and
when a look-up fails, the last good answer stays in force. A host that is an address is never looked
up.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

Lookup = Callable[[str], Awaitable[list[str]]]
"""Returns the addresses of a name; raises OSError or ValueError."""


class Resolver:
    """The addresses of one name."""

    def __init__(self, host: str, interval_s: float, lookup: Lookup | None = None) -> None:
        self.addresses: tuple[str, ...] = ()
        """The addresses of the last successful look-up."""
        self.generation = 0
        """Grows when an address disappears from the answer."""
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
        """Return all addresses, each time beginning with the next one.

        Raises OSError or ValueError if no look-up ever succeeded.
        """
        if not self.addresses:
            await asyncio.shield(self._refresh())
        self._turn += 1
        at = self._turn % len(self.addresses)
        return [*self.addresses[at:], *self.addresses[:at]]

    def tick(self, now: float) -> None:
        """Look the name up again when it is due."""
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
            addresses = tuple(await self._lookup(self._host))
        except (OSError, ValueError) as error:
            if self.addresses:
                self._keep(error)
                return
            raise
        finally:
            self._due_at = asyncio.get_running_loop().time() + self._interval_s
        if self._is_failing:
            self._is_failing = False
            log.info("%s can be looked up again", self._host)
        if set(self.addresses) - set(addresses):
            self.generation += 1
            log.info("%s is now at %s", self._host, ", ".join(addresses))
        self.addresses = addresses

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
    """Return the addresses of the system's resolver in its order, each once."""
    loop = asyncio.get_running_loop()
    answers = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in answers))


def _retrieve(task: "asyncio.Task[None]") -> None:
    """Retrieve the exception of a task that nobody awaits; it is already logged."""
    if not task.cancelled():
        task.exception()

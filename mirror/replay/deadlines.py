"""Deadlines of one timeout class, kept in order for free.

All items of a class wait equally long, so the order of arrival is the order of expiry: a dict,
which remembers insertion, is the queue. Start and cancel cost one dict operation, where a loop
timer would cost a microsecond; one timer for the whole loop asks for what has expired.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


class Deadlines(Generic[Item]):
    """Items that expire `timeout_s` after they were started."""

    __slots__ = ("_expires_at", "timeout_s")

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._expires_at: dict[Item, float] = {}

    def __len__(self) -> int:
        return len(self._expires_at)

    def start(self, item: Item, now: float) -> None:
        """Give `item` its deadline; an item that has one already gets a new one."""
        self._expires_at.pop(item, None)
        self._expires_at[item] = now + self.timeout_s

    def cancel(self, item: Item) -> None:
        """Forget `item`; one without a deadline is no error."""
        self._expires_at.pop(item, None)

    def pop_expired(self, now: float) -> list[Item]:
        """The items whose deadline has passed, oldest first; they are forgotten here."""
        expired = []
        for item, expires_at in self._expires_at.items():
            if expires_at > now:
                break
            expired.append(item)
        for item in expired:
            del self._expires_at[item]
        return expired

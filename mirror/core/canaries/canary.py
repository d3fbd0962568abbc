"""What the sidecar keeps of one canary: a request that `mirror canary` sends through production.

The id stands at the end of the query, `?mirror-canary=ID`, because every access log shows the query
and because a comparison of the end costs every other request less than a search. Anybody may send
such a request, so an id is short and plain, and no decision about a request depends on it.

The struct is apart from the code that is compiled, because msgspec reads its annotations, which
mypyc would erase.
"""

import re

import msgspec

MARK = b"mirror-canary="
"""Stands in front of the id, at the end of the target."""

ID_LENGTH = 32
"""Hexadecimal digits of an id."""
MARK_END = -ID_LENGTH
MARK_BEGIN = MARK_END - len(MARK)
"""`target[MARK_BEGIN:MARK_END] == MARK` holds for every canary, and for hardly any other target."""

HEADER = "X-Mirror-Canary"
"""The field that repeats the id, for logs that show it and for rules that look for it."""

_ID = re.compile(rb".*[?&]mirror-canary=([0-9a-f]{32})", re.DOTALL)


class Canary(msgspec.Struct, array_like=True):
    """One canary as one worker saw it."""

    id: str
    at_s: float
    """Unix time at which the worker saw its first copy."""
    copies: int = 1
    """How often the request came: nginx that mirrors twice sends it twice."""
    repeated: int = 0
    """Copies that were recognised as repeated, and not counted."""
    legs: int = 0
    """How many shadow legs it got."""
    why_none: str = ""
    """Why no copy of the request got a leg, such as `ratio`; empty where one did."""
    outcome: str = ""
    """How its first leg ended (core/ledger.py), or `shed` with the reason; empty until then."""
    status: int = 0
    """The status that the shadow answered with; 0 where it gave no complete answer."""
    is_from_proxy: bool = False
    """The proxy itself answered, and not the application behind it."""

    @property
    def is_ended(self) -> bool:
        """Return whether nothing more is expected."""
        return bool(self.outcome or self.why_none)


class Piece(msgspec.Struct, array_like=True):
    """Part of a report: the canaries that changed since the report before."""

    canaries: list[Canary]
    not_kept: int
    """Since the worker started: canaries that were too many to be kept."""


def canary_id(target: bytes) -> str:
    """Return the id of a canary; empty if the target names none."""
    found = _ID.fullmatch(target)
    return found[1].decode("ascii") if found else ""

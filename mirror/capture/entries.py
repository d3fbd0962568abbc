"""What an import reads: requests in any order, and reasons why something is not a request.

This module knows nothing of the formats that entries come from.
"""

from dataclasses import dataclass

from mirror.formats.capture.record import Record


class Unusable(Exception):
    """A part of the input is not one request; the text says why."""


@dataclass(slots=True)
class Entry:
    """One usable request."""

    record: Record
    is_whole_second: bool = False
    """The source knows the time only to the second."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A part of the input that is no request to a server, as its format says."""

    reason: str
    """One of a few texts, so that they can be counted."""


Item = Entry | LeftOut | str
"""A request, one that was never sent, or a text that says where and why there is none."""

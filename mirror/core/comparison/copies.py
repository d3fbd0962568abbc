"""The copies of one worker in mode sink: its shadow legs that ended, until the next report.

The supervisor joins them with the lines of production's access log. Production never waits for
that: what does not fit into a report is counted, and forgotten.
"""

from mirror.core import ledger
from mirror.core.comparison.answer import Answer
from mirror.core.comparison.examples import MOST, RequestReader
from mirror.core.comparison.piece import Copy
from mirror.core.comparison.verdict import EVICTED, EXTRA_COPY, SHADOW_ABORTED
from mirror.core.worker_ledger import Ledger

MOST_COPIES = 2000
"""Copies of one report, of which there are ten a second; in it, each has about 80 bytes."""
COPY_BYTES = 2048
"""The most bytes that a copy takes in the worker: its id, Location and base may be the longest."""
_MOST_URIS = MOST
"""Copies of one report that name their URI, which costs more than the rest of a copy."""


class Copies:
    """The copies since the last report."""

    __slots__ = ("_copies", "_ledger", "_reader", "_uris")

    def __init__(self, counts: Ledger, reader: RequestReader) -> None:
        self._ledger = counts
        self._reader = reader
        self._copies: list[Copy] = []
        self._uris = 0

    def extra_ended(self, route: str) -> None:
        """Count a shadow leg beyond the first of its request."""
        self._ledger.count(ledger.UNCOMPARED, route, EXTRA_COPY)

    def shadow_ended(self, route: str, answer: Answer, request: bytes) -> None:
        """Take the answer of a shadow leg; `request` are the bytes that were sent."""
        if answer.outcome == ledger.ABORTED:
            self._ledger.count(ledger.UNCOMPARED, route, SHADOW_ABORTED)
        elif len(self._copies) >= MOST_COPIES:
            self._ledger.count(ledger.UNCOMPARED, route, EVICTED)
        else:
            uri = None
            is_success = 200 <= answer.status < 300 or answer.status == 304
            if not is_success and self._uris < _MOST_URIS:
                self._uris += 1
                uri = self._reader.uri_of(request)
            self._copies.append(Copy(self._reader.id_of(request), route, answer, uri))

    def take(self) -> list[Copy]:
        """Return the copies, and begin anew."""
        copies, self._copies = self._copies, []
        self._uris = 0
        return copies

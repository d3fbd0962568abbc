"""The counts of URIs of all workers, and the document of /uris.

The supervisor owns the only `UriTotals`. A worker sends only what is new (core/uri_counts), so one
that retires or is replaced counts once; what one had not sent when it died is lost, and said.

Invariant, at every reading: seen = sum of all counts + not_kept + waiting + lost.
"""

from collections.abc import Callable
from typing import Any

from mirror.core.uri_counts.piece import Addition, Piece
from mirror.core.uri_counts.table import UriTable
from mirror.formats.uri_counts import FORMAT, VERSION, UriCount, UriCounts


class UriTotals:
    """The counts since they were switched on; `switch` does that."""

    def __init__(self, unix_second: Callable[[int], int]) -> None:
        """`unix_second` returns the Unix second of one in which workers count (timeline.py)."""
        self._unix_second = unix_second
        self._table: UriTable | None = None
        self._since_s = 0
        self._waiting: dict[int, int] = {}
        """Requests that each worker has counted and not sent."""
        self._earlier: set[int] = set()
        """Workers that counted before the counts were switched on: they count no more."""
        self._seen = self._not_sent = self._lost = 0

    def switch(self, most: int, now_s: int) -> None:
        """Keep at most this many URIs from the Unix second `now_s` on; 0 switches the counts off.

        Counts continue where there were some before.
        """
        if most == 0:
            self._table = None
            self._earlier |= self._waiting.keys()
            self._waiting = {}
        elif self._table is not None:
            self._table.resize(most)
        else:
            self._table = UriTable(most)
            self._since_s = now_s
            self._seen = self._not_sent = self._lost = 0

    def add(self, worker_id: int, piece: Piece) -> None:
        """Take in what a worker reported."""
        table = self._table
        if table is None or worker_id in self._earlier:
            if piece.seen:
                self._earlier.add(worker_id)
            return
        sent = piece.not_kept
        for addition in piece.additions:
            sent += addition.count
            table.add(self._labelled(addition))
        self._seen += piece.seen
        self._not_sent += piece.not_kept
        self._waiting[worker_id] = self._waiting.get(worker_id, 0) + piece.seen - sent

    def worker_ended(self, worker_id: int) -> None:
        """Count what an ended worker has not sent as lost."""
        self._lost += self._waiting.pop(worker_id, 0)
        self._earlier.discard(worker_id)

    def _labelled(self, addition: Addition) -> Addition:
        addition.first = self._unix_second(addition.first)
        addition.last = self._unix_second(addition.last)
        return addition

    def status(self) -> dict[str, Any] | None:
        """Return the part of /status; None where the counts are switched off."""
        if self._table is None:
            return None
        return {
            "kept": len(self._table),
            "most": self._table.most,
            "seen": self._seen,
            "not_kept": self._table.not_kept + self._not_sent,
            "lost": self._lost,
        }

    def document(self, instance: str, mode: str, now_s: int) -> UriCounts | None:
        """Return the answer of /uris at this Unix second; None where the counts are off."""
        table = self._table
        if table is None:
            return None
        not_kept = table.not_kept + self._not_sent
        return UriCounts(
            format=FORMAT,
            version=VERSION,
            instance=instance,
            mode=mode,
            since_s=self._since_s,
            until_s=now_s,
            most=table.most,
            seen=self._seen,
            not_kept=not_kept,
            waiting=sum(self._waiting.values()),
            lost=self._lost,
            missing_most=min(not_kept, table.missing_most + self._not_sent),
            uris=[
                UriCount(
                    row.uri.host,
                    row.uri.method,
                    row.uri.path,
                    list(row.uri.names),
                    row.count,
                    row.first,
                    row.last,
                    row.uri.is_shape,
                    row.outcomes,
                )
                for row in table.rows()
            ],
        )

"""The counts of URIs over all workers: exact, until there are more URIs than the table keeps.

Beyond that it is the Space-Saving summary (Metwally, Agrawal and El Abbadi, "Efficient Computation
of Frequent and Top-k Elements in Data Streams", ICDT 2005), with three differences. A row has what
it really counted, and apart from it what it may have missed, so that the rows never count a request
twice or too much. A URI that comes while the table is full counts under the shape of its path, if
it has one. And a row that gives way is added to the row of its shape, if there is one; otherwise
its requests are in `not_kept`.

Invariants: all that was added = sum of the rows' counts + not_kept; and no URI has more requests
than `missing_most` that are in neither its own row nor that of its shape.

Why the second holds: rows give way in the order of count + missed, which is at least what was ever
added under their URI, and `floor` is the largest such sum that gave way. So what is not in the
table was added at most `floor` times, and a row that comes again has missed at most that. A request
is added under its URI or under its shape, hence twice `floor`. Where the number of rows is the
limit, and not their bytes, `floor` is at most 2 N / rows for N requests: as in the paper, a new row
begins with what the old one had; and a request is moved to the row of its shape at most once.
"""

import heapq

from mirror.core.uri_counts.collector import bytes_of, ceiling_bytes
from mirror.core.uri_counts.piece import Addition, Uri
from mirror.formats.path_shapes import shape_of


class Row:
    """What was counted under one URI. Seconds are those of the caller."""

    __slots__ = ("count", "first", "last", "missed", "outcomes", "uri")

    def __init__(self, uri: Uri, missed: int) -> None:
        self.uri = uri
        self.count = 0
        self.missed = missed
        """At most this many were added under this URI before the row was made."""
        self.first = 0
        self.last = 0
        self.outcomes: dict[str, int] = {}

    @property
    def rank(self) -> int:
        return self.count + self.missed

    def add(self, count: int, first: int, last: int, outcomes: dict[str, int]) -> None:
        """Add requests from the second `first` to the second `last`, both included."""
        if count:
            self.first = min(self.first, first) if self.count else first
            self.last = max(self.last, last)
            self.count += count
        for outcome, number in outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + number


class UriTable:
    """The rows of one sidecar."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows: dict[Uri, Row] = {}
        self._held_bytes = 0
        self._is_overfull = False
        """There were more URIs than rows; from then on, shapes are preferred."""
        self._heap: list[tuple[int, int, Row]] = []
        """Each row once, by a rank that it had; it may have risen since."""
        self._made = 0
        """Rows made so far; it decides between equal ranks."""
        self.floor = 0
        self.not_kept = 0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def most(self) -> int:
        """The most rows."""
        return self._most

    @property
    def missing_most(self) -> int:
        """No URI has more requests than this that are in neither its row nor that of its shape."""
        return min(self.not_kept, 2 * self.floor)

    def resize(self, most: int) -> None:
        """Keep at most this many rows from now on."""
        self._most = most
        self._make_room(0)

    def rows(self) -> list[Row]:
        """Return the rows in the order of falling counts."""
        return sorted(self._rows.values(), key=lambda row: (-row.count, row.uri))

    def add(self, addition: Addition) -> None:
        """Add the counts of a URI."""
        uri = addition.uri
        row = self._rows.get(uri)
        if row is None and addition.count == 0:
            return  # it gave way; how its last requests ended has no place any more
        if row is None and (self._is_overfull or self._is_full(bytes_of(uri))):
            uri = _shaped(uri)
            row = self._rows.get(uri)
        if row is None:
            row = self._make(uri)
        row.add(addition.count, addition.first, addition.last, addition.outcomes)

    def _make(self, uri: Uri) -> Row:
        size_bytes = bytes_of(uri)
        self._make_room(size_bytes)
        row = self._rows[uri] = Row(uri, self.floor)
        self._held_bytes += size_bytes
        self._made += 1
        heapq.heappush(self._heap, (row.rank, self._made, row))
        return row

    def _is_full(self, size_bytes: int) -> bool:
        """Return whether there is no room; a size of 0 asks about the rows that are there."""
        rows = len(self._rows) + (size_bytes > 0)
        return rows > self._most or self._held_bytes + size_bytes > ceiling_bytes(self._most)

    def _make_room(self, size_bytes: int) -> None:
        while self._rows and self._is_full(size_bytes):
            self._is_overfull = True
            rank, made, row = self._heap[0]
            if rank < row.rank:
                heapq.heapreplace(self._heap, (row.rank, made, row))
                continue
            heapq.heappop(self._heap)
            del self._rows[row.uri]
            self._held_bytes -= bytes_of(row.uri)
            self.floor = max(self.floor, row.rank)
            shape = self._rows.get(_shaped(row.uri))
            if shape is None:
                self.not_kept += row.count
            else:
                shape.add(row.count, row.first, row.last, row.outcomes)


def _shaped(uri: Uri) -> Uri:
    """Return the URI that counts all requests of the same shape; the URI itself if it has none."""
    shape = shape_of(uri.path)
    if shape == uri.path:
        return uri
    return Uri(uri.host, uri.method, shape, uri.names, True)

"""Examples of what the shadow served otherwise, over all workers, in bounded memory.

This is a Space-Saving summary (Metwally, Agrawal and El Abbadi, "Efficient Computation of Frequent
and Top-k Elements in Data Streams", ICDT 2005) in which a row keeps only what it really counted, as
in core/uri_counts/table.py. Where the table is full, an example counts under the shape of its path
if there is a row of that shape; otherwise the row with the fewest pairs gives way.

Invariant: all pairs that were added = sum of the rows' counts + not_kept.
"""

from mirror.core.comparison.piece import ExampleAddition
from mirror.core.uri_counts.piece import Uri
from mirror.formats.comparison import Example
from mirror.formats.path_shapes import shape_of

MOST_KEPT = 200
"""Examples of a sidecar; a person reads the first few, and a report groups them by path."""

_Key = tuple[str, str, Uri, int, int]


class ExampleTable:
    """The examples of one sidecar. Seconds are those of the caller."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._rows: dict[_Key, ExampleAddition] = {}
        self.not_kept = 0

    def add(self, addition: ExampleAddition) -> None:
        """Add pairs."""
        row = self._rows.get(_key_of(addition))
        if row is None and len(self._rows) >= self._most:
            addition.uri = _shaped(addition.uri)
            row = self._rows.get(_key_of(addition))
            if row is None:
                self._make_room()
        if row is None:
            self._rows[_key_of(addition)] = addition
            return
        row.count += addition.count
        row.first = min(row.first, addition.first)
        if addition.last >= row.last:
            row.last, row.location = addition.last, addition.location
            row.request_id = addition.request_id or row.request_id

    def rows(self) -> list[Example]:
        """Return the rows in the order of falling counts."""
        rows = sorted(self._rows.values(), key=lambda row: (-row.count, row.uri))
        return [
            Example(
                *(row.route, row.result, row.uri.method, row.uri.host, row.uri.path),
                *(list(row.uri.names), row.primary_status, row.shadow_status, row.location),
                *(row.count, row.first, row.last, row.request_id),
            )
            for row in rows
        ]

    def _make_room(self) -> None:
        key = min(self._rows, key=lambda key: (self._rows[key].count, self._rows[key].last))
        self.not_kept += self._rows.pop(key).count


def _key_of(addition: ExampleAddition) -> _Key:
    statuses = addition.primary_status, addition.shadow_status
    return addition.route, addition.result, addition.uri, *statuses


def _shaped(uri: Uri) -> Uri:
    """Return the URI of all paths with the same shape; the URI itself if it has none."""
    shape = shape_of(uri.path)
    return uri if shape == uri.path else Uri(uri.host, uri.method, shape, uri.names, True)

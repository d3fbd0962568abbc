"""The URIs that one worker counts: a cache of what it sends to the supervisor.

`count` runs once for every production request, so it looks up raw bytes and adds one; the URI is
made once for each entry. What was counted waits until it is sent, a few entries at a time: neither
a request nor a report ever pays for the whole table.

Where there are more URIs than room, a request counts under the shape of its path
(formats/path_shapes.py), and a new entry takes the place of one of whose counts nothing waits. Both
cost the same however many entries there are.

Invariant: every request is in exactly one addition, or in `not_kept`. The entries and their texts
stay below `most` and `ceiling_bytes(most)`.
"""

from mirror.core.redaction.redactor import Redactor
from mirror.core.request_head import RequestHead
from mirror.core.uri_counts.canonical import CUT, raw_names, raw_path, uri_of
from mirror.core.uri_counts.piece import Addition, Piece, Uri
from mirror.formats.path_shapes import shape_of

ENTRY_BYTES = 1024
"""Bytes for each entry; an entry whose path has 60 bytes takes 900, as `bytes_of` counts."""
_LONGEST_ENTRY = 16
"""The longest entry takes less than this many."""
_OWN_BYTES = 640
"""Cost of an entry beyond its texts: seven objects, and its places in two tables."""
_KEY_BYTES = 160
"""Cost of a key beyond its bytes, with its place in a table."""
_NAME_BYTES = 64

ROUND_S = 5
"""Shortest time from one round, in which all that waits is sent, to the next."""
ADDITIONS_OF_A_PIECE = 100
"""Additions to one report: 0.1 ms of the loop, ten times a second while a round lasts."""
_MOST_KEY_BYTES = 1536
"""Longest key: path and query are cut before, so only an absurd host makes a longer one."""
_MOST_KEYS = 4
"""Keys of one entry, which differ in the order of the query or in what is redacted."""
_CANDIDATES = 8
"""Entries of which the longest unused one gives way; more would cost more for each new URI."""


def ceiling_bytes(most: int) -> int:
    """Return the most bytes that a collector for this many URIs holds."""
    return (most + _LONGEST_ENTRY) * ENTRY_BYTES


def bytes_of(uri: Uri) -> int:
    """Return the most bytes that an entry takes, without its keys."""
    texts = len(uri.host) + len(uri.method) + len(uri.path) + sum(map(len, uri.names))
    return _OWN_BYTES + texts + _NAME_BYTES * len(uri.names)


class Entry:
    """What has been counted of one URI and is not sent yet."""

    __slots__ = ("count", "first", "held_bytes", "is_waiting", "keys", "last", "outcomes", "uri")

    def __init__(self, uri: Uri) -> None:
        self.uri = uri
        self.keys: list[bytes] = []
        self.held_bytes = bytes_of(uri)
        self.count = 0
        self.first = 0
        self.last = 0
        self.outcomes: dict[str, int] = {}
        self.is_waiting = False
        """It is in one of the collector's two lists, because something of it is not sent yet."""


class UriCollector:
    """The counts of one worker; call `piece` with every report."""

    __slots__ = (
        "_by_key",
        "_by_uri",
        "_entries",
        "_hand",
        "_held_bytes",
        "_most",
        "_most_bytes",
        "_next_round",
        "_not_kept",
        "_redactor",
        "_seen",
        "_sending",
        "_waiting",
    )

    def __init__(self, most: int, redactor: Redactor) -> None:
        self._most = most
        self._most_bytes = ceiling_bytes(most)
        self._redactor = redactor
        self._by_key: dict[bytes, Entry] = {}
        self._by_uri: dict[Uri, Entry] = {}
        self._entries: list[Entry] = []
        self._hand = 0
        """Where the search for an entry that gives way goes on."""
        self._held_bytes = 0
        self._seen = 0
        self._not_kept = 0
        self._waiting: list[Entry] = []
        self._sending: list[Entry] = []
        """What is left of the round."""
        self._next_round = 0

    def count(self, head: RequestHead, second: int) -> Entry | None:
        """Count a production request; return its entry, or None where it is not kept."""
        self._seen += 1
        path, mark, query = head.target.partition(b"?")
        path = raw_path(path)
        names = raw_names(query) if mark else b""
        key = b"".join((head.method, b" ", head.host, path, b"?", names))
        entry = self._by_key.get(key)
        if entry is None:
            entry = self._find(head, path, names, key)
            if entry is None:
                self._not_kept += 1
                return None
        if entry.count == 0:
            entry.first = second
            self._wait(entry)
        entry.count += 1
        entry.last = second
        return entry

    def ended(self, entry: Entry, outcome: str) -> None:
        """Count how the primary's leg of a request ended."""
        outcomes = entry.outcomes
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        self._wait(entry)

    def piece(self, second: int, is_last: bool = False) -> Piece:
        """Return what is to be sent now, which then counts as sent; the last piece has the rest."""
        if is_last:
            self._sending += self._waiting
            self._waiting = []
        elif self._waiting and not self._sending and second >= self._next_round:
            self._sending, self._waiting = self._waiting, []
            self._next_round = second + ROUND_S
        additions = []
        left = 0 if is_last else max(0, len(self._sending) - ADDITIONS_OF_A_PIECE)
        while len(self._sending) > left:
            entry = self._sending.pop()
            first = entry.first if entry.count else 0
            additions.append(Addition(entry.uri, entry.count, first, entry.last, entry.outcomes))
            entry.count = 0
            entry.outcomes = {}
            entry.is_waiting = False
        piece = Piece(self._seen, self._not_kept, additions)
        self._seen = self._not_kept = 0
        return piece

    def _wait(self, entry: Entry) -> None:
        if not entry.is_waiting:
            entry.is_waiting = True
            self._waiting.append(entry)

    def _find(self, head: RequestHead, path: bytes, names: bytes, key: bytes) -> Entry | None:
        """Return the entry of a request whose key is unknown; None if there is no room for it."""
        if len(key) > _MOST_KEY_BYTES:
            return None
        is_shape = False
        if self._is_full(0):
            text = path.decode("latin-1")
            shape = shape_of(text)
            if shape != text:
                is_shape = True
                path = shape.encode("latin-1")
                # The leading byte keeps a path that reads like a shape apart from it.
                key = b"".join((CUT, head.method, b" ", head.host, path, b"?", names))
                entry = self._by_key.get(key)
                if entry is not None:
                    return entry
        uri = uri_of(head.method, head.host, path, names, self._redactor, is_shape)
        key_bytes = len(key) + _KEY_BYTES
        entry = self._by_uri.get(uri)
        if entry is None:
            entry = Entry(uri)
            if not self._make_room(entry.held_bytes + key_bytes):
                return None
            self._by_uri[uri] = entry
            self._entries.append(entry)
            self._held_bytes += entry.held_bytes
        elif len(entry.keys) == _MOST_KEYS or self._is_full(key_bytes):
            return entry
        self._by_key[key] = entry
        entry.keys.append(key)
        entry.held_bytes += key_bytes
        self._held_bytes += key_bytes
        return entry

    def _is_full(self, size_bytes: int) -> bool:
        has_place = len(self._entries) < self._most
        return not has_place or self._held_bytes + size_bytes > self._most_bytes

    def _make_room(self, size_bytes: int) -> bool:
        """Remove entries until one of this size fits; return False where too much waits."""
        while self._is_full(size_bytes):
            victim = self._victim()
            if victim < 0:
                return False
            entries = self._entries
            entry = entries[victim]
            entries[victim] = entries[-1]
            entries.pop()
            for key in entry.keys:
                del self._by_key[key]
            del self._by_uri[entry.uri]
            self._held_bytes -= entry.held_bytes
        return True

    def _victim(self) -> int:
        """Return the place of the longest unused of a few entries of which nothing waits; or -1."""
        entries = self._entries
        number = len(entries)
        victim = -1
        oldest = 0
        for _ in range(min(_CANDIDATES, number)):
            self._hand += 1
            if self._hand >= number:
                self._hand = 0
            entry = entries[self._hand]
            if not entry.is_waiting and (victim < 0 or entry.last < oldest):
                victim = self._hand
                oldest = entry.last
        return victim

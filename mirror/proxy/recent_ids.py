"""The ids of recent requests, shared by all workers, so that a repeated request counts once.

nginx runs its `mirror` again after an internal redirect (an `index`), so one production request may
arrive twice within microseconds with the same `$request_id`, possibly at two workers.

Every worker maps one table in memory. A digest of the id selects a bucket, which holds the last
WAYS ids with their times of arrival. The kernel locks a bucket for the process that reads and
writes it, and releases the lock if that process dies. Memory is fixed. A repeat is missed only if
WAYS younger ids of its bucket came in between. Comparing 64 bits of the digest makes sure that an
id that is new, or older than WINDOW_S, is not taken for a repeat.
"""

import fcntl
import mmap
import os
import struct
from hashlib import blake2b

WINDOW_S = 2.0
"""nginx starts both copies at once. An id that a client invents and uses again later is new."""
WAYS = 8
BUCKETS = 1 << 15
"""The table takes 4 MiB. At 50,000 requests per second each bucket gets 1.5 ids a second."""

_BUCKET = struct.Struct(f"<{WAYS}Q{WAYS}d")
_DIGEST = struct.Struct("<QQ")
_TAG = struct.Struct("<Q")
_TIME = struct.Struct("<d")


_SHARERS_AT = BUCKETS * _BUCKET.size
_SIZE_BYTES = _SHARERS_AT + 1


def create_table() -> int:
    """Return the descriptor of a new table, which workers inherit."""
    descriptor = os.memfd_create("recent-ids")
    os.ftruncate(descriptor, _SIZE_BYTES)
    set_sharers(descriptor, 255)
    return descriptor


def set_sharers(descriptor: int, sharers: int) -> None:
    """Store how many processes use the table; a single one needs no locks.

    Call it before another process starts and after one has ended. A new table assumes many.
    """
    os.pwrite(descriptor, bytes([min(sharers, 255)]), _SHARERS_AT)


class RecentIds:
    """One process's view of a table."""

    def __init__(self, descriptor: int) -> None:
        """Take ownership of the descriptor."""
        self._descriptor = descriptor
        self._table = mmap.mmap(descriptor, _SIZE_BYTES)

    def add(self, request_id: bytes, now_s: float) -> bool:
        """Store the id; return True if it came within the last WINDOW_S (monotonic clock)."""
        place, tag = _DIGEST.unpack(blake2b(request_id, digest_size=16).digest())
        offset = place % BUCKETS * _BUCKET.size
        if self._table[_SHARERS_AT] <= 1:
            return self._add(offset, tag, now_s)
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX, _BUCKET.size, offset)
        try:
            return self._add(offset, tag, now_s)
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, _BUCKET.size, offset)

    def close(self) -> None:
        self._table.close()
        os.close(self._descriptor)

    def _add(self, offset: int, tag: int, now_s: float) -> bool:
        entries = _BUCKET.unpack_from(self._table, offset)
        tags, times = entries[:WAYS], entries[WAYS:]
        if tag in tags:
            way = tags.index(tag)
            if now_s - times[way] <= WINDOW_S:
                return True
        else:
            way = times.index(min(times))
        _TAG.pack_into(self._table, offset + _TAG.size * way, tag)
        _TIME.pack_into(self._table, offset + _TAG.size * WAYS + _TIME.size * way, now_s)
        return False

"""The ids of the requests of the last moments, shared by all workers: has this one come before?

nginx runs its `mirror` again after an internal redirect (an `index`), so one production request
arrives twice within microseconds, with the same `$request_id`, perhaps at two workers.

A table in memory that every worker maps: a bucket is found by a digest of the id and holds the
last WAYS of them, each with the time it came. The kernel locks a bucket for the process that looks
at it and writes it, and frees it if that process dies. Memory is fixed; a repeat is missed only
where WAYS younger ids of its bucket came between. No id that never came, or came longer ago than
WINDOW_S, is taken for a repeat: 64 bits of the digest are compared.
"""

import fcntl
import mmap
import os
import struct
from hashlib import blake2b

WINDOW_S = 2.0
"""nginx starts both copies at once; an id that a client made up and uses again later is new."""
WAYS = 8
BUCKETS = 1 << 15
"""4 MiB in all. A second of 50,000 requests puts 1.5 into each."""

_BUCKET = struct.Struct(f"<{WAYS}Q{WAYS}d")
_DIGEST = struct.Struct("<QQ")
_TAG = struct.Struct("<Q")
_TIME = struct.Struct("<d")


_SHARERS_AT = BUCKETS * _BUCKET.size
_SIZE_BYTES = _SHARERS_AT + 1


def create_table() -> int:
    """A new table's descriptor, for workers to inherit."""
    descriptor = os.memfd_create("recent-ids")
    os.ftruncate(descriptor, _SIZE_BYTES)
    set_sharers(descriptor, 255)
    return descriptor


def set_sharers(descriptor: int, sharers: int) -> None:
    """How many processes use the table, so that one alone saves itself the locks.

    Tell it before another is started and after one has ended. A new table has many.
    """
    os.pwrite(descriptor, bytes([min(sharers, 255)]), _SHARERS_AT)


class RecentIds:
    """One process's view of a table."""

    def __init__(self, descriptor: int) -> None:
        """Takes the descriptor over."""
        self._descriptor = descriptor
        self._table = mmap.mmap(descriptor, _SIZE_BYTES)

    def add(self, request_id: bytes, now_s: float) -> bool:
        """Note the id; True where it came before, in the last WINDOW_S of the monotonic clock."""
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

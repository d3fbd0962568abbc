"""Which requests get a shadow leg, and how many.

An integer accumulator keeps the ratio: it is reproducible, exact over any run of requests, and has
none of the clusters of a random draw. Above 1 a request gets several legs (amplification).
In sticky mode a hash of the request's key decides instead: every worker and sidecar mirrors a key
always or never, and a higher ratio only adds keys.
"""

from collections.abc import Collection
from hashlib import blake2b

from mirror.core.request_head import RequestHead

METHOD = "method"
RATIO = "ratio"
UPGRADE = "upgrade"

_PARTS = 1_000_000


_HASH_KEY = b"kagami sticky"
"""The same key in every sidecar. It is no secret: the hash only decides who is mirrored."""


class Selector:
    """Decides for one request after the other; each worker has one."""

    __slots__ = ("_accumulated", "_cookie", "_field", "_methods", "_step")

    def __init__(self, methods: Collection[str], ratio: float, sticky: str | None = None) -> None:
        """`sticky` is `header:NAME`, `cookie:NAME` or None."""
        self._methods = frozenset(method.encode() for method in methods)
        self._accumulated = 0
        kind, _, name = (sticky or "").partition(":")
        self._cookie = name.encode() + b"=" if kind == "cookie" else b""
        self._field = b"cookie" if kind == "cookie" else name.lower().encode()
        self.set_ratio(ratio)

    @property
    def ratio(self) -> float:
        return self._step / _PARTS

    def set_ratio(self, ratio: float) -> None:
        """Apply a ratio from the next request on; the remainder of the old ratio is kept."""
        self._step = round(ratio * _PARTS)

    def choose(self, head: RequestHead) -> int | str:
        """Return how many shadow legs this request gets, or the reason why it gets none."""
        if head.method not in self._methods:
            return METHOD
        if head.upgrade:
            return UPGRADE
        if self._field and (key := self._key_of(head)):
            digest = blake2b(key, digest_size=8, key=_HASH_KEY).digest()
            place = int.from_bytes(digest, "big") % _PARTS
            return (self._step + _PARTS - 1 - place) // _PARTS or RATIO
        legs, self._accumulated = divmod(self._accumulated + self._step, _PARTS)
        return legs or RATIO

    def _key_of(self, head: RequestHead) -> bytes:
        """Return the sticky key of the request; empty if it lacks the field or cookie."""
        value = head.field(self._field)
        if not self._cookie:
            return value
        for pair in value.split(b";"):
            pair = pair.strip()
            if pair.startswith(self._cookie):
                return pair[len(self._cookie) :]
        return b""

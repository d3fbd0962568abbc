"""Adds up equal requests in bounded memory.

Up to MOST_TARGETS different requests have a sum of their own. Further ones are added up by the
shape of their target: numbers, UUIDs and hexadecimal numbers in the path, and the values of the
query, no longer count. Where a directory has MOST_CHILDREN names, a further one is any name: it is
a title, a user or a code. Such a sum keeps the first of its targets as a sample. Beyond MOST_SHAPES
shapes, requests are only counted.

Invariant: the sums of all requests, and what is beyond, are the number of requests that were added.
The result depends on the order of the requests and not on how many processes read them.

Memory: a sum takes about 500 bytes beside its texts, so all take 50 MB and three times MOST_BYTES
at the most.

Reference for the number of different targets: Whang, Vander-Zanden and Taylor, "A linear-time
probabilistic counting algorithm for database applications" (ACM TODS 15, 1990): of m bits, the
share z stays zero after n different values, and n is about -m ln z.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

from mirror.formats.path_shapes import shape_of

MOST_TARGETS = 50_000
"""Different requests that are counted by themselves."""
MOST_SHAPES = 50_000
"""Different shapes of the others."""
MOST_CHILDREN = 1000
"""Different names in one directory, and different sets of parameters of one path."""
MOST_BYTES = 32 << 20
"""Length of all requests that are counted by themselves, of all shapes, and of all directories."""

_ANY = "{any}"
_MOST_SEGMENTS = 16
"""Deeper directories have any name."""
_BITS = 1 << 22


@dataclass(frozen=True, slots=True)
class Extra:
    """What a source knows of a request beside authority, method and target."""

    headers: tuple[tuple[str, str], ...] = ()
    """Those that somebody asks for, by lower-case name, in the order of names."""
    unknown_headers: frozenset[str] = frozenset()
    unknown_parameters: frozenset[str] = frozenset()


Key = tuple[str, str, str, Extra | None]
"""Authority, method and target with a character for each byte; None where no headers are known."""


class Sum:
    """Requests that are added up."""

    __slots__ = ("count", "first_s", "is_sample", "last_s", "statuses", "target")

    def __init__(self, target: str) -> None:
        self.target = target
        """The target of the first of them."""
        self.is_sample = False
        """There are others."""
        self.count = 0
        self.first_s = math.inf
        self.last_s = -math.inf
        self.statuses: dict[int, int] = {}

    def add(self, time_s: float, status: int | None) -> None:
        self.count += 1
        if time_s < self.first_s:
            self.first_s = time_s
        if time_s > self.last_s:
            self.last_s = time_s
        if status is not None:
            self.statuses[status] = self.statuses.get(status, 0) + 1

    def merge(self, other: "Sum") -> None:
        """Add the requests of another sum, which is not used any more."""
        self.count += other.count
        self.first_s = min(self.first_s, other.first_s)
        self.last_s = max(self.last_s, other.last_s)
        self.is_sample |= other.is_sample or self.target != other.target
        for status, count in other.statuses.items():
            self.statuses[status] = self.statuses.get(status, 0) + count


class Sums:
    """The sums of one source, or of a part of it."""

    def __init__(self, parameters: frozenset[str] = frozenset()) -> None:
        """`parameters` keep their values in the shape of a target."""
        self.of_targets: dict[Key, Sum] = {}
        self.of_shapes: dict[Key, Sum] = {}
        """By keys with the shape in place of the target."""
        self.beyond = Sum("")
        """Requests whose shape came after MOST_SHAPES others."""
        self._parameters = parameters
        self._target_bytes = self._shape_bytes = 0
        self._added_up = _Distinct()
        self._directories = _Directories()

    def sum_of(self, key: Key) -> Sum:
        """Return the sum to which a request belongs."""
        found = self.of_targets.get(key)
        if found is None:
            if len(self.of_targets) >= MOST_TARGETS or self._target_bytes >= MOST_BYTES:
                return self._sum_of_shape(key)
            self._target_bytes += _length(key)
            found = self.of_targets[key] = Sum(key[2])
        return found

    def merge(self, other: "Sums") -> None:
        """Add all of `other`, which comes after this one and is not used any more."""
        for key, part in other.of_targets.items():
            self.sum_of(key).merge(part)
        for (authority, method, shape, extra), part in other.of_shapes.items():
            key = (authority, method, self._directories.bounded(shape), extra)
            self._placed(key, part.target).merge(part)
        self.beyond.merge(other.beyond)
        self._added_up.merge(other._added_up)

    def all(self) -> Iterator[tuple[Key, Sum]]:
        """Yield every sum with the key of its request, or of a sample of them."""
        yield from self.of_targets.items()
        for (authority, method, _, extra), added in self.of_shapes.items():
            yield (authority, method, added.target, extra), added

    @property
    def count(self) -> int:
        """The number of requests that were added."""
        return self.beyond.count + sum(found.count for _, found in self.all())

    @property
    def targets_of_shapes(self) -> int:
        """The number of different targets that are added up by their shape, approximately."""
        return self._added_up.count

    def _sum_of_shape(self, key: Key) -> Sum:
        authority, method, target, extra = key
        shape = self._directories.bounded(shape_of(target, self._parameters))
        found = self._placed((authority, method, shape, extra), target)
        if found is not self.beyond:
            self._added_up.add(target)
        return found

    def _placed(self, key: Key, target: str) -> Sum:
        found = self.of_shapes.get(key)
        if found is None:
            if len(self.of_shapes) >= MOST_SHAPES or self._shape_bytes >= MOST_BYTES:
                return self.beyond
            self._shape_bytes += _length(key) + len(target)
            found = self.of_shapes[key] = Sum(target)
        elif target != found.target:
            found.is_sample = True
        return found


def _length(key: Key) -> int:
    authority, method, target, extra = key
    values = () if extra is None else (value for _, value in extra.headers)
    return len(authority) + len(method) + len(target) + sum(map(len, values))


class _Directories:
    """The tree of all shapes, in which no directory has more than MOST_CHILDREN names."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._children: dict[str, int] = {}
        self._bytes = 0

    def bounded(self, shape: str) -> str:
        """Return a shape with `{any}` for each name that a full directory does not know."""
        if shape in self._known:
            return shape
        path, mark, query = shape.partition("?")
        place, *segments = path.split("/")
        for segment in segments[:_MOST_SEGMENTS]:
            place = self._child(place, "/", segment)
        if len(segments) > _MOST_SEGMENTS:
            place = f"{place}/{_ANY}"
        return self._child(place, "?", query) if mark else place

    def _child(self, place: str, mark: str, name: str) -> str:
        child = f"{place}{mark}{name}"
        if child not in self._known:
            number = self._children.get(place, 0)
            is_full = len(self._known) >= MOST_SHAPES or self._bytes >= MOST_BYTES
            if number >= MOST_CHILDREN or is_full:
                return f"{place}{mark}{_ANY}"
            self._bytes += len(child)
            self._children[place] = number + 1
            self._known.add(child)
        return child


class _Distinct:
    """Counts different texts approximately, within 1 % up to 40 million."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, text: str) -> None:
        # A checksum would spread consecutive numbers more evenly than chance does.
        digest = hashlib.blake2b(text.encode("latin-1"), digest_size=4).digest()
        place = int.from_bytes(digest) % _BITS
        self._bits = self._bits or bytearray(_BITS // 8)
        self._bits[place >> 3] |= 1 << (place & 7)

    def merge(self, other: "_Distinct") -> None:
        union = int.from_bytes(self._bits) | int.from_bytes(other._bits)
        self._bits = bytearray(union.to_bytes(_BITS // 8)) if union else bytearray()

    @property
    def count(self) -> int:
        zeros = _BITS - int.from_bytes(self._bits).bit_count()
        return round(-_BITS * math.log(max(1, zeros) / _BITS))

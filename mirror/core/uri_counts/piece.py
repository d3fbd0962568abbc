"""What a worker sends of its counts of URIs: what is new since it sent the same URI before.

The structs are apart from the code that fills them, because msgspec reads their annotations, which
mypyc would erase.
"""

from typing import NamedTuple

import msgspec


class Uri(NamedTuple):
    """What requests have in common that are counted together; docs/formats.md says how it reads."""

    host: str
    method: str
    path: str
    names: tuple[str, ...]
    """The different names of the query's parameters, sorted."""
    is_shape: bool
    """The path stands for several."""


class Addition(msgspec.Struct, array_like=True):
    """What is added to the counts of one URI."""

    uri: Uri
    count: int
    first: int
    """The first second (timeline.py) of the requests that are added; 0 where `count` is 0."""
    last: int
    outcomes: dict[str, int]
    """How the primary's legs ended, of these or of earlier requests."""


class Piece(msgspec.Struct, array_like=True):
    """Part of every report; each number counts since the piece before."""

    seen: int
    """Production requests."""
    not_kept: int
    """Those of them that no addition will ever count."""
    additions: list[Addition]

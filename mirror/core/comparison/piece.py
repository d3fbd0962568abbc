"""What a worker sends of its legs, with every report, to be compared or shown by the supervisor.

This module is not compiled, because mypyc would erase the annotations, which msgspec reads.
"""

import msgspec

from mirror.core.comparison.answer import Answer
from mirror.core.uri_counts.piece import Uri


class Copy(msgspec.Struct, array_like=True):
    """In mode sink, a shadow leg that ended and waits for the line of production's log."""

    id: str
    """The request's id; empty where it carried none."""
    route: str
    shadow: Answer
    uri: Uri | None
    """What was requested, redacted, where it may become an example: the shadow did not answer 2xx
    or 304, and the report still had room. Otherwise None."""


class ExampleAddition(msgspec.Struct, array_like=True):
    """Pairs with one route, result, URI and two statuses, which are no success of the shadow."""

    route: str
    result: str
    uri: Uri
    primary_status: int
    shadow_status: int
    location: str
    """Where the shadow's redirect leads to; empty for other answers."""
    count: int
    first: int
    """The first and the last second (timeline.py) in which such a pair was complete."""
    last: int
    request_id: str
    """The id of the newest; empty without one."""


class Piece(msgspec.Struct, array_like=True):
    """Part of every report; each number but `waiting` counts since the piece before."""

    waiting: int
    """Legs that have ended and are neither compared, nor counted as uncompared, nor in a piece."""
    copies: list[Copy] = []
    examples: list[ExampleAddition] = []
    examples_not_kept: int = 0
    """Pairs with a new error that no example counts."""
    shows_origin: bool | None = None
    """Whether the shadow's answers carry `x-envoy-upstream-service-time`, without which a route
    that Envoy misses looks like an application's 404; None while no success has shown it."""

"""Observed requests: what production received, whatever recorded it.

Equal requests are one `Observation` with a count. Requests are equal if they have the same
authority, method and target and, as far as somebody asks for them, the same headers.

Invariant: every request of a source is counted once: in an observation, or in `left_out` with the
reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from estimator.routing.request import Request


@dataclass(frozen=True, slots=True)
class Observation:
    """Requests that are equal."""

    request: Request
    count: int
    first_s: float | None = None
    """Unix time of the first of them; None where the source does not say it, as for `last_s`."""
    last_s: float | None = None
    statuses: Mapping[int, int] = field(default_factory=dict)
    """How many of them production answered with each status; empty where that is not recorded.
    Where only the class of a status is recorded, 200 stands for 2xx."""
    is_sample: bool = False
    """Several targets are added up here, and the request has one of them."""


@dataclass(frozen=True, slots=True)
class Observations:
    """Everything that was read of a source."""

    items: tuple[Observation, ...]
    """The most frequent first."""
    source: str
    """What was read, as a part of a sentence: `access log /var/log/nginx/access.log`."""
    count: int
    """Number of requests in `items`."""
    seconds: tuple[float, float] | None
    """Unix time of the first and the last request; None where the source does not say it."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """What is in no observation, by reason: `lines without an HTTP request`."""
    notes: tuple[str, ...] = ()
    """Sentences about what was read that are no reason for doubt."""
    doubts: tuple[str, ...] = ()
    """Why an answer that rests on these requests has low confidence."""

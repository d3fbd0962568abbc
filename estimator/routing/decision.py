"""What becomes of a request: the answer of a route table.

A decision says which rule took the request and where it goes. Where it depends on something that
the source of the request does not record, it says on what, and which decisions are possible.
"""

from dataclasses import dataclass
from enum import StrEnum

from estimator.routing.rules import Destination, Rule


class Outcome(StrEnum):
    """What becomes of a request."""

    FORWARDED = "forwarded"
    REDIRECTED = "redirected"
    ANSWERED = "answered"
    """By the gateway itself: a direct response, or a fault that aborts every request."""
    REJECTED = "rejected"
    """No host or no rule takes it, or the normalisation of its path refuses it."""
    UNDECIDED = "undecided"
    """It depends on what the source does not record, or on what is not judged."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one request."""

    outcome: Outcome
    rule: Rule | None = None
    """The rule that took the request."""
    why: str = ""
    """A sentence; always given where the outcome is rejected or undecided."""
    destinations: tuple[Destination, ...] = ()
    authority: str = ""
    """The Host as forwarded, after rewrites."""
    target: str = ""
    """Path and query as forwarded, after normalisation and rewrites."""
    status: int | None = None
    """The status of the answer; for a rejection 404, or 400 for a path that Envoy refuses."""
    location: str | None = None
    """The Location of a redirect, absolute, as Envoy writes it."""
    depends_on: tuple[str, ...] = ()
    """What the source does not record and what could change this decision: `header x-user`,
    `query parameter v`, `method`, `authority`, `scheme`. It may be given for a decided request,
    too: several rules could take it, and all of them do the same."""
    candidates: tuple["Decision", ...] = ()
    """The possible decisions where `depends_on` is given; none of them is undecided."""
    not_understood: tuple[str, ...] = ()
    """What the objects on the way ask for and what is not judged, with file and line."""

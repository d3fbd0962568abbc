"""What `estimate coverage` answers: which requests of production the new routes would lose.

Values only; analysis.py makes them, and estimator/report/coverage says them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from estimator.migration.coverage.nearest import Nearest
from estimator.migration.coverage.suggestion import Suggestion
from estimator.migration.coverage.verdicts import FIRST_REFUSAL, Verdict
from estimator.routing.decision import Decision
from estimator.routing.rules import Place, Rule


@dataclass(frozen=True, slots=True)
class Group:
    """Requests of one host whose paths have one shape and that the routes treat alike."""

    host: str
    """The authority without its port; empty where the source does not record it."""
    shape: str
    verdict: Verdict
    count: int
    last_s: float | None
    """Unix time of the last of them; None where the source does not say it."""
    methods: tuple[str, ...]
    statuses: Mapping[int, int]
    """Production's own, most frequent first; empty where not recorded."""
    example: str
    """The most frequent target."""
    decision: Decision
    """What the new routes make of that target."""
    shadowed: Rule | None = None
    """The rule that would serve them if the one that took them did not."""
    nearest: Nearest | None = None
    before: Decision | None = None
    """What the routes before made of that target, where they are known."""
    difference: str = ""
    """Why the routes before and after differ, where the routes before are known."""
    suggestion: Suggestion | None = None
    no_suggestion: str = ""
    """Why there is none."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """Requests whose fate depends on what the source does not record."""

    depends_on: tuple[str, ...]
    """`header x-user`, `port 80 or 443`; empty where only what is not judged decides."""
    count: int
    example: str
    """Host, where it is known, and target of the most frequent of them."""
    candidates: tuple[Decision, ...]
    """What may become of that request."""


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Something that the objects ask for and that is not judged."""

    feature: str
    """A sentence with file and line."""
    count: int
    """Requests on whose way it is."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Shares of the requests that production served, from 0 to 1."""

    lost: float = 0.0
    undecided: float = 0.0


@dataclass(frozen=True, slots=True)
class Coverage:
    """The whole answer; numbers are numbers of requests."""

    source: str
    """What was read, as a part of a sentence."""
    seconds: tuple[float, float] | None
    served: int
    """Requests that production answered below 400 or whose status nobody recorded."""
    unrecorded: int
    """Those of them whose status nobody recorded."""
    refused: int
    """Requests that production answered with 400 or more: they do not count."""
    lost: tuple[Group, ...]
    """Rejected or sent elsewhere, the largest first."""
    undecided: tuple[Undecided, ...]
    refused_anyway: tuple[Group, ...]
    """Rejected by the new routes as they were refused by production."""
    unused: tuple[Place, ...]
    """Rules that took no request."""
    rules: int
    """Places of rules in all tables."""
    unjudged: tuple[Unjudged, ...]
    warnings: tuple[str, ...]
    left_out: Mapping[str, int]
    """Lines and records that are no request, by reason."""
    objects_left_out: Mapping[str, int]
    """Objects that do not route, by kind."""
    notes: tuple[str, ...]
    doubts: tuple[str, ...]
    """Why not to rely on the answer, except for requests that are undecided."""

    def count_of(self, verdict: Verdict) -> int:
        """Return how many requests are lost in this way."""
        return sum(group.count for group in self.lost if group.verdict is verdict)

    @property
    def lost_count(self) -> int:
        return sum(group.count for group in self.lost)

    @property
    def lost_ratio(self) -> float:
        """Share of the requests that production served, from 0 to 1."""
        return self.lost_count / self.served if self.served else 0.0

    @property
    def undecided_ratio(self) -> float:
        """As `lost_ratio`."""
        return self.undecided_count / self.served if self.served else 0.0

    @property
    def undecided_count(self) -> int:
        return sum(each.count for each in self.undecided)

    @property
    def unknown(self) -> tuple[Group, ...]:
        """The rejected groups that production is known to have answered below 400."""
        return tuple(
            group
            for group in self.lost
            if group.verdict is Verdict.REJECTED
            and any(status < FIRST_REFUSAL for status in group.statuses)
        )

    def is_lossy(self, allowed: Allowed) -> bool:
        """Return whether more requests are lost than allowed."""
        return self.lost_ratio > allowed.lost

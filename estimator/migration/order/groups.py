"""The verdict on each path: switch now, mirror first, or needs work; and the order of the paths.

A path needs work where its move would break something that mirroring cannot show, where the new
routes lose requests, or where mirroring has shown new errors. It is mirrored first where it is
busy, because then nobody knows what it takes until the new side has had its load. What remains
simply switches.

Phase 2 is the same application behind another gateway, so sessions and writes matter from phase 3
on only. The new routes and upgrades matter from phase 2 on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from estimator import units
from estimator.migration.order.observed import Seen
from estimator.migration.order.rehearsal import LEAST_COPIES, Rehearsal
from estimator.migration.order.state import State
from estimator.migration.order.traffic import Traffic
from estimator.units import format_share

FEW_RPS = 10.0
"""A path with at most this many requests in its busiest second has little traffic. One replica of
nearly any application serves them, so there is nothing to size; and at a first step of 5% a fault
reaches one request in two seconds at most."""
SMALL_SHARE_RATIO = 0.01
"""A path with little traffic is also at most this share of all requests: if all of them failed, the
site would still answer 99% of its requests."""
STRAY_RATIO = 0.01
"""Writes and sessions below this share of a path's requests are strays, such as scanners: they put
a path into no group. A single request that is lost or upgraded does."""


class Group(StrEnum):
    """What to do with a path."""

    SWITCH_NOW = "switch now"
    MIRROR_FIRST = "mirror first"
    NEEDS_WORK = "needs work"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about a path."""

    tag: str
    """The route tag of the series."""
    template: str | None
    """The template of the tag; None where nobody said it, and for all other paths together."""
    traffic: Traffic
    seen: Seen | None
    """None where no request of the path was observed."""
    state: State | None
    """None without a capture that has cookies."""
    rehearsal: Rehearsal | None = None
    """None where no copy of its requests was answered, or no series.db says so."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A path in its group."""

    facts: Facts
    group: Group
    reasons: tuple[str, ...]
    """Why it is in this group, each a sentence with its numbers and without its full stop."""
    hints: tuple[str, ...]
    """What else to know before it moves, as sentences."""

    @property
    def risk(self) -> tuple[int, int, float, str]:
        """A key that sorts the paths of a group, least risk first.

        Fewer reasons against a move come first, then fewer hints, then less traffic.
        """
        against = 0 if self.group is Group.SWITCH_NOW else len(self.reasons)
        return against, len(self.hints), self.facts.traffic.peak_rps, self.facts.tag


def place(facts: Facts) -> Placed:
    """Return the group of a path, with the reasons."""
    traffic = facts.traffic
    load = f"{_peak(traffic)} and {format_share(traffic.share_ratio)} of all requests"
    is_busy = traffic.peak_rps > FEW_RPS or traffic.share_ratio > SMALL_SHARE_RATIO
    hints = tuple(_hints(facts, is_busy))
    if work := tuple(_work(facts, is_busy)):
        return Placed(facts, Group.NEEDS_WORK, work, hints)
    if is_busy or _undecided_ratio(facts):
        reasons = [f"it has {load}: mirror it to learn what the new side needs"] if is_busy else []
        return Placed(facts, Group.MIRROR_FIRST, (*reasons, *_undecided(facts)), hints)
    reason = f"it has {load}: little enough to switch without a rehearsal"
    if not traffic.peak_rps:
        reason = "it has no request in the series: there is nothing to rehearse with"
    return Placed(facts, Group.SWITCH_NOW, (reason,), hints)


def order(paths: list[Placed]) -> list[Placed]:
    """Return the paths in the order of their move: by group, and least risk first in each."""
    groups = list(Group)
    return sorted(paths, key=lambda path: (groups.index(path.group), path.risk))


def _work(facts: Facts, is_busy: bool) -> Iterator[str]:
    """Yield what has to be done before the path moves."""
    seen, state = facts.seen, facts.state
    if facts.template is None:
        yield "no route template names its paths, so they cannot move by themselves"
    if seen is not None and seen.lost:
        yield (
            f"the new routes lose {format_share(seen.lost_ratio or 0.0)} of its requests that"
            f" production served ({seen.lost:,} of {seen.served:,}); {seen.why}"
        )
    if facts.rehearsal is not None and facts.rehearsal.new_error_ratio:
        yield _new_errors(facts.rehearsal)
    upgrades = max(seen.upgrades if seen else 0, state.upgrades if state else 0)
    if upgrades:
        yield (
            f"{upgrades:,} of its requests open a WebSocket: a copy cannot rehearse that, open"
            " connections stay where they are at every step, and a rollback does not bring them"
            " back"
        )
    if state is not None and state.session >= STRAY_RATIO * state.requests > 0:
        name, _ = state.cookies.most_common(1)[0]
        yield (
            f"{format_share(state.session / state.requests)} of its requests carry a session cookie"
            f" ({name}): from phase 3 on, a step sends one user to both sides, so sessions have to"
            " be kept outside the application, or the path moves from 0 to 100% at once"
        )
    writes = _write_ratio(facts)
    if is_busy and writes >= STRAY_RATIO:
        yield (
            f"{format_share(writes)} of its requests write and it has {_peak(facts.traffic)}:"
            " copies must not write again, so rehearse phase 3 by a replay against data of its own"
        )


def _hints(facts: Facts, is_busy: bool) -> Iterator[str]:
    writes = _write_ratio(facts)
    if writes and not (is_busy and writes >= STRAY_RATIO):
        yield (
            f"{format_share(writes)} of its requests write, which mirroring leaves out: watch their"
            " statuses during the first steps"
        )
    if facts.state is not None and facts.state.authorization:
        share = format_share(facts.state.authorization / facts.state.requests)
        yield f"{share} of its requests carry credentials, which both sides have to accept"
    rehearsal = facts.rehearsal
    if rehearsal and rehearsal.copies.count >= LEAST_COPIES and not rehearsal.new_error_ratio:
        caveat = "" if rehearsal.production else ", as far as 5xx and failures tell"
        copies = f"{rehearsal.copies.count:,} copies of its requests"
        if rehearsal.is_paired:
            copies += ", each compared with production's answer,"
        yield f"{copies} met no new errors beyond noise{caveat}"
    if facts.seen is None and facts.traffic.peak_rps:
        yield "none of its requests was observed, so its methods are not known"


def _new_errors(rehearsal: Rehearsal) -> str:
    copies, production = rehearsal.copies, rehearsal.production
    kinds = ", ".join(f"{outcome} {number:,}" for outcome, number in rehearsal.kinds[:3])
    if rehearsal.is_paired:
        return (
            f"mirroring met new errors for {format_share(copies.error_ratio)} of its copies that"
            f" were compared with production's answer ({kinds}, of {copies.count:,}): `mirror"
            " compare` says what to do about them"
        )
    own = f"{format_share(production.error_ratio)} of" if production else "an unknown share of"
    return (
        f"mirroring met errors for {format_share(copies.error_ratio)} of its copies ({kinds}, of"
        f" {copies.count:,}), and production for {own} its requests: find out why first"
    )


def _undecided(facts: Facts) -> Iterator[str]:
    if ratio := _undecided_ratio(facts):
        assert facts.seen is not None
        yield (
            f"for {format_share(ratio)} of its requests the new routes decide by what the source"
            f" does not record; {facts.seen.why}"
        )


def _undecided_ratio(facts: Facts) -> float:
    seen = facts.seen
    return 0.0 if seen is None or not seen.served else seen.undecided / seen.served


def _peak(traffic: Traffic) -> str:
    bucket = "second" if traffic.averaging_s == 1 else units.format_duration(traffic.averaging_s)
    mean = "" if traffic.averaging_s == 1 else " on average"
    return f"{units.format_rps(traffic.peak_rps)} rps{mean} in its busiest {bucket}"


def _write_ratio(facts: Facts) -> float:
    return (facts.seen.write_ratio if facts.seen else None) or 0.0

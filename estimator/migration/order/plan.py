"""The plan of a move: every path of a series in its group, in order, with its steps.

An order rests on what was read. Whatever was not read, such as the routes of the new cluster, is a
doubt that the plan carries, because a path that looks harmless without it may not be.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.migration.order.groups import Facts, Group, Placed, order, place
from estimator.migration.order.moves import Move, Overlaps, Sites, moves_of
from estimator.migration.order.observed import Seen
from estimator.migration.order.rehearsal import (
    LEAST_COPIES,
    Answers,
    Rehearsal,
    answers_of,
    rehearsal_of,
    rehearsal_of_pairs,
)
from estimator.migration.order.state import State
from estimator.migration.order.traffic import traffic_by_tag
from estimator.migration.snippets.path import MovedPath
from estimator.migration.snippets.step import Backend
from estimator.model.confidence import time_doubts
from estimator.series.ended_legs import EndedLegs
from estimator.series.rps import RpsSeries
from mirror.formats.routes import OTHER, RouteTable, route_tag


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was read about the paths."""

    series: RpsSeries
    templates: RouteTable
    seen: Mapping[str, Seen] | None
    """By route tag; None if no source of requests was read."""
    state: Mapping[str, State] | None
    """By route tag; None without a capture that has cookies."""
    legs: Mapping[str, EndedLegs] | None
    """By route tag; None where the series is no series.db."""
    knows_new_routes: bool
    notes: tuple[str, ...] = ()
    """Those of the sources, as `doubts`."""
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedPath:
    """A path, its group, and how it moves."""

    placed: Placed
    moves: tuple[Move, ...]
    """Both phases; empty where the path has no template that every program can express."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What moves first, and how."""

    paths: tuple[PlannedPath, ...]
    sites: Sites
    notes: tuple[str, ...]
    """What a reader has to know that is no reason for doubt."""
    doubts: tuple[str, ...]
    """Why the confidence is low."""

    def of(self, group: Group) -> tuple[PlannedPath, ...]:
        """Return the paths of a group in order."""
        return tuple(path for path in self.paths if path.placed.group is group)


def plan(evidence: Evidence, sites: Sites) -> Plan:
    """Return the plan for every route tag of the series.

    Raises Refused for a series without observed time, and InputError for a service that no
    HTTPRoute can name.
    """
    series = evidence.series
    if not series.observed_s:
        reason = "has no observed time, so no path has any traffic"
        raise Refused([Refusal(series.source, reason, "Record requests for a day at least")])
    by_tag = {route_tag(template): template for template in evidence.templates.templates}
    moved: dict[str, MovedPath] = {}
    refused: dict[str, str] = {}
    for tag in series.routes:
        if tag in by_tag:
            try:
                moved[tag] = MovedPath.of(by_tag[tag])
            except ValueError as error:
                refused[tag] = str(error)
    overlaps = Overlaps(moved.values())
    placed = []
    for tag, traffic in traffic_by_tag(series).items():
        if tag == OTHER and not traffic.peak_rps:
            continue  # every request has a template
        seen = None if evidence.seen is None else evidence.seen.get(tag)
        state = None if evidence.state is None else evidence.state.get(tag)
        rehearsal = _rehearsal(evidence.legs, tag, seen)
        path = place(Facts(tag, by_tag.get(tag), traffic, seen, state, rehearsal))
        if tag in refused:
            why = f"not every program can express its template: {refused[tag]}"
            others = path.reasons if path.group is Group.NEEDS_WORK else ()
            path = replace(path, group=Group.NEEDS_WORK, reasons=(why, *others))
        if tag in moved:
            hints = (*path.hints, *overlaps.hints(moved[tag], sites))
            path = replace(path, hints=hints)
        placed.append(path)
    paths = tuple(
        PlannedPath(path, _moves(moved.get(path.facts.tag), path, sites)) for path in order(placed)
    )
    return Plan(paths, sites, tuple(_notes(evidence)), tuple(_doubts(evidence, by_tag)))


def _rehearsal(
    legs: Mapping[str, EndedLegs] | None, tag: str, seen: Seen | None
) -> Rehearsal | None:
    """Return what mirroring showed of a path.

    Pairs are better than the sums of both sides, unless most copies are in no pair, because the
    comparison was switched on late. The primary's legs are better than a log.
    """
    if legs is None or tag not in legs:
        return None
    paired = rehearsal_of_pairs(legs[tag].compared)
    production = answers_of(legs[tag].primary)
    if production is None and seen is not None and seen.answered:
        production = Answers(seen.answered, seen.refused)
    copies = rehearsal_of(legs[tag].shadow, production)
    if paired is None or copies is None:
        return paired or copies
    is_enough = paired.copies.count >= min(LEAST_COPIES, copies.copies.count / 2)
    return paired if is_enough else copies


def _moves(path: MovedPath | None, placed: Placed, sites: Sites) -> tuple[Move, ...]:
    if path is None:
        return ()
    origin = "--app, --app-on-swarm"
    seen = placed.facts.seen
    try:
        if seen is not None and len(seen.services) == 1:
            # The new routes say already which service of Kubernetes takes this path.
            ((host, port),) = seen.services
            if port is not None:
                origin = f"service of {path.template} in the new routes"
                sites = replace(sites, service=Backend(host, port))
        return moves_of(path, sites)
    except ValueError as error:
        raise InputError([Problem(origin, str(error))]) from error


def _notes(evidence: Evidence) -> Iterable[str]:
    series = evidence.series
    yield from (*series.warnings, *series.caveats, *series.repairs, *evidence.notes)
    if evidence.state is None:
        yield "nothing is known about sessions: only a capture that has its cookies shows them"
    if evidence.legs is None:
        yield "nothing is known about errors of copies: only a series.db holds them"


def _doubts(evidence: Evidence, by_tag: Mapping[str, str]) -> Iterable[str]:
    yield from (*evidence.series.doubts, *time_doubts(evidence.series), *evidence.doubts)
    if evidence.seen is None:
        yield "no source of requests was read, so neither methods nor upgrades are known"
    unjudged: Counter[str] = Counter()
    for seen in (evidence.seen or {}).values():
        unjudged.update(seen.unjudged)
    for feature, count in unjudged.most_common():
        requests = "1 request passes" if count == 1 else f"{count:,} requests pass"
        yield f"{feature}: {requests} it, and it is not judged"
    if not evidence.knows_new_routes:
        yield "no routes of the new cluster were read, so a path may be rejected there"
    nameless = [tag for tag in evidence.series.routes if tag not in by_tag and tag != OTHER]
    if nameless:
        yield f"no template is given for {', '.join(nameless[:5])}" + (
            f" and {len(nameless) - 5} more" if len(nameless) > 5 else ""
        )

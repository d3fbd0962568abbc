"""How a path moves: the steps of both phases, each with its snippet and its rollback.

Phase 1 to 2 is a change of Apache (or of nginx where nothing is in front of it): the same
application, behind the gateway. Phase 2 to 3 is a change of the gateway's routes: the application
on Kubernetes. So each phase has its own program, its own two sides, and its own rollback.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice, takewhile
from operator import itemgetter

from estimator.migration.snippets.apache import apache
from estimator.migration.snippets.http_route import http_route
from estimator.migration.snippets.nginx import nginx
from estimator.migration.snippets.path import MovedPath, PathKind
from estimator.migration.snippets.step import Attachment, Backend, Snippet, Step
from estimator.migration.snippets.virtual_service import virtual_service

PERCENTS = (1, 5, 25, 50, 100)
"""Each step multiplies the load of the new side by at most five, so a fault that grows with load
shows before it reaches everybody."""


_VARIABLE = re.compile(r"\{[^}]*\}|\*$")
_MOST_LISTED = 5


class Front(StrEnum):
    """What divides requests in phase 1 to 2."""

    APACHE = "apache"
    NGINX = "nginx"


class Routing(StrEnum):
    """The object that divides requests in phase 2 to 3."""

    VIRTUAL_SERVICE = "virtual-service"
    HTTP_ROUTE = "http-route"


@dataclass(frozen=True, slots=True)
class Sites:
    """Where each phase sends requests, and what divides them."""

    swarm: Backend
    """Phase 1: what the front sends requests to today."""
    gateway: Backend
    """Phase 2: the gateway, as the front reaches it."""
    swarm_service: Backend
    """Phase 2: the application on Swarm, as the gateway reaches it."""
    service: Backend
    """Phase 3: the application on Kubernetes."""
    attachment: Attachment
    front: Front = Front.APACHE
    routing: Routing = Routing.VIRTUAL_SERVICE
    percents: tuple[int, ...] = PERCENTS


@dataclass(frozen=True, slots=True)
class Move:
    """One phase of one path."""

    phases: str
    """`1 to 2` or `2 to 3`."""
    program: Front | Routing
    start: Snippet
    """The state before the first step: a share of 0%."""
    steps: tuple[tuple[int, Snippet], ...]
    """Percentage and snippet, in order."""


def moves_of(path: MovedPath, sites: Sites) -> tuple[Move, ...]:
    """Return both phases of a path. Raises ValueError for a service that no HTTPRoute can name."""
    first = Step(path, sites.swarm, sites.gateway, 0)
    second = Step(path, sites.swarm_service, sites.service, 0)
    return (
        _move("1 to 2", sites.front, first, sites),
        _move("2 to 3", sites.routing, second, sites),
    )


def _move(phases: str, program: Front | Routing, start: Step, sites: Sites) -> Move:
    before, steps = 0, []
    for percent in sites.percents:
        step = replace(start, percent=percent, percent_before=before)
        steps.append((percent, _snippet(program, step, sites.attachment)))
        before = percent
    return Move(phases, program, _snippet(program, start, sites.attachment), tuple(steps))


def _snippet(program: Front | Routing, step: Step, attachment: Attachment) -> Snippet:
    match program:
        case Front.APACHE:
            return apache(step)
        case Front.NGINX:
            return nginx(step)
        case Routing.VIRTUAL_SERVICE:
            return virtual_service(step, attachment)
        case Routing.HTTP_ROUTE:
            return http_route(step, attachment)


class Overlaps:
    """Which paths have rules that take requests of other paths.

    A prefix takes the requests of a more specific template, too, unless that one has rules of its
    own already.
    """

    def __init__(self, paths: Iterable[MovedPath]) -> None:
        # Sorted, so that the paths below a prefix stand together.
        self._examples = sorted((_VARIABLE.sub("x", path.template), path) for path in paths)

    def inside(self, path: MovedPath) -> list[MovedPath]:
        """Return the more specific templates whose requests the rules of a path take, too."""
        fixed = _VARIABLE.split(path.template, maxsplit=1)[0]
        first = bisect_left(self._examples, fixed, key=itemgetter(0))
        below = takewhile(
            lambda each: each[0].startswith(fixed), islice(self._examples, first, None)
        )
        pattern = re.compile(path.pattern)
        found = [
            other
            for example, other in below
            if other.precedence < path.precedence and pattern.fullmatch(example)
        ]
        return sorted(found, key=lambda other: other.precedence)

    def hints(self, path: MovedPath, sites: Sites) -> tuple[str, ...]:
        """Return what follows for a path, as sentences."""
        inside = self.inside(path)
        sentences = []
        if inside:
            sentences.append(
                f"its rules would also take {_listed(inside)}: prepare"
                f" {'that path' if len(inside) == 1 else 'those paths'} first, at 0%"
            )
        if path.kind is PathKind.PATTERN and sites.routing is Routing.HTTP_ROUTE:
            sentences.append(
                "an HTTPRoute gives it nothing while another one has a prefix that takes its paths,"
                " because Istio puts regular expressions last"
            )
        patterns = [other for other in inside if other.kind is PathKind.PATTERN]
        by_prefix = [
            name
            for name, is_used in (
                ("nginx", sites.front is Front.NGINX),
                ("an HTTPRoute", sites.routing is Routing.HTTP_ROUTE),
            )
            if is_used
        ]
        if path.kind is PathKind.PREFIX and patterns and by_prefix:
            sentences.append(
                f"in {' and in '.join(by_prefix)} its prefix wins against {_listed(patterns)},"
                " which then moves with it"
            )
        return tuple(sentences)


def _listed(paths: Sequence[MovedPath]) -> str:
    names = [path.template for path in paths[:_MOST_LISTED]]
    if len(paths) > _MOST_LISTED:
        names.append(f"{len(paths) - _MOST_LISTED:,} more paths")
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

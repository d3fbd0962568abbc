"""Builds small route tables for the tests of coverage."""

from dataclasses import replace
from typing import Any

from estimator.requests.observations import Observation, Observations
from estimator.routing.conditions import Conditions, Kind, Named, Text
from estimator.routing.request import Request
from estimator.routing.rules import Action, Destination, Forward, Place, Rule
from estimator.routing.table import RouteTable, VirtualHost

WEB = Forward((Destination("web.shop", 80),))


def rule(
    path: Text,
    method: str | None = None,
    headers: tuple[Named, ...] = (),
    action: Action = WEB,
    part: str = "http[0].match[0]",
) -> Rule:
    """Return a rule of VirtualService shop/web."""
    place = Place("routes.yaml", 7, "VirtualService", "shop", "web", part)
    asked = None if method is None else Text(Kind.EXACT, method)
    return Rule(place, Conditions(path, asked, headers=headers), action)


def exact(value: str) -> Text:
    return Text(Kind.EXACT, value)


def prefix(value: str) -> Text:
    return Text(Kind.PREFIX, value)


def regex(value: str) -> Text:
    return Text(Kind.REGEX, value)


def table(**hosts: tuple[Rule, ...]) -> RouteTable:
    """Return a table with rules by host; `a` stands for a.example."""
    virtual = tuple(VirtualHost((f"{name}.example",), rules) for name, rules in hosts.items())
    return RouteTable("web", "shop", 80, virtual, "http")


def seen(
    target: str,
    count: int = 1,
    statuses: dict[int, int] | None = None,
    method: str = "GET",
    **more: Any,
) -> Observation:
    """Return an observation of a.example that production answered with 200, if not said otherwise.

    `more` may have `authority`, `headers` and `scheme` of the request, and fields of Observation.
    """
    asked = {"authority": "a.example", "headers": {}}
    asked |= {name: more.pop(name) for name in ("authority", "headers", "scheme") if name in more}
    request = Request(method=method, target=target, **asked)
    return Observation(
        request, count, statuses={200: count} if statuses is None else statuses, **more
    )


def observed(*items: Observation, **more: Any) -> Observations:
    """Return what was read of a log."""
    given = Observations(items, "access log x.log", sum(each.count for each in items), (0.0, 60.0))
    return replace(given, **more)

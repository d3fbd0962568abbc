"""Builds small route tables for the tests of coverage."""

from estimator.routing.conditions import Conditions, Kind, Named, Text
from estimator.routing.rules import Action, Destination, Forward, Place, Rule
from estimator.routing.table import RouteTable, VirtualHost

WEB = Forward((Destination("web.shop.svc.cluster.local", 80),))


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

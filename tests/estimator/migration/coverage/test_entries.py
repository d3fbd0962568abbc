"""Checks the trees of entries; test_suggestion.py has them judged."""

from estimator.migration.coverage.entries import entry_of
from estimator.routing.conditions import Conditions, Kind, Text
from estimator.routing.rules import Destination, Place

VIRTUAL_SERVICE = Place("r.yaml", 1, "VirtualService", "shop", "web")
HTTP_ROUTE = Place("r.yaml", 1, "HTTPRoute", "shop", "web")
SUFFIX = ".svc.cluster.local"
POST = Text(Kind.EXACT, "POST")


def test_an_entry_of_a_virtual_service() -> None:
    matches = [Conditions(Text(Kind.EXACT, "/a")), Conditions(Text(Kind.PREFIX, "/a/"), POST)]
    assert entry_of(matches, [Destination("web", 80, subset="v1")], VIRTUAL_SERVICE) == {
        "match": [
            {"uri": {"exact": "/a"}},
            {"uri": {"prefix": "/a/"}, "method": {"exact": "POST"}},
        ],
        "route": [{"destination": {"host": "web", "port": {"number": 80}, "subset": "v1"}}],
    }


def test_several_services_have_weights() -> None:
    match = [Conditions(Text(Kind.REGEX, "/a/[^/]+"))]
    two = [Destination("old.shop", 80, 0.95), Destination("new.other", 8080, 0.05)]
    assert entry_of(match, two, VIRTUAL_SERVICE)["route"] == [
        {"destination": {"host": f"old.shop{SUFFIX}", "port": {"number": 80}}, "weight": 95},
        {"destination": {"host": f"new.other{SUFFIX}", "port": {"number": 8080}}, "weight": 5},
    ]
    assert entry_of(match, two, HTTP_ROUTE)["backendRefs"] == [
        {"name": "old", "port": 80, "weight": 95},
        {"name": "new", "namespace": "other", "port": 8080, "weight": 5},
    ]


def test_an_entry_of_an_http_route() -> None:
    matches = [Conditions(Text(Kind.SEGMENTS, "/a"), POST), Conditions(Text(Kind.EXACT, "/b"))]
    assert entry_of(matches, [Destination("web.shop", 80)], HTTP_ROUTE) == {
        "matches": [
            {"path": {"type": "PathPrefix", "value": "/a"}, "method": "POST"},
            {"path": {"type": "Exact", "value": "/b"}},
        ],
        "backendRefs": [{"name": "web", "port": 80}],
    }

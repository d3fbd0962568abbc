"""Adds every suggested entry to generated objects, reads them again, and judges again.

The entry must route all requests of its group, and no other request may get another service.
"""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from estimator.migration.coverage.analysis import analyse, decide
from estimator.migration.coverage.result import Group
from estimator.requests.observations import Observation
from estimator.routing.decision import Outcome
from estimator.routing.files import Routes, read_routes
from tests.estimator.migration.coverage.conftest import observed, seen

CASES = 15
HOSTS = ("a.example", "b.example")
PATHS = ("/", "/a", "/a/", "/a/b", "/a/1", "/a/1/x", "/ab", "/b", "/b/c/1", "/b/c/2", "/A", "/1")
METHODS = ("GET", "POST")


def virtual_service(random: Random) -> list[dict[str, Any]]:
    entries = []
    for number in range(random.randrange(1, 6)):
        matches = []
        for _ in range(random.randrange(1, 3)):
            kind = random.choice(("exact", "prefix", "prefix", "regex"))
            path = random.choice(PATHS[1:])
            match: dict[str, Any] = {"uri": {kind: f"{path}/[^/]+" if kind == "regex" else path}}
            if random.random() < 0.3:
                match["method"] = {"exact": random.choice(METHODS)}
            if random.random() < 0.1:
                match["headers"] = {"x-beta": {"exact": "1"}}
            matches.append(match)
        entry: dict[str, Any] = {"match": matches}
        if random.random() < 0.25:
            entry["redirect"] = {"uri": "/moved"}
        else:
            entry["route"] = [{"destination": {"host": f"s{number}", "port": {"number": 80}}}]
        entries.append(entry)
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*.example"]}
    spec = {"hosts": list(HOSTS[: random.randrange(1, 3)]), "gateways": ["web"], "http": entries}
    return [
        named("networking.istio.io/v1", "Gateway", {"selector": {"a": "b"}, "servers": [server]}),
        named("networking.istio.io/v1", "VirtualService", spec),
    ]


def http_route(random: Random) -> list[dict[str, Any]]:
    rules = []
    for number in range(random.randrange(1, 6)):
        matches = []
        for _ in range(random.randrange(1, 3)):
            kind = random.choice(("Exact", "PathPrefix", "PathPrefix", "RegularExpression"))
            path = random.choice(PATHS[1:])
            value = f"{path}/[^/]+" if kind == "RegularExpression" else path
            match: dict[str, Any] = {"path": {"type": kind, "value": value}}
            if random.random() < 0.3:
                match["method"] = random.choice(METHODS)
            if random.random() < 0.1:
                match["headers"] = [{"name": "x-beta", "value": "1"}]
            matches.append(match)
        rule: dict[str, Any] = {"matches": matches}
        if random.random() < 0.25:
            redirect = {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/moved"}}
            rule["filters"] = [{"type": "RequestRedirect", "requestRedirect": redirect}]
        else:
            rule["backendRefs"] = [{"name": f"s{number}", "port": 80}]
        rules.append(rule)
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    api = "gateway.networking.k8s.io/v1"
    hostnames = list(HOSTS[: random.randrange(1, 3)])
    spec = {"parentRefs": [{"name": "web"}], "hostnames": hostnames, "rules": rules}
    return [
        named(api, "Gateway", {"gatewayClassName": "istio", "listeners": [listener]}),
        named(api, "HTTPRoute", spec),
    ]


def named(api: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "web", "namespace": "shop"}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}


def requests(random: Random) -> Iterator[Observation]:
    for path in PATHS:
        for method in METHODS:
            if random.random() < 0.5:
                yield seen(path, method=method, authority=random.choice(HOSTS))


def read(trees: list[dict[str, Any]], path: Path) -> Routes:
    path.write_text(yaml.safe_dump_all(trees))
    return read_routes([path])


def added(trees: list[dict[str, Any]], group: Group) -> list[dict[str, Any]]:
    """Return the objects with what is suggested for a group."""
    assert group.suggestion is not None
    changed = deepcopy(trees)
    entries = changed[1]["spec"][group.suggestion.key]
    where = group.suggestion.where
    at = int(where.removeprefix("before http[").rstrip("]")) if "before" in where else len(entries)
    entries[at:at] = group.suggestion.items
    return changed


@pytest.mark.parametrize("make", [virtual_service, http_route])
def test_an_entry_routes_its_group_and_moves_nothing_else(make: Any, tmp_path: Path) -> None:
    suggested = 0
    for seed in range(CASES):
        random = Random(seed)
        trees, items = make(random), [*requests(random)]
        routes = read(trees, tmp_path / "routes.yaml")
        coverage = analyse(routes, observed(*items))
        before = [(item.request, decide(routes.tables, item.request)[0]) for item in items]
        for group in coverage.lost:
            if group.suggestion is None:
                assert group.no_suggestion
                continue
            suggested += 1
            now = read(added(trees, group), tmp_path / "routes.yaml")
            told = (seed, group.host, group.shape, group.suggestion)
            left = analyse(now, observed(*items)).lost_count
            assert left <= coverage.lost_count - group.count, told
            for request, decision in before:
                if decision.outcome is Outcome.FORWARDED:
                    after = decide(now.tables, request)[0]
                    assert after.destinations == decision.destinations, (told, request)
    assert suggested > CASES

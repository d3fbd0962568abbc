"""Every step of a path through the real Apache, nginx and Envoy, and back by its rollback.

Apache and nginx divide requests by counting, so their shares are compared exactly. Envoy chooses at
random: the bounds of its shares are seven standard deviations wide.
"""

import http.client
import signal
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import cycle
from pathlib import Path

import pytest
import yaml

from estimator.migration.snippets.apache import apache
from estimator.migration.snippets.http_route import http_route
from estimator.migration.snippets.nginx import nginx
from estimator.migration.snippets.path import MovedPath, PathKind
from estimator.migration.snippets.step import Attachment, Backend, Snippet, Step
from estimator.migration.snippets.virtual_service import virtual_service
from mirror.demo.processes import Child, accepts, free_ports
from tests.routing_referee.envoy import Referee, running_referee
from tests.routing_referee.istiod import translate_virtual_services
from tests.routing_referee.istiod_http_routes import translate_http_routes
from tests.routing_referee.rule_sets import Object, RuleSet, WireRequest
from tests.topology.conftest import Topology, apache_server, require, wait_for

MODULES = (
    *("mpm_event", "authz_core", "slotmem_shm", "proxy", "proxy_http"),
    *("proxy_balancer", "lbmethod_byrequests"),
)
STEPS = ((1, 0), (5, 1), (25, 5), (50, 25), (100, 50), (0, 100))
ODD = "/it's/$1,(a.b)+c;d=e&f:@!~_-"
# By template: a request that moves, and requests beside it that do not.
PATHS = {
    "/api/*": ("/api/x/y?q=%2F", ["/api", "/apix/", "/API/x"]),
    "/cart": ("/cart?a=b&c", ["/cart/", "/cart/x", "/cartx", "/x/cart"]),
    "/watch/{id}": ("/watch/%C3%A9-1", ["/watch/", "/watch", "/watch/1/2", "/x/watch/1"]),
    "/u/{id}/posts/*": ("/u/7/posts/", ["/u/7/posts", "/u/7/8/posts/1"]),
    "/api/me/": ("/api/me/", []),
    "/$1;(a.b)'/*": ("/$1;(a.b)'/x?$1", ["/$1;(axb)'/x", "/$1;(a.b)'"]),
    "/{id}/(c.d)$&'": ("/x$1/(c.d)$&'", ["/x/(cxd)$&'", "/x/y/(c.d)$&'"]),
    ODD: (ODD, [ODD.replace(".", "x"), ODD + "/", ODD[:-1]]),
}


class Sites:
    """Three backends that answer with their name and with what they were asked for."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.front, *ports = free_ports(4)
        self.old, self.new, self.rest = (Backend("127.0.0.1", port) for port in ports)
        servers = zip(("old", "new", "rest"), ports, strict=True)
        site = "".join(
            f"server {{ listen 127.0.0.1:{port}; location / {{ return 200"
            f' "{name} $http_host $request_uri"; }} }}\n'
            for name, port in servers
        )
        topology.ports["backends"] = ports[0]
        topology.start_site("backends", site)

    def step(self, template: str, percent: int, percent_before: int = 0) -> Step:
        return Step(MovedPath.of(template), self.old, self.new, percent, percent_before)

    def asked(self, targets: Iterable[str], host: str = "shop.example") -> Counter[str]:
        """Return how many of these requests each backend got, each with its target unchanged."""
        got: Counter[str] = Counter()
        with closing(http.client.HTTPConnection("127.0.0.1", self.front, timeout=10)) as client:
            for target in targets:
                client.request("GET", target, headers={"Host": host})
                answer = client.getresponse()
                body = answer.read().decode()
                assert answer.status == 200, (target, answer.status, body)
                name, host_seen, seen = body.split(" ", 2)
                assert (host_seen, seen) == (host, target)
                got[name] += 1
        return got

    def write(self, snippets: Iterable[Snippet]) -> None:
        for snippet in snippets:
            (self.topology.directory / snippet.file).write_text(snippet.text)

    def start_apache(self, snippets: list[Snippet]) -> Child:
        self.write(snippets)
        directory = self.topology.directory
        path = directory / "apache.conf"
        preparations = "\n".join(snippet.preparation for snippet in snippets)
        path.write_text(
            f"{apache_server(directory, self.front, MODULES)}\n"
            f"<VirtualHost 127.0.0.1:{self.front}>\nProxyPreserveHost On\n"
            f"{preparations}\nProxyPass / http://{self.rest}/\n</VirtualHost>\n"
        )
        return self._start("apache2", [require("apache2"), "-D", "FOREGROUND", "-f", path])

    def start_nginx(self, snippets: list[Snippet]) -> Child:
        self.write(snippets)
        directory = self.topology.directory
        upstreams = "\n".join(f"include {directory}/{snippet.file};" for snippet in snippets)
        preparations = "\n".join(snippet.preparation for snippet in snippets)
        site = f"""{upstreams}
            server {{
                listen 127.0.0.1:{self.front};
                {preparations}
                location / {{ proxy_set_header Host $http_host; proxy_pass http://{self.rest}; }}
            }}"""
        self.topology.ports["front"] = self.front
        return self.topology.start_site("front", site).child

    def _start(self, name: str, command: list[str | Path]) -> Child:
        child = self.topology.processes.start(name, command)
        child.wait_until(lambda: accepts(self.front))
        return child


Render = Callable[[Step], Snippet]
PROGRAMS = pytest.mark.parametrize("render", [apache, nginx], ids=["apache", "nginx"])


@pytest.fixture
def sites(topology: Topology) -> Sites:
    require("nginx")
    return Sites(topology)


def start(sites: Sites, render: Render, snippets: list[Snippet]) -> Child:
    return (sites.start_apache if render is apache else sites.start_nginx)(snippets)


@PROGRAMS
def test_share_of_each_path_is_exact(sites: Sites, render: Render) -> None:
    paths = sorted(map(MovedPath.of, PATHS), key=lambda path: path.precedence)
    steps = [
        sites.step(path.template, *shares)
        for path, shares in zip(paths, cycle(STEPS), strict=False)
    ]
    start(sites, render, [render(step) for step in steps])
    for step in steps:
        moved, others = PATHS[step.path.template]
        shares = +Counter({"old": 100 - step.percent, "new": step.percent})
        assert sites.asked([moved] * 100) == shares, step.summary
        assert sites.asked(others) == +Counter({"rest": len(others)}), step.summary


@PROGRAMS
def test_rollback_takes_effect_by_a_reload(sites: Sites, render: Render) -> None:
    snippet = render(sites.step("/api/*", 100, 20))
    child = start(sites, render, [snippet])
    assert sites.asked(["/api/x"] * 10) == {"new": 10}
    (sites.topology.directory / snippet.file).write_text(snippet.rollback)
    child.send_signal(signal.SIGUSR1 if render is apache else signal.SIGHUP)
    # Each cycle of five requests brings one to the new backend, once the old processes are gone.
    # They close idle connections at any moment, so each request has a connection of its own.
    assert wait_for(
        lambda: sum((sites.asked(["/api/x"]) for _ in range(10)), Counter()) == {"old": 8, "new": 2}
    )


# --- Envoy, configured as istiod does it (tests/routing_referee) ---

IN_MESH = (Backend("swarm.shop", 80), Backend("app.shop", 80))
NAMES = {"swarm.shop|80|": "old", "app.shop|80|": "new", "rest.shop|80|": "rest"}
HALF = 200
BOUNDS = (50, 150)


def mesh_step(template: str, percent: int, percent_before: int = 0) -> Step:
    return Step(MovedPath.of(template), *IN_MESH, percent, percent_before)


def metadata(name: str) -> Object:
    return {"name": name, "namespace": "shop"}


def with_virtual_services(texts: Iterable[str], entries: Iterable[str]) -> RuleSet:
    """Return the site of a VirtualService whose last entry takes what is left."""
    rest = {"route": [{"destination": {"host": "rest.shop", "port": {"number": 80}}}]}
    http = [entry for text in entries for entry in yaml.safe_load(text)["http"]]
    server = {"port": {"number": 80, "protocol": "HTTP"}, "hosts": ["*"]}
    gateway = {"kind": "Gateway", "metadata": metadata("web"), "spec": {"servers": [server]}}
    spec = {"hosts": ["*"], "gateways": ["web"], "http": [*http, rest]}
    site = {"kind": "VirtualService", "metadata": metadata("site"), "spec": spec}
    return RuleSet([gateway, site, *map(yaml.safe_load, texts)])


def with_http_routes(texts: Iterable[str], has_rest: bool = True) -> RuleSet:
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    gateway = {"kind": "Gateway", "metadata": metadata("web"), "spec": {"listeners": [listener]}}
    parents = [{"name": "web", "namespace": "shop"}]
    rules = [{"backendRefs": [{"name": "rest", "port": 80}]}]
    rest = {
        "kind": "HTTPRoute",
        "metadata": metadata("rest"),
        "spec": {"parentRefs": parents, "rules": rules},
    }
    return RuleSet([gateway, *map(yaml.safe_load, texts), *([rest] if has_rest else [])])


def shares(referee: Referee, number: int, targets: Iterable[str]) -> Counter[str]:
    """Return how many of these requests each destination of a rule set got."""
    requests = [(number, WireRequest("GET", target, "shop.example")) for target in targets]
    found = referee.answers(requests)
    return Counter(NAMES.get(each.fields.get("x-destination", ""), "none") for each in found)


def test_envoy_divides_by_weights_of_both_objects() -> None:
    binary = require("envoy")
    paths = sorted(map(MovedPath.of, PATHS), key=lambda path: path.precedence)
    attachment = Attachment("shop", "web", "shop")
    virtual_services, http_routes, alone = [], [], []
    for percent in (0, 50, 100):
        steps = [mesh_step(path.template, percent) for path in paths]
        snippets = [virtual_service(step, attachment) for step in steps]
        virtual_services.append(
            with_virtual_services(
                (snippet.text for snippet in snippets),
                (snippet.preparation for snippet in snippets),
            )
        )
        routes = [http_route(step, attachment).text for step in steps]
        http_routes.append(with_http_routes(routes))
        alone.append(with_http_routes(routes, has_rest=False))
    sets = [*virtual_services, *http_routes, *alone]
    translations = [
        *(translate_virtual_services(each.documents, 80) for each in virtual_services),
        *(translate_http_routes(each.documents, 80) for each in (*http_routes, *alone)),
    ]
    with running_referee(binary, sets, translations) as referee:
        for path in paths:
            moved, others = PATHS[path.template]
            is_pattern = path.kind is PathKind.PATTERN
            for kind, others_go in ((0, "rest"), (3, "rest"), (6, "none")):
                got = [shares(referee, kind + n, [moved] * HALF) for n in range(3)]
                if kind == 3 and is_pattern:
                    # What the snippet says: the prefix of another HTTPRoute takes them all.
                    assert got == [{"rest": HALF}] * 3, path.template
                    continue
                assert (got[0], got[2]) == ({"old": HALF}, {"new": HALF}), path.template
                assert BOUNDS[0] < got[1]["old"] < BOUNDS[1], path.template
                # A PathPrefix takes the path without its last slash, which the snippet says.
                expected = Counter(
                    "new" if kind and f"{other}/" == path.text else others_go for other in others
                )
                assert shares(referee, kind + 2, others) == expected, path.template

"""Every step of a path through the real Apache and the real nginx, and back by its rollback.

Both programs divide requests by counting, so the shares are compared exactly and not by chance.
"""

import http.client
import signal
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest

from estimator.migration.snippets.apache import apache
from estimator.migration.snippets.nginx import nginx
from estimator.migration.snippets.path import MovedPath
from estimator.migration.snippets.step import Backend, Snippet, Step
from mirror.demo.processes import Child, accepts, free_ports
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
            f"{apache_server(directory, self.front, MODULES)}\nProxyPreserveHost On\n"
            f"{preparations}\nProxyPass / http://{self.rest}/\n"
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
    steps = [sites.step(path.template, *shares) for path, shares in zip(paths, STEPS, strict=True)]
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

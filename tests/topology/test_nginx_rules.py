"""The linter of nginx's configuration against a real nginx: what it says is what nginx does.

One nginx has a server for each mistake, an application and a sink. A second request on the same
connection is answered when the copy of the first has ended, so nothing is waited for.
"""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from mirror.demo.nginx import start_nginx
from mirror.demo.processes import Processes, free_ports
from mirror.preflight.nginx.expressions import Expressions
from mirror.preflight.nginx.locations import Location, Locations
from mirror.preflight.nginx.reading import read_configuration
from mirror.preflight.nginx.scopes import Scope
from tests.mirror.preflight.nginx.configurations import SINK, codes, config_for, faults
from tests.mirror.preflight.nginx.test_locations import CHOICES, LOCATIONS
from tests.topology.conftest import patient, require, wait_for

pytestmark = pytest.mark.topology

HOST = "site.example"
URI = "/watch/1?a=b"
LENGTH = 'proxy_set_header Content-Length "";'
DONE = "location = /done { return 204; }"
PIECES = ("", "a", "a/", "b", "c", "inner", "x", "z", ".png", ".JPG", "1")


@dataclass(frozen=True)
class Case:
    """A mistake, what the linter calls it, and what arrives because of it."""

    replaced: tuple[tuple[str, str], ...]
    codes: tuple[str, ...]
    copies: tuple[tuple[str, str, str], ...] = ((URI, HOST, ""),)
    """URI, Host and Content-Length of each request to the sink."""
    served: tuple[str, ...] = (URI,)
    """What the application gets."""
    lines: int = 1
    """Lines in production's access log."""


CASES = {
    "correct": Case((), ()),
    "off": Case((("mirror /m;", "mirror off;"),), ("not_reached",), ()),
    "variable": Case(
        (("mirror /m;", "mirror $request_uri;"),), ("mirror_variable", "not_reached"), ()
    ),
    "twice": Case(
        (("mirror /m;", "mirror /m; mirror /m;"),), ("mirrored_twice",), ((URI, HOST, ""),) * 2
    ),
    "to_production": Case(
        (("mirror /m;", "mirror /none;"),),
        ("mirror_to_production", "not_reached"),
        (),
        (URI, "/none?a=b"),
    ),
    "logged": Case((("access_log off;", "log_subrequest on;"),), ("log_subrequest",), lines=2),
    "log_not_off": Case((("access_log off;", ""),), ("access_log",)),
    "uri": Case((("sink$request_uri", "sink"),), ("request_uri",), (("/m?a=b", HOST, ""),)),
    "host": Case((("proxy_set_header Host $http_host;", ""),), ("host",), ((URI, "sink", ""),)),
    "length": Case(((LENGTH, ""),), ("content_length",), ((URI, HOST, "10"),)),
    "size": Case((("client_max_body_size 0;", "client_max_body_size 9;"),), ("body_size",), ()),
    "falls_through": Case(
        (
            ("proxy_pass http://app;", "try_files /none @app;"),
            ("location / {", "location @app { proxy_pass http://app; } location / {"),
        ),
        ("try_files",),
        (),
    ),
    "fails": Case(
        (
            ("proxy_pass http://app;", "proxy_pass http://unix:/none; error_page 502 = @app;"),
            (
                "location / {",
                "location @app { mirror /m; mirror_request_body off; proxy_pass http://app; }"
                " location / {",
            ),
        ),
        ("error_page",),
        ((URI, HOST, ""),) * 2,
    ),
    "share": Case((("http://sink$", "http://$share$"),), ()),
}


@dataclass
class World:
    directory: Path
    ports: dict[str, int]
    choice: Locations = ()
    """Locations of which the server `choice` answers with the number."""

    def requests(self, name: str) -> list[dict[str, str]]:
        path = self.directory / f"{name}.log"
        complete, _, _ = path.read_text().rpartition("\n")
        return [json.loads(line) for line in complete.splitlines()]

    def site(self, name: str) -> str:
        """Return the server of a case, with a log of its own."""
        text = "server {" + SINK.partition("server {")[2].replace(
            "proxy_pass_request_body off;", ""
        )
        for old, new in CASES[name].replaced:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        own = f"listen 127.0.0.1:{self.ports[name]}; access_log {self.log(name)} seen; {DONE}"
        return text.replace("server {", f"server {{ {own}", 1)

    def log(self, name: str) -> str:
        return f"{self.directory}/{name}.log"

    def around(self, site: str) -> str:
        """Return a site with what all of them share."""
        return f"""
        log_format seen escape=json '{{"uri":"$request_uri","host":"$http_host",'
            '"length":"$http_content_length"}}';
        split_clients $remote_addr $share {{ * sink; }}
        upstream app {{ server 127.0.0.1:{self.ports["app"]}; keepalive 8; }}
        upstream sink {{
            server 127.0.0.1:{self.ports["sink"]};
            server 127.0.0.1:{self.ports["app"]} backup;
            keepalive 8;
        }}
        {site}
        """


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("rules")
    directory.chmod(0o755)
    names = (*CASES, "app", "sink", "choice")
    world = World(directory, dict(zip(names, free_ports(len(names)), strict=True)))
    servers = "".join(
        f"server {{ listen 127.0.0.1:{world.ports[name]}; access_log {world.log(name)} seen;"
        # A connection on which a body is missing must not be used again.
        " keepalive_timeout 0; location / { return 204; } }\n"
        for name in ("app", "sink")
    )
    world.choice = _locations(directory)
    everywhere = list(world.choice.everywhere())
    choice = "".join(_answering(location, everywhere) for location in world.choice.direct)
    servers += f"server {{ listen 127.0.0.1:{world.ports['choice']}; {choice} }}\n"
    with Processes(directory) as processes:
        site = patient(world.around(servers + "".join(map(world.site, CASES))))
        start_nginx(
            processes, directory / "n", require("nginx"), site=site, port=world.ports["choice"]
        )
        yield world


def _locations(directory: Path) -> Locations:
    path = directory / "choice.conf"
    path.write_text(f"server {{ {LOCATIONS} }}")
    (server,), _ = read_configuration(str(path))
    return Locations(Scope(server), Expressions())


def _answering(location: Location, everywhere: list[Location]) -> str:
    """Return a location that answers with its number in `everywhere`."""
    words = " ".join(location.scope.directive.args)
    inner = (
        "".join(_answering(inside, everywhere) for inside in location.inner.direct)
        if location.inner
        else ""
    )
    return f'location {words} {{ return 200 "{everywhere.index(location)}"; {inner} }}\n'


@pytest.mark.parametrize("name", CASES)
def test_what_is_said_is_what_nginx_does(world: World, name: str) -> None:
    case = CASES[name]
    path = world.directory / f"{name}.conf"
    path.write_text(world.around(world.site(name)))
    config = config_for("sink", listen=f"127.0.0.1:{world.ports['sink']}")
    assert codes(faults(str(path), config)) == list(case.codes)

    before = {log: len(world.requests(log)) for log in ("app", "sink")}
    with closing(http.client.HTTPConnection("127.0.0.1", world.ports[name], timeout=30)) as client:
        for target, body in ((URI, b"0123456789"), ("/done", None)):
            client.request("POST", target, body, {"Host": HOST})
            assert client.getresponse().read() == b""
    # A line is written a moment after the answer.
    expected = {"app": len(case.served), "sink": len(case.copies)}
    assert wait_for(
        lambda: all(len(world.requests(log)) >= before[log] + expected[log] for log in before)
    )
    seen = {log: world.requests(log)[count:] for log, count in before.items()}
    copies = [(copy["uri"], copy["host"], copy["length"]) for copy in seen["sink"]]
    assert copies == list(case.copies)
    assert sorted(request["uri"] for request in seen["app"]) == sorted(case.served)
    assert len([line for line in world.requests(name) if line["uri"] == URI]) == case.lines


def test_locations_are_chosen_as_nginx_chooses(world: World) -> None:
    random = Random(1)
    paths = ["".join(random.choices(PIECES, k=random.randrange(5))) for _ in range(300)]
    uris = [f"/{path.replace('//', '/').removeprefix('/')}" for path in paths]
    uris += [uri for uri, _ in CHOICES if uri.startswith("/")]
    everywhere = list(world.choice.everywhere())
    chosen = set()
    with closing(
        http.client.HTTPConnection("127.0.0.1", world.ports["choice"], timeout=30)
    ) as client:
        for uri in uris:
            client.request("GET", uri)
            nginxs = everywhere[int(client.getresponse().read())]
            assert world.choice.find(uri) is nginxs, uri
            chosen.add(nginxs.name)
    assert len(chosen) == len(everywhere) - 1  # all but the named one

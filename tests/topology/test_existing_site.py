"""Mirrors a site that exists by the steps of docs/configuration.md, with real nginx and sidecar.

The site has a name, a log and locations of its own, beside another site that is the default. After
the steps both must answer and log as before, and what the sidecar counts must be the requests to
the locations that got the lines.
"""

import http.client
import os
import pwd
import re
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from mirror.config import load
from mirror.demo.nginx import nginx_command
from mirror.demo.processes import accepts
from mirror.preflight.nginx.linter import lint
from tests.shipped_nginx import NGINX
from tests.topology.conftest import Topology, patient, require, wait_for

pytestmark = pytest.mark.topology

PAGE = Path(__file__).parents[2] / "docs/configuration.md"
SECTION = PAGE.read_text().partition("\n## Into a server block that you have\n")[2]
SINK, INLINE = re.findall(r"(?ms)^```nginx\n(.*?)^```", SECTION.partition("\n## ")[0])
SITE = """
daemon off;
{user}
pid {folder}/pid;
error_log stderr warn;
events {{ }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
    access_log {folder}/access.log;
    upstream shop {{ server 127.0.0.1:{app}; }}
    server {{
        listen 127.0.0.1:{port} default_server;
        server_name blog.example.com;
        return 200 "blog\\n";
    }}
    server {{
        listen 127.0.0.1:{port};
        server_name shop.example.com;
        {server}
        location / {{ {location} }}
        location /api/ {{ {location} }}
        location = /robots.txt {{ proxy_pass http://shop; }}
    }}
}}
"""


def added(block: str, level: str) -> list[str]:
    """Return the directives that the page shows on a level, without what the site has."""
    found, levels = [], [""]
    for line in block.splitlines():
        words = line.partition("#")[0].split()
        if words[-1:] == ["{"]:
            levels.append(words[0])
        elif words == ["}"]:
            levels.pop()
        elif words and levels[-1] == level and words[0] != "server_name":
            found.append(" ".join(words))
    return found


def start_site(topology: Topology, block: str) -> Path:
    """Start nginx with the site and the lines of the page; return its main file."""
    folder = topology.directory / "site"
    shutil.copytree(NGINX, folder / "mirror")
    ports = topology.ports
    for path in (folder / "mirror").iterdir():
        text = path.read_text().replace("/run/mirror/mirror.sock", str(topology.socket_path))
        text = text.replace("127.0.0.1:9912", f"127.0.0.1:{ports['void']}")
        path.write_text(patient(text.replace("127.0.0.1:3000", f"127.0.0.1:{ports['primary']}")))
    lines = {level: "\n".join(added(block, level)) for level in ("http", "server", "location")}
    user = f"user {pwd.getpwuid(os.geteuid()).pw_name};" if os.geteuid() == 0 else ""
    main = folder / "nginx.conf"
    main.write_text(
        SITE.format(
            user=user, folder=folder, app=ports["primary"], port=ports["nginx"], **lines
        ).replace("/var/log/nginx", str(folder))
    )
    child = topology.processes.start("nginx", nginx_command(require("nginx"), main))
    child.wait_until(lambda: accepts(ports["nginx"]))
    return main


def ask(topology: Topology, host: str, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", topology.ports["nginx"], timeout=30)
    with closing(connection):
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        answer.read()
        return answer.status


def lines_of(log: Path) -> list[str]:
    return log.read_text().splitlines()


@pytest.mark.parametrize(("mode", "block"), [("sink", SINK), ("inline", INLINE)])
def test_a_site_that_exists_is_mirrored_beside_another(
    topology: Topology, mode: str, block: str
) -> None:
    topology.start_primary()
    sidecar = topology.start_sidecar(mode)
    main = start_site(topology, block)
    sidecar_file = topology.directory / "mirror.yaml"
    asked = [
        *[("shop.example.com", path) for path in ("/watch/1", "/api/me?q=a", "/api/b")],
        ("shop.example.com", "/robots.txt"),
        ("blog.example.com", "/watch/2"),
        ("unknown.example.com", "/watch/3"),
    ]
    found = {each.code: each for each in lint(str(main), load(sidecar_file), "shop.example.com")}
    assert found["nginx.mirrored"].what == (
        "Mirrored: shop.example.com: /, /api/. "
        "Not mirrored: blog.example.com; shop.example.com: = /robots.txt."
    )
    assert "nginx.host_not_mirrored" not in found
    found = {each.code: each for each in lint(str(main), load(sidecar_file), "unknown.example.com")}
    assert "is taken by blog.example.com" in found["nginx.host_not_mirrored"].what
    statuses = [ask(topology, host, path) for host, path in asked]
    assert statuses[:3] == [200, 200, 200] and statuses[4:] == [200, 200]
    assert sidecar.settled_ledger()["seen"] == 3
    folder = topology.directory / "site"
    # With `mirror`, nginx writes a line only after the copy has been answered.
    assert wait_for(lambda: len(lines_of(folder / "access.log")) == len(asked))
    own = lines_of(folder / "access.log")
    assert sorted(line.split()[6] for line in own) == sorted(path for _, path in asked)
    assert all(re.search(r'HTTP/1\.1" \d+ \d+ "-" "-"$', line) for line in own), own
    if mode == "sink":
        assert wait_for(lambda: len(lines_of(folder / "mirror.log")) == 4)
        joined = lines_of(folder / "mirror.log")
        assert [line[:7] for line in joined] == ['{"id":"'] * 4

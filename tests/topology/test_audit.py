"""Checks by a real nginx which requests have no copy, and that an audit explains each of them.

By ids of a capture, so that no second and no edge decides.
"""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mirror.__main__ import main
from mirror.demo.nginx import PRODUCTION_HEADERS, SINK_LOCATION, WITHOUT_BODIES
from tests.topology.conftest import Topology, wait_for

pytestmark = pytest.mark.topology

SERVED = 6


def site(topology: Topology) -> str:
    """Return a site that answers in every phase before its `mirror` runs, and after it."""
    root = topology.directory / "www"
    root.mkdir()
    (root / "index.html").write_text("hello\n")
    # A loaded machine may need longer for a copy, and one that is given up would be missing.
    sink = (SINK_LOCATION % {"bodies": WITHOUT_BODIES}).replace("200ms", "20s")
    copied = "mirror /__mirror; mirror_request_body off;"
    return f"""
    limit_req_zone $binary_remote_addr zone=one:1m rate=1r/m;
    upstream app {{ server 127.0.0.1:{topology.ports["primary"]}; keepalive 8; }}
    upstream mirror_sink {{ server unix:{topology.socket_path}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{topology.ports["nginx"]};
        {PRODUCTION_HEADERS}
        location / {{ {copied} proxy_pass http://app; }}
        location /moved {{ {copied} return 301 /watch/1; }}
        location /denied {{ {copied} deny all; proxy_pass http://app; }}
        location /limited {{ {copied} limit_req zone=one; proxy_pass http://app; }}
        location /page/ {{ {copied} alias {root}/; index index.html; }}
        location /unmirrored {{ proxy_pass http://app; }}
        {sink.replace("50ms", "20s")}
    }}
"""


def ask(port: int, request: bytes) -> int:
    """Send bytes on a connection of their own; return the status."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    return int(answer.split(b" ", 2)[1])


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n".encode()


REQUESTS = [
    *[(get(f"/watch/{number}"), 200) for number in range(SERVED)],
    (get("/moved"), 301),
    (get("/denied"), 403),
    (get("/limited"), 404),
    (get("/limited"), 503),
    (get("/page/"), 200),
    (get("/unmirrored"), 404),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (get("/" + "a" * 40_000), 414),
]


def audit(topology: Topology, log: Path) -> dict[str, Any]:
    words = ["audit", "--access-log", log, "--capture", topology.directory / "capture"]
    done = CliRunner().invoke(main, [*map(str, words), "--last", "1h", "--format", "json"])
    assert done.exit_code in (0, 4, 5), done.output
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_what_nginx_answers_before_its_mirror_is_explained(topology: Topology) -> None:
    topology.start_primary()
    capture = {"path": str(topology.directory / "capture")}
    sidecar = topology.start_sidecar("sink", shadow={"ratio": 0.0}, capture=capture)
    nginx = topology.start_site("nginx", site(topology))
    before = len(nginx.logged())
    for request, status in REQUESTS:
        assert ask(topology.ports["nginx"], request) == status, request[:40]
    assert wait_for(lambda: len(nginx.logged()) - before == len(REQUESTS))
    ledger = sidecar.settled_ledger()
    # `index` mirrors again, and the sidecar recognises that.
    assert (ledger["seen"] - before, ledger["repeated"]) == (SERVED + 2, 1)
    sidecar.child.stop()

    log = topology.directory / "nginx" / "access.log"
    document = audit(topology, log)
    assert document["by_id"]["captured"] == SERVED + 2 + before
    reasons = {"malformed": 1, "redirected": 1, "denied": 1, "limited": 1}
    assert document["missing_by_id"] == reasons | {"": 1}  # /unmirrored
    assert document["exit_code"] == 5 and document["twice"] == 0
    # nginx logs no target where it could not read the request line (414).
    (source,) = document["sources"]
    assert (source["lines"] - source["requests"], source["lost"]) == (1, {})

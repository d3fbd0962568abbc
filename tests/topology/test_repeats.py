"""Checks that requests which nginx mirrors again on an internal redirect are counted once."""

import pytest

from mirror.demo.nginx import SINK_LOCATION, WITHOUT_BODIES
from tests.topology.conftest import Topology, hey, probes, wait_for

pytestmark = pytest.mark.topology

REQUESTS = 400
WORKERS = 4


def index_site(topology: Topology) -> str:
    """Return a site with a page that nginx serves itself, found by `index`."""
    root = topology.directory / "www"
    root.mkdir()
    (root / "index.html").write_text("hello\n")
    return f"""
    upstream mirror_sink {{ server unix:{topology.socket_path}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{topology.ports["nginx"]};
        location / {{
            mirror /__mirror;
            mirror_request_body off;
            root {root};
            index index.html;
        }}
        {SINK_LOCATION % {"bodies": WITHOUT_BODIES}}
    }}
"""


@pytest.mark.parametrize("workers", [1, WORKERS])
def test_an_index_redirect_counts_once(topology: Topology, workers: int) -> None:
    envoy, _ = topology.start_gateway_pod()
    sidecar = topology.start_sidecar("sink", workers=workers)
    nginx = topology.start_site("nginx", index_site(topology))
    before = envoy.requests_arrived()
    logged_before = len(nginx.logged())
    assert hey(topology.ports["nginx"], "/", REQUESTS) == {"200": REQUESTS}
    assert wait_for(lambda: len(nginx.logged()) - logged_before == REQUESTS)
    ledger = sidecar.settled_ledger()
    assert ledger["balanced"]
    assert (ledger["seen"], ledger["repeated"]) == (REQUESTS, REQUESTS)
    assert sidecar.status()["uris"]["seen"] == REQUESTS
    assert ledger["sent"] == REQUESTS
    assert envoy.requests_arrived() - before == REQUESTS + probes(ledger)


def test_without_ids_each_copy_counts(topology: Topology) -> None:
    """Serves as the control: nginx does mirror these requests twice."""
    topology.start_gateway_pod()
    sidecar = topology.start_sidecar("sink", request_id_header=None)
    topology.start_site("nginx", index_site(topology))
    assert hey(topology.ports["nginx"], "/", REQUESTS) == {"200": REQUESTS}
    assert sidecar.settled_ledger()["seen"] == 2 * REQUESTS

"""Checks what production receives, and what the ledger shows, with a sick shadow or primary.

Both modes run in parallel, so that each fault is waited for only once. The breaker is disabled, so
that every leg meets the fault; tests/mirror/core/test_breaker.py tests the breaker.
benchmarks/macro/faults.py measures what the faults cost production in time.
"""

import http.client
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import pytest

from benchmarks.macro import sick_upstream
from mirror.demo.processes import Processes, accepts, fetch, free_ports
from mirror.demo.sidecar import Sidecar
from tests.topology.conftest import Topology, running_topology, wait_for

pytestmark = pytest.mark.topology

REQUESTS = 5
NO_BREAKER = {"failures": 1_000_000, "min_requests": 1_000_000}
EXPECTED = {
    # Fault of the shadow → the outcomes that a leg may have.
    "refusing": {"connect_failed"},
    "silent": {"timeout"},
    "resetting": {"reset"},
    "slow": {"timeout"},
    "trickling": {"timeout"},
    "endless": {"timeout"},
    "garbage": {"protocol_error"},
    "errors": {"5xx"},
    "cut_short": {"reset"},
    "surplus": {"2xx"},
    "healthy": {"2xx"},
    # It comes last: its pending connects fail a second later, with the requests waiting by then.
    "black_hole": {"connect_failed", "timeout"},
}
OF_PRIMARY = {
    # Fault of the primary → statuses that the client may receive; None for a broken response.
    "refusing": {502},
    "black_hole": {502, 504},
    "silent": {504},
    "resetting": {None},
    "slow": {504},
    "trickling": {504},
    "garbage": {502},
    "errors": {500},
    "cut_short": {None},
    "surplus": {200},
    "healthy": {200},
}


def start_sick(processes: Processes) -> tuple[int, int]:
    """Start an upstream with switchable faults; return its port and its control port."""
    port, control_port = free_ports(2)
    module = [sys.executable, "-m", "benchmarks.macro.sick_upstream"]
    child = processes.start("sick", [*module, str(port), str(control_port)])
    child.wait_until(lambda: accepts(control_port))
    return port, control_port


@dataclass
class Line:
    """nginx and the sidecar in one mode, with the ledger from before a fault."""

    topology: Topology
    sidecar: Sidecar

    def __post_init__(self) -> None:
        self.before = self.ledger()

    def ledger(self) -> dict[str, Any]:
        found: dict[str, Any] = self.sidecar.status()["ledger"]
        return found

    def ask(
        self, number: int, program: str = "nginx", headers: Mapping[str, str] | None = None
    ) -> list[tuple[int, bytes]]:
        """Send requests one after the other on one connection, which a stalled copy would delay."""
        client = http.client.HTTPConnection("127.0.0.1", self.topology.ports[program], timeout=10)
        found = []
        with closing(client):
            for _ in range(number):
                client.request("GET", "/watch/7", headers=headers or {})
                answer = client.getresponse()
                found.append((answer.status, answer.read()))
        return found

    def outcomes_since(self, seen: int) -> dict[str, int]:
        """Return the outcomes of `seen` further requests once none of them is in flight."""
        now: dict[str, Any] = {}

        def is_over() -> bool:
            nonlocal now
            now = self.ledger()
            is_open = now["in_flight"] or now["reading"]
            return not is_open and now["seen"] == self.before["seen"] + seen

        assert wait_for(is_over), now
        assert now["balanced"]
        new = Counter(now["outcomes"]) - Counter(self.before["outcomes"])
        assert sum(now["shed"].values()) == 0
        self.before = now
        return dict(new)


@pytest.fixture(scope="module")
def shadowed() -> Iterator[tuple[int, list[Line]]]:
    """Yield the control port of a shadow, and both modes in front of it."""
    with ExitStack() as stack:
        lines, control_port = [], 0
        for mode in ("sink", "inline"):
            topology = stack.enter_context(running_topology())
            if not lines:
                port, control_port = start_sick(topology.processes)
            topology.start_primary()
            shadow = {"url": f"http://127.0.0.1:{port}", "timeout": 0.3, "breaker": NO_BREAKER}
            sidecar = topology.start_sidecar(mode, shadow=shadow)
            topology.start_nginx(mode)
            lines.append(Line(topology, sidecar))
        yield control_port, lines


def test_forged_mark_ends_at_apache(shadowed: tuple[int, list[Line]]) -> None:
    control_port, lines = shadowed
    sick_upstream.become(control_port, sick_upstream.HEALTHY)
    mark = {"X-Mirror-Leg": "shadow"}
    for line in lines:
        line.topology.start_apache()
        assert line.ask(1, "apache", mark)[0][0] == 200
        # The mark survives behind Apache, where it ends a loop.
        assert line.ask(1, "nginx", mark)[0][0] == 200
        assert line.outcomes_since(1) == {"2xx": 1}


@pytest.mark.parametrize("fault", EXPECTED)
def test_production_is_served_beside_a_sick_shadow(
    shadowed: tuple[int, list[Line]], fault: str
) -> None:
    control_port, lines = shadowed
    sick_upstream.become(control_port, fault)
    for line in lines:
        answers = line.ask(REQUESTS)
        assert [status for status, _ in answers] == [200] * REQUESTS
        assert all(b'"app": "primary"' in body for _, body in answers)
    for line in lines:
        outcomes = line.outcomes_since(REQUESTS)
        assert sum(outcomes.values()) == REQUESTS
        assert set(outcomes) <= EXPECTED[fault]


def test_every_fault_of_the_shadow_is_expected() -> None:
    assert {*EXPECTED, "tls_failure"} == set(sick_upstream.BEHAVIOURS)


@pytest.mark.parametrize(
    ("url", "outcomes"),
    [
        ("https://127.0.0.1:%d", {"connect_failed"}),
        ("http://no-such-name.invalid:%d", {"connect_failed", "timeout"}),
    ],
    ids=["tls_failure", "name_without_address"],
)
def test_shadow_that_no_connection_reaches(
    topology: Topology, url: str, outcomes: set[str]
) -> None:
    port, control_port = start_sick(topology.processes)
    sick_upstream.become(control_port, "tls_failure")
    topology.start_primary()
    shadow = {"url": url % port, "timeout": 1, "breaker": NO_BREAKER}
    line = Line(topology, topology.start_sidecar("inline", shadow=shadow))
    topology.start_nginx("inline")
    assert [status for status, _ in line.ask(REQUESTS)] == [200] * REQUESTS
    found = line.outcomes_since(REQUESTS)
    assert sum(found.values()) == REQUESTS and set(found) <= outcomes


@pytest.fixture(scope="module")
def before_sick_primary() -> Iterator[tuple[int, int, Sidecar]]:
    """Yield the control port of a primary, and the port of an inline sidecar in front of it."""
    with running_topology() as topology:
        sick_port, control_port = start_sick(topology.processes)
        shadow_port, _ = start_sick(topology.processes)
        port = topology.ports["nginx"]
        sidecar = topology.start_sidecar(
            "inline",
            listen=f"127.0.0.1:{port}",
            primary=f"http://127.0.0.1:{sick_port}",
            shadow={"url": f"http://127.0.0.1:{shadow_port}"},
            timeouts={"primary": 0.3, "connect": 0.3},
        )
        yield control_port, port, sidecar


@pytest.mark.parametrize("fault", OF_PRIMARY)
def test_client_hears_of_a_sick_primary(
    before_sick_primary: tuple[int, int, Sidecar], fault: str
) -> None:
    control_port, port, _ = before_sick_primary
    sick_upstream.become(control_port, fault)
    answers = [fetch(port) for _ in range(2)]
    assert {answer and answer.status for answer in answers} <= OF_PRIMARY[fault]


def test_endless_answer_ends_with_its_client(
    before_sick_primary: tuple[int, int, Sidecar],
) -> None:
    control_port, port, sidecar = before_sick_primary
    sick_upstream.become(control_port, "endless")
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with closing(client):
        client.request("GET", "/")
        assert client.getresponse().read(100_000) == b"x" * 100_000
    ledger = sidecar.settled_ledger()
    # The shadow received a copy of every request to the sick primary, and no leg is left.
    assert ledger["balanced"] and ledger["in_flight"] == 0
    assert ledger["primary"]["aborted"] == 1

"""Checks that nginx's backup answers at once while the kernel refuses to start workers.

The limit of processes of a user (RLIMIT_NPROC) makes fork fail as on a full machine. It does not
bind root, so the sidecar runs as a user of its own here.
"""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from mirror.demo.nginx import inline_site
from mirror.demo.processes import answers, fetch
from mirror.demo.sidecar import Sidecar, serve_command, write_config
from tests.topology.conftest import Topology, require, wait_for
from tests.topology.test_faults import start_sick

pytestmark = pytest.mark.topology

USER = 54321
"""A user id without other processes, which would count."""
AT_ONCE_S = 0.7
"""nginx waits a second for a connection, and longer for an answer."""
PATIENCE_S = 10.0


@pytest.fixture
def as_user() -> list[str]:
    """Return the command that runs another one as USER, who may read every file."""
    capability = "-all,+dac_override"
    command = [str(require("setpriv")), f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    command += [f"--inh-caps={capability}", f"--ambient-caps={capability}"]
    tried = subprocess.run([*command, sys.executable, "-c", ""], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no sidecar as another user here: {tried.stderr}")
    return command


def limit_processes(as_user: list[str], pid: int, soft: str) -> None:
    """Set RLIMIT_NPROC as that user, because root may lack the capability for another's limits."""
    program = (
        "import resource as r; _, hard = r.prlimit({0}, r.RLIMIT_NPROC);"
        "r.prlimit({0}, r.RLIMIT_NPROC, ({1}, hard))"
    )
    subprocess.run([*as_user, sys.executable, "-c", program.format(pid, soft)], check=True)


def timed(port: int, method: str = "GET") -> tuple[int, float]:
    """Send one request; return its status, and the time in seconds that it took."""
    began_s = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, "/watch/1", b"x" if method == "POST" else None)
        response = connection.getresponse()
        response.read()
        return response.status, time.monotonic() - began_s
    finally:
        connection.close()


def pids(sidecar: Sidecar) -> list[int]:
    return [worker["pid"] for worker in sidecar.status()["workers"] if worker["ready"]]


def readyz(sidecar: Sidecar) -> tuple[int, str]:
    answer = fetch(sidecar.admin_port, "/readyz")
    assert answer is not None
    return answer.status, answer.body.decode()


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_no_request_waits_while_no_worker_can_be_started(
    topology: Topology, as_user: list[str], kind: str
) -> None:
    topology.start_primary()
    shadow, _ = start_sick(topology.processes)
    os.chown(topology.directory, USER, USER)
    changes = {"listen": f"127.0.0.1:{topology.ports['void']}"} if kind == "tcp" else {}
    config = topology.config(
        "inline", workers=2, shadow={"url": f"http://127.0.0.1:{shadow}"}, **changes
    )
    path = write_config(topology.directory, config)
    child = topology.processes.start("mirror", [*as_user, *serve_command(path)])
    child.wait_until(lambda: answers(topology.ports["admin"], "/readyz", status=200))
    sidecar = Sidecar(child, topology.ports["admin"])
    port = topology.ports["nginx"]
    topology.start_site("nginx", inline_site(port, topology.ports["primary"], config["listen"]))
    assert wait_for(lambda: len(pids(sidecar)) == 2)
    assert timed(port)[0] == 200
    assert wait_for(lambda: sidecar.status()["ledger"]["seen"] == 1)

    limit_processes(as_user, child.pid, "0")
    killed = pids(sidecar)
    for pid in killed:
        os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(8) as clients:
        waiting = [clients.submit(timed, port) for _ in range(8)]
        time.sleep(0.3)
        assert not any(one.done() for one in waiting), "the kernel queues for stopped workers"
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        found = [one.result() for one in waiting]
    assert [status for status, _ in found] == [200] * 8
    assert max(took_s for _, took_s in found) < 0.3 + AT_ONCE_S

    assert wait_for(lambda: "[Errno 11]" in str(sidecar.status()["worker_start_error"]))
    status, words = readyz(sidecar)
    assert status == 503 and "no worker is ready: cannot start a worker: [Errno 11]" in words
    codes: Counter[int] = Counter()
    until_s = time.monotonic() + 3.0  # nginx tries the sidecar again every second
    while time.monotonic() < until_s:
        # The app answers a POST with 405; nginx would answer 502 if it had been sent before.
        for method in ("GET", "POST"):
            code, took_s = timed(port, method)
            codes[code] += 1
            assert took_s < AT_ONCE_S
        time.sleep(0.05)
    assert set(codes) == {200, 405}

    write_config(topology.directory, config | {"shadow": config["shadow"] | {"ratio": 0.5}})
    child.send_signal(signal.SIGHUP)
    assert wait_for(lambda: sidecar.status()["reload"]["refused"] == 1)
    status_after = sidecar.status()
    assert "cannot start a new worker: [Errno 11]" in status_after["reload"]["last"]["problems"][0]
    assert status_after["ratio"] == 1
    said = child.log_path.read_text().count("cannot start a worker: ")
    assert said == 1, "one line for each reason"

    limit_processes(as_user, child.pid, "hard")
    assert wait_for(lambda: len(pids(sidecar)) == 2, PATIENCE_S)
    assert readyz(sidecar) == (200, "ready\n")
    assert sidecar.status()["worker_start_error"] is None
    seen = sidecar.status()["ledger"]["seen"]
    assert wait_for(lambda: timed(port)[0] == 200 and sidecar.status()["ledger"]["seen"] > seen)
    assert sidecar.child.stop() == 0

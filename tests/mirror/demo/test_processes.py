"""Checks how real Python child processes end when they are told to."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.demo.processes import (
    Child,
    ChildFailed,
    Processes,
    accepts,
    answers,
    fetch,
    find_program,
    free_ports,
)

SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('up', flush=True); time.sleep(60)"
)
PARENT = (
    "import subprocess, sys, time;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "print(child.pid, flush=True); time.sleep(60)"
)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path) as owner:
        yield owner


def start(processes: Processes, program: str, name: str = "child") -> Child:
    child = processes.start(name, [sys.executable, "-u", "-c", program])
    child.wait_until(lambda: bool(child.log_path.read_text()))
    return child


def exists(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_leaving_the_block_ends_children(tmp_path: Path) -> None:
    with pytest.raises(ValueError), Processes(tmp_path) as processes:
        child = start(processes, SLEEPER)
        raise ValueError
    assert not child.is_running
    assert child.wait(0) == -signal.SIGTERM


def test_stubborn_child_is_killed(processes: Processes) -> None:
    child = start(processes, STUBBORN)
    assert child.stop(timeout_s=0.2) == -signal.SIGKILL


def test_what_a_child_forked_ends_with_it(processes: Processes) -> None:
    child = start(processes, PARENT)
    grandchild = int(child.log_path.read_text())
    assert exists(grandchild)
    child.stop()
    deadline = time.monotonic() + 5
    while exists(grandchild) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not exists(grandchild)


def test_children_do_not_get_our_interrupt(processes: Processes) -> None:
    child = start(processes, SLEEPER)
    assert os.getpgid(child.pid) == child.pid != os.getpgid(0)


def test_early_end_shows_last_lines(processes: Processes) -> None:
    child = processes.start("broken", [sys.executable, "-c", "raise SystemExit('no such disk')"])
    with pytest.raises(ChildFailed, match=r"(?s)broken ended with exit code 1.*no such disk"):
        child.wait_until(lambda: False)
    assert processes.failed() == [child]


def test_never_ready_is_a_failure(processes: Processes) -> None:
    child = start(processes, SLEEPER)
    with pytest.raises(ChildFailed, match="was not ready after 0 s"):
        child.wait_until(lambda: False, timeout_s=0.1)


def test_child_that_goes_on_is_a_failure(processes: Processes) -> None:
    child = start(processes, SLEEPER)
    with pytest.raises(ChildFailed, match="still running"):
        child.wait(0.05)


def test_stop_ends_the_last_started_first(processes: Processes, tmp_path: Path) -> None:
    order = tmp_path / "order"
    for name in ("first", "second"):
        program = (
            "import signal, sys, time\n"
            "def end(*_):\n"
            f"    open({str(order)!r}, 'a').write('{name} ')\n"
            "    sys.exit(0)\n"
            "signal.signal(signal.SIGTERM, end)\n"
            "print('up', flush=True)\n"
            # A signal that arrives just before a long sleep would be handled only after it.
            "for _ in range(6000): time.sleep(0.01)\n"
        )
        start(processes, program, name)
    processes.stop()
    assert order.read_text() == "second first "


def test_free_ports_are_distinct_and_free() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))


def test_find_program_sees_system_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_program("ldconfig") is not None
    assert find_program("no-such-program-anywhere") is None


def test_fetch_reads_an_answer(processes: Processes) -> None:
    (port,) = free_ports(1)
    assert fetch(port) is None
    assert not answers(port)
    assert not accepts(port)
    server = processes.start(
        "web", [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    )
    server.wait_until(lambda: answers(port))
    assert accepts(port)
    answer = fetch(port, "/no-such-file", method="HEAD")
    assert answer is not None and answer.status == 404
    assert answer.headers["server"].startswith("SimpleHTTP")
    assert answers(port, "/no-such-file", status=404)
    assert not answers(port, "/no-such-file", status=200)

"""Child processes: starts them, waits until they are ready, and ends them whatever happens.

This module owns the processes of a demo or a topology test, their logs, and free ports for them.
Invariant: when a `Processes` block ends (normally, by an exception, Ctrl-C or `sys.exit`), every
process that it started has ended and was reaped.

Each child leads its own session. Ctrl-C on the terminal therefore reaches only us, and we end the
children in order. Processes that a child forks (nginx and mirror workers) share its process group
and cannot outlive it. Only ids of processes that were started here are ever signalled. This module
does not know which programs these are.
"""

import atexit
import contextlib
import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

POLL_S = 0.05
STOP_TIMEOUT_S = 10.0
READY_TIMEOUT_S = 15.0
TAIL_LINES = 20

# Debian installs servers here, and the PATH of an ordinary user lacks these directories.
SYSTEM_DIRECTORIES = "/usr/local/sbin:/usr/sbin:/sbin"

# Below the ephemeral range of Linux (32768 and up): an outgoing connection could take a port from
# that range between the moment it is found free and the moment a child binds it.
FIRST_PORT, LAST_PORT = 18000, 32000


class ChildFailed(Exception):
    """A child ended early or never became ready; the text contains its last log lines."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a child to one HTTP request."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class Child:
    """One running program. Only `Processes.start` makes it."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], log_path: Path) -> None:
        self.name = name
        self.log_path = log_path
        self._popen = popen
        self._is_swept = False

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        if self._popen.poll() is None:
            return True
        self._sweep()
        return False

    def last_lines(self, count: int = TAIL_LINES) -> str:
        """Return the last lines of its log, for error messages."""
        lines = self.log_path.read_text(errors="replace").splitlines()
        return "\n".join(f"  {self.name} | {line}" for line in lines[-count:])

    def wait_until(self, is_ready: Callable[[], bool], timeout_s: float = READY_TIMEOUT_S) -> None:
        """Poll until it is ready. Raises ChildFailed if it ends before, or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not is_ready():
            if not self.is_running:
                raise self._failure(f"ended with exit code {self._popen.returncode}")
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready after {timeout_s:.0f} s")
            time.sleep(POLL_S)

    def send_signal(self, number: int) -> None:
        """Signal the program, but not what it forked; do nothing if it has ended."""
        self._popen.send_signal(number)

    def wait(self, timeout_s: float) -> int:
        """Return its exit code (negative for a signal). Raises ChildFailed if it keeps running."""
        try:
            self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise self._failure(f"was still running after {timeout_s:.0f} s") from None
        return self.kill()

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Terminate it, kill it after the timeout, and return its exit code; repeatable."""
        if self.is_running:
            self._popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout_s)
        return self.kill()

    def kill(self) -> int:
        """Kill it and everything that it forked, and return its exit code."""
        self._sweep()
        return self._popen.wait()

    def _sweep(self) -> None:
        # Only once, right after the leader ended: while a member of the group lives, its id stays
        # ours; when all are gone, the kernel may give it to another process.
        if not self._is_swept:
            self._is_swept = True
            # macOS raises EPERM when only zombies are left.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)

    def _failure(self, problem: str) -> ChildFailed:
        return ChildFailed(f"{self.name} {problem}; its last lines:\n{self.last_lines()}")


class Processes:
    """A context that owns children and ends them in the reverse order of their start."""

    def __init__(self, log_directory: Path) -> None:
        self._log_directory = log_directory
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        # In case the interpreter exits without leaving this block (os-level handlers, threads).
        atexit.register(self.stop)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        atexit.unregister(self.stop)

    def start(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> Child:
        """Start a program with its output in `<name>.log`. Raises OSError if it cannot be run."""
        log_path = self._log_directory / f"{name}.log"
        with log_path.open("ab") as log:
            popen = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=directory,
                start_new_session=True,
            )
        child = Child(name, popen, log_path)
        self._children.append(child)
        return child

    def stop(self) -> None:
        """End every child; a second Ctrl-C kills the remaining ones at once."""
        children = self._children[::-1]
        try:
            for child in children:
                child.stop()
        except BaseException:
            for child in children:
                child.kill()
            raise
        self._children.clear()

    def failed(self) -> list[Child]:
        """Return the children that ended unexpectedly."""
        return [child for child in self._children if not child.is_running]


def free_ports(count: int) -> list[int]:
    """Return distinct loopback ports on which nobody listens now."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.randint(FIRST_PORT, LAST_PORT)
        if port not in ports and _is_free(port):
            ports.append(port)
    return ports


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def find_program(name: str) -> Path | None:
    """Return the path of a program, also of a server outside the user's PATH; None if missing."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), SYSTEM_DIRECTORIES])
    program = shutil.which(name, path=path)
    return Path(program) if program else None


def fetch(
    port: int, target: str = "/", *, method: str = "GET", timeout_s: float = 5.0
) -> Answer | None:
    """Send one request to a child on loopback; return None if it does not answer in HTTP."""
    # Unlike urllib, http.client does not look for a proxy in the environment.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, target)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def answers(port: int, target: str = "/", status: int | None = None) -> bool:
    """Say whether a child answers, with this status if one is given."""
    answer = fetch(port, target, timeout_s=1.0)
    return answer is not None and (status is None or answer.status == status)


def accepts(port: int) -> bool:
    """Say whether a child accepts connections; no request is sent, so nothing is counted."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True

"""Profiles a worker's CPU per request: system calls, kernel and user time, Python functions.

Four instruments measure one worker under the same closed-loop load. They run one after the other,
because each of them costs time:

    accounting   utime and stime of the undisturbed worker per request: the absolute numbers
    perf stat    the number of system calls of each kind (tracepoints)
    perf record  the share of time of each system call and library
    py-spy       the share of time of each Python function, including the native code it calls

Shares come from the profilers and microseconds from the accounting, so that the table excludes the
cost of a profiler. On loopback the sender also does the receiver's work: a `write` includes the
delivery and the wake-up of the reader, which the table shows separately.

It needs perf (Debian: linux-perf), root or kernel.perf_event_paranoid of 1 or less, and py-spy. In
mode `sink` it profiles only the sidecar's worker.

Run: python -m benchmarks.profile_worker [inline] [sink] [plain] [--connections 32] [--seconds 4]
"""

import argparse
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import result
from benchmarks.macro.cores import CORE_OF_CLIENT, CORE_UNDER_TEST, core, cpu_time, family
from benchmarks.macro.cpu_per_request import Meter
from benchmarks.macro.ways import Way, stage
from benchmarks.macro.wrk import run_wrk
from mirror.demo.processes import find_program

TRACEPOINTS = (
    *("read", "write", "readv", "writev", "recvfrom", "sendto", "recvmsg", "sendmsg", "sendmmsg"),
    *("epoll_wait", "epoll_pwait", "epoll_ctl", "io_uring_enter", "futex", "getpid"),
    *("accept4", "connect", "close", "shutdown", "madvise", "mmap", "brk"),
)
"""The system calls to count; perf would need half a minute to open all tracepoints."""

# The rows of the result.
TOTAL = "CPU µs per request"
CALLS = "system calls per request"
PLACES = "µs per request by place"
FUNCTIONS = "µs per request by Python function, with the native code it calls"

RATE_HZ = 4000
PY_SPY_RATE_HZ = 500
ROWS = 20
LEAST_SHOWN = 0.05

_FRAME = re.compile(r"\s*[0-9a-f]+ (.+?)(?:\+0x[0-9a-f]+)? \((.*)\)$")
_SYSTEM_CALL = re.compile(r"__x64_sys_(\w+)|ksys_(\w+)|__sys_(\w+)|do_(writev|readv)")

Stack = list[tuple[str, str]]
"""Innermost frame first: symbol, and the file it is in."""


def read_stat(output: str) -> dict[str, int]:
    """Return the count of each tracepoint in the output of `perf stat -x,`."""
    found = {}
    for line in output.splitlines():
        count, _, event = line.split(",")[:3] if line.count(",") > 2 else ("", "", "")
        if count.isdigit() and int(count):
            found[event.rpartition("sys_enter_")[2]] = int(count)
    return found


def read_script(output: str) -> Iterator[Stack]:
    """Yield the stacks in the output of `perf script`, which has one paragraph per sample."""
    for paragraph in output.split("\n\n"):
        frames = [_FRAME.match(line) for line in paragraph.strip("\n").splitlines()[1:]]
        stack = [(frame[1], frame[2]) for frame in frames if frame]
        if stack:
            yield stack


def place_of(stack: Stack) -> str:
    """Return the system call of a sample and its part, or the library outside of system calls."""
    symbol, file = stack[0]
    if "kernel" not in file:
        return f"user: {Path(file).name.partition('.')[0]}"
    names = {name for name, _ in stack}
    calls = [found for name, _ in stack if (found := _SYSTEM_CALL.fullmatch(name))]
    if not calls:
        return "system: no call (interrupts, page faults, entry and exit)"
    call = next(group for group in calls[-1].groups() if group)
    if names & {"sock_def_readable", "ep_poll_callback", "try_to_wake_up"}:
        return f"system: {call}, waking the reader"
    if names & {"net_rx_action", "process_backlog", "tcp_v4_rcv"}:
        return f"system: {call}, the receiver's side of loopback"
    return f"system: {call}"


def read_py_spy(output: str) -> Counter[str]:
    """Return the samples of each function in the output of `py-spy record --format raw`.

    Each of its lines has frames from the outermost to the innermost, and their count.
    """
    found: Counter[str] = Counter()
    for line in output.splitlines():
        stack, _, count = line.rpartition(" ")
        if count.isdigit():
            name, _, file = stack.rpartition(";")[2].partition(" (")
            found[f"{name} ({Path(file.partition(':')[0]).name})"] += int(count)
    return found


@contextmanager
def load(way: Way, seconds: float, connections: int) -> Iterator[None]:
    """Run wrk during the block, and wait for its end."""
    running = threading.Thread(target=run_wrk, args=(way.url(), seconds, connections))
    running.start()
    time.sleep(0.5)  # let wrk connect
    yield
    running.join()


def instrument(number: int, *command: str | Path | float) -> str:
    """Run a profiler on this core and return its output."""
    with core(number):
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, check=False
        )
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stderr}")
    return done.stdout + done.stderr


def look(way: Way, meter: Meter, options: argparse.Namespace) -> result.Round:
    """Run all four instruments; return µs per request, or calls per request for system calls.

    `meter` counts the requests that the app receives.
    """
    pid = family([way.sidecar.child.pid] if way.sidecar else way.pids)[-1].pid
    seconds, connections = options.seconds, options.connections
    meter.measure(way, 1, connections)  # warm up
    before = cpu_time([pid])
    requests = run_wrk(way.url(), seconds, connections).requests
    meter.settle()
    cpu = cpu_time([pid]) - before
    with load(way, seconds + 3, connections):
        calls = count_calls(pid, seconds, meter)
    with load(way, seconds + 3, connections):
        stacks = list(native_stacks(pid, seconds))
    functions: Counter[str] = Counter()
    if way.sidecar:
        with load(way, seconds + 3, connections):
            functions = python_functions(pid, seconds)
    cpu_us = cpu.total_s * 1e6 / requests
    return {
        TOTAL: {"all": round(cpu_us, 2), "system": round(cpu.system_s * 1e6 / requests, 2)},
        CALLS: calls,
        PLACES: divided(cpu_us, Counter(map(place_of, stacks))),
        FUNCTIONS: divided(cpu_us, functions),
    }


def divided(cpu_us: float, samples: Counter[str]) -> dict[str, float]:
    """Divide the worker's µs per request by the shares of the samples, largest first."""
    total = samples.total()
    return {name: round(cpu_us * n / total, 3) for name, n in samples.most_common(ROWS)}


def native_stacks(pid: int, seconds: float) -> Iterator[Stack]:
    with TemporaryDirectory(prefix="kagami-") as name:
        data = Path(name) / "perf.data"
        instrument(
            CORE_OF_CLIENT,
            *("perf", "record", "-q", "-o", data, "-e", "cpu-clock", "-F", RATE_HZ, "-g"),
            *("-p", pid, "sleep", seconds),
        )
        yield from read_script(instrument(CORE_OF_CLIENT, "perf", "script", "-i", data))


def python_functions(pid: int, seconds: float) -> Counter[str]:
    """Sample the worker's Python functions with py-spy on the worker's own core.

    There it interrupts the worker at any point. On the other core it would run while the client is
    idle, which biases the sample, and would have to stop the worker to read a consistent stack.
    """
    with TemporaryDirectory(prefix="kagami-") as name:
        stacks = Path(name) / "stacks"
        instrument(
            CORE_UNDER_TEST,
            *(find_py_spy(), "record", "--function", "--format", "raw", "--output", stacks),
            *("--rate", PY_SPY_RATE_HZ, "--nonblocking"),
            *("--duration", int(seconds), "--pid", pid),
        )
        return read_py_spy(stacks.read_text())


def count_calls(pid: int, seconds: float, meter: Meter) -> dict[str, float]:
    """Return the system calls per request that the app received in the same time."""
    events = ",".join(f"syscalls:sys_enter_{call}" for call in TRACEPOINTS)
    # perf starts its command when it begins to count, which takes a while.
    command = ["perf", "stat", "-x", ",", "-e", events, "-p", str(pid), "sh", "-c", "echo; cat"]
    with (
        core(CORE_OF_CLIENT),
        subprocess.Popen(
            command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True, bufsize=1
        ) as counting,
    ):
        assert counting.stdout is not None
        counting.stdout.readline()
        arrived = meter.arrived()
        time.sleep(seconds)
        arrived = meter.arrived() - arrived
        _, output = counting.communicate()
    if counting.returncode:
        sys.exit(f"perf failed:\n{output}")
    return {call: round(count / arrived, 4) for call, count in read_stat(output).items()}


def find_py_spy() -> Path:
    """Return the path of py-spy, which pip installs beside the interpreter."""
    return Path(sys.executable).parent / "py-spy"


def table(found: dict[str, Any]) -> str:
    """Return a table with the ways side by side; a cell is empty if a way lacks the row."""
    ways = found["parameters"]["ways"]
    lines = []
    for kind in (TOTAL, CALLS, PLACES, FUNCTIONS):
        columns = [found["medians"][f"{way}: {kind}"] for way in ways]
        lines += ["", f"| {kind} | {' | '.join(ways)} |", "|---|" + "---:|" * len(ways)]
        for name in dict.fromkeys(name for column in columns for name in column):
            values = [column.get(name) for column in columns]
            if max(value or 0 for value in values) >= LEAST_SHOWN:
                cells = ("" if value is None else f"{value:.2f}" for value in values)
                lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines[1:])


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ways", nargs="*", default=["inline", "inline_python", "sink", "plain"])
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one look")


def main() -> None:
    options = result.options_of(__doc__, "profile", add_options)
    if find_program("perf") is None or not find_py_spy().exists():
        sys.exit("needs perf (apt-get install linux-perf) and py-spy (pip install py-spy)")
    rows: result.Round = {}
    with stage() as on_stage:
        on_stage.start_upstreams()
        for name in options.ways:
            found = look(on_stage.start(name), Meter(on_stage.app_port), options)
            rows |= {f"{name}: {kind}": values for kind, values in found.items()}
    print(table(result.write(options, [rows], rows)))


if __name__ == "__main__":
    main()

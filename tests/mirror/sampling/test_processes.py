"""Accounts of processes: conserved when a child ends, interpolated in a window."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mirror.errors import SamplingError
from mirror.sampling.processes import (
    ProcessSampler,
    Reading,
    children_of,
    cpu_limit_millicores,
    read_family,
    usage_between,
)
from mirror.sampling.usage import Part, Window

ENVOY = Part("gateway", "istio-proxy")
READINGS = [Reading(0, 10.0, 5), Reading(1, 10.5, 9), Reading(2, 11.5, 7), Reading(3, 12.0, 50)]

# Burns a known time in a child that it waits for, says so, and rests until it is told to end.
FAMILY = """
import os, sys, time
if (pid := os.fork()) == 0:
    while time.process_time() < 0.2:
        pass
    os._exit(0)
os.waitpid(pid, 0)
print(os.times().children_user + os.times().children_system, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def busy() -> Iterator[tuple[subprocess.Popen[str], float]]:
    """A process whose child has used cpu and ended, and how much by its own account."""
    command = [sys.executable, "-S", "-c", FAMILY]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, float(process.stdout.readline())
        process.kill()


def test_cpu_of_a_child_that_ended_stays_counted(busy: tuple[subprocess.Popen[str], float]) -> None:
    process, used_s = busy
    root = psutil.Process(process.pid)
    reading, times = read_family(root, 7.0), root.cpu_times()
    assert used_s >= 0.2 - 0.01
    assert reading.cpu_s == pytest.approx(times.user + times.system + used_s, abs=0.011)
    assert reading.at_s == 7.0
    assert reading.memory_bytes == root.memory_info().rss


def test_living_children_belong_to_the_family() -> None:
    command = ["sh", "-c", "cat; :"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        assert shell.stdin is not None and shell.stdout is not None
        shell.stdin.write(b"x\n")
        shell.stdin.flush()
        assert shell.stdout.readline() == b"x\n"
        root = psutil.Process(shell.pid)
        (cat,) = root.children()
        both = root.memory_info().rss + cat.memory_info().rss
        assert read_family(root, 0).memory_bytes == both


def test_children_are_those_that_psutil_finds() -> None:
    with (
        subprocess.Popen(["cat"], stdin=subprocess.PIPE),
        subprocess.Popen(["cat"], stdin=subprocess.PIPE),
    ):
        me = psutil.Process()
        found = children_of(me)
        assert len(found) >= 2
        assert {each.pid for each in found} == {each.pid for each in me.children()}


def test_process_that_ended_is_no_family() -> None:
    with subprocess.Popen(["true"]) as child:
        root = psutil.Process(child.pid)
    with pytest.raises(psutil.NoSuchProcess):
        read_family(root, 0)


def test_window_is_interpolated() -> None:
    mean, highest, memory_bytes = usage_between(READINGS, Window(0.5, 2))
    assert mean == pytest.approx(1000 * (11.5 - 10.25) / 1.5)
    assert highest == pytest.approx(1000)
    assert memory_bytes == 9


def test_sliver_at_an_end_is_no_burst() -> None:
    readings = [Reading(0, 0, 1), Reading(0.05, 0.05, 1), Reading(1, 0.1, 1), Reading(2, 0.2, 1)]
    mean, highest, _ = usage_between(readings, Window(0, 2))
    assert (mean, highest) == (pytest.approx(100), pytest.approx(100))


@pytest.mark.parametrize("window", [Window(-0.1, 1), Window(1, 3.1)])
def test_window_beyond_the_readings_is_refused(window: Window) -> None:
    with pytest.raises(SamplingError, match="not read during the whole step"):
        usage_between(READINGS, window)


def test_replicas_are_processes_of_one_name(busy: tuple[subprocess.Popen[str], float]) -> None:
    me, other = os.getpid(), busy[0].pid
    sampler = ProcessSampler([(ENVOY, me), (ENVOY, other)])
    sampler.close()
    readings = [each.readings for each in sampler._watched]
    window = Window(max(each[0].at_s for each in readings), min(each[-1].at_s for each in readings))
    used = sampler.usage(window)[ENVOY]
    assert used.replicas == 2
    assert used.is_exact
    assert used.memory_bytes >= psutil.Process(other).memory_info().rss
    assert used.cpu_limit_millicores is not None
    assert used.cpu_limit_millicores <= 1000 * len(os.sched_getaffinity(0))


def test_ended_process_is_named() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        sampler = ProcessSampler([(ENVOY, child.pid)])
        last = sampler._watched[0].readings[-1].at_s
    sampler.close()
    with pytest.raises(
        SamplingError, match=rf"process {child.pid} \(gateway/istio-proxy\) was not"
    ):
        sampler.usage(Window(last, last + 1))


def test_account_that_falls_is_no_reading() -> None:
    sampler = ProcessSampler([(ENVOY, os.getpid())])
    sampler._is_closed.set()
    sampler._thread.join()
    (watched,) = sampler._watched
    watched.readings.append(Reading(watched.readings[-1].at_s, 1e9, 1))
    sampler._read()
    assert watched.readings[-1].cpu_s == 1e9


def test_pid_of_nobody_is_refused() -> None:
    with subprocess.Popen(["true"]) as child:
        pass
    with pytest.raises(SamplingError, match=f"cannot read process {child.pid}"):
        ProcessSampler([(ENVOY, child.pid)])


def test_smallest_quota_above_a_process_limits_it(tmp_path: Path) -> None:
    me = psutil.Process()
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = [line.removeprefix("0::/") for line in lines if line.startswith("0::/")]
    if not own:
        pytest.skip("this machine has no unified cgroups")
    inner = tmp_path / own[0] if ".." not in own[0] else tmp_path
    inner.mkdir(parents=True, exist_ok=True)
    cores = len(me.cpu_affinity())
    (inner / "cpu.max").write_text("max 100000\n")
    assert cpu_limit_millicores(me, tmp_path) == 1000 * cores
    (tmp_path / "cpu.max").write_text("25000 100000\n")
    assert cpu_limit_millicores(me, tmp_path) == 250

"""Checks that accounts of processes include ended children and never decrease."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mirror.errors import InputError
from mirror.formats.replay_result import ProcessReading
from mirror.formats.usage_source import SampledProcess
from mirror.replay.process_usage import (
    ProcessSampler,
    children_of,
    cpu_limit_millicores,
    read_family,
)

# Uses a known CPU time in a child, waits for the child, reports it, and then sleeps.
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
    """Yield a process whose child has ended, and the CPU seconds that the child reported."""
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
    assert reading.time == 7.0
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
        assert {child.pid for child in found} == {child.pid for child in me.children()}


def test_process_that_ended_is_no_family() -> None:
    with subprocess.Popen(["true"]) as child:
        root = psutil.Process(child.pid)
    with pytest.raises(psutil.NoSuchProcess):
        read_family(root, 0)


def test_replicas_are_processes_of_one_name(busy: tuple[subprocess.Popen[str], float]) -> None:
    me, other = os.getpid(), busy[0].pid
    sampler = ProcessSampler([SampledProcess("gateway", "envoy", pid) for pid in (me, other)])
    sampler.close()
    usage = sampler.usage()
    assert [(process.component, process.container) for process in usage] == [
        ("gateway", "envoy")
    ] * 2
    assert [process.replica.rpartition("/")[2] for process in usage] == [str(me), str(other)]
    for process in usage:
        assert len(process.readings) == 2
        assert process.cpu_limit_millicores is not None
        assert process.cpu_limit_millicores <= 1000 * len(os.sched_getaffinity(0))
    assert usage[1].readings[-1].memory_bytes >= psutil.Process(other).memory_info().rss
    assert usage[0].readings[0].time == pytest.approx(time.time(), abs=5)


def test_ended_process_is_read_no_more() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        sampler = ProcessSampler([SampledProcess("app", "app", child.pid)])
    sampler.close()
    (usage,) = sampler.usage()
    assert len(usage.readings) == 1


def test_account_that_falls_is_no_reading() -> None:
    sampler = ProcessSampler([SampledProcess("app", "app", os.getpid())])
    sampler._is_closed.set()
    sampler._thread.join()
    (watched,) = sampler._watched
    watched.readings.append(ProcessReading(watched.readings[-1].time, 1e9, 1))
    sampler._read()
    assert watched.readings[-1].cpu_s == 1e9


def test_pid_of_nobody_is_refused() -> None:
    with subprocess.Popen(["true"]) as child:
        pass
    with pytest.raises(InputError, match=rf"process {child.pid} \(api/app\) cannot be read"):
        ProcessSampler([SampledProcess("api", "app", child.pid)])


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

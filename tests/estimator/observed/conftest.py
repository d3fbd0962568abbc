"""Runs a real Prometheus with backfilled samples, so that no test waits for scrapes."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mirror.demo.processes import Processes, answers, find_program, free_ports

START = 1_767_225_600
SECONDS = 1800


@dataclass(frozen=True)
class Backfilled:
    """A Prometheus with samples of two pods with two containers every 15 s from START."""

    url: str
    start: int = START
    end: int = START + SECONDS


def openmetrics() -> str:
    """Return the samples: the app of pod 0 uses 100m and of pod 1 300m, each istio-proxy 40m.

    A pod of another component is included.
    """
    names = {
        "api-7d9f8c6b5-x2k4p": {"app": 0.1, "istio-proxy": 0.04, "": 0.15, "POD": 0.001},
        "api-7d9f8c6b5-zzq9m": {"app": 0.3, "istio-proxy": 0.04},
        "api-worker-7d9f8c6b5-x2k4p": {"app": 5.0},
    }
    series = [
        (pod, container, rate) for pod, rates in names.items() for container, rate in rates.items()
    ]
    lines = ["# TYPE container_cpu_usage_seconds counter"]
    for pod, container, rate in series:
        labels = f'{{namespace="shop",pod="{pod}",container="{container}"}}'
        lines += [
            f"container_cpu_usage_seconds_total{labels} {at * rate:.6f} {START + at}"
            for at in range(0, SECONDS + 1, 15)
        ]
    lines.append("# TYPE container_memory_working_set_bytes gauge")
    for pod, container, _ in series:
        labels = f'{{namespace="shop",pod="{pod}",container="{container}"}}'
        lines += [
            f"container_memory_working_set_bytes{labels} {100_000_000 + at} {START + at}"
            for at in range(0, SECONDS + 1, 15)
        ]
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backfilled]:
    """Start Prometheus once for all tests; skip them if it is not installed."""
    program, tool = find_program("prometheus"), find_program("promtool")
    if program is None or tool is None:
        pytest.skip("prometheus is not installed (Debian: apt-get install prometheus)")
    home = tmp_path_factory.mktemp("prometheus")
    (home / "samples").write_text(openmetrics())
    (home / "prometheus.yml").write_text("scrape_configs: []\n")
    command = [tool, "tsdb", "create-blocks-from", "openmetrics", home / "samples", home / "data"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    (port,) = free_ports(1)
    with Processes(home) as processes:
        child = processes.start(
            "prometheus",
            [
                program,
                f"--config.file={home}/prometheus.yml",
                f"--storage.tsdb.path={home}/data",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
        )
        child.wait_until(lambda: answers(port, "/-/ready", 200))
        yield Backfilled(f"http://127.0.0.1:{port}")

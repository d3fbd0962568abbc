from dataclasses import replace

import numpy as np
import pytest

from estimator.model.confidence import (
    day_doubts,
    doubts,
    hour_doubts,
    path_doubts,
    row_doubts,
)
from estimator.model.demand.hours import Basis, ExpectedLoad
from estimator.model.nodes.capacity import Cluster
from estimator.model.policy import Policy
from estimator.model.projection import project
from estimator.series.rps import RpsSeries
from estimator.table.load_points import Component, Kind, LoadPoint, Resources, Table

DAY = 86_400
USAGE = {"app": Resources(100, 2**27)}
POINTS = tuple(LoadPoint(n, 1, 100 * n, USAGE, error_ratio=0) for n in (1, 2, 3))
API = Component("api", Kind.POD, ("/api/_",), {"app": Resources(500, 2**28)}, POINTS)
TABLE = Table("t.yaml", (API,))


def series(seconds: int, gap: slice | np.ndarray = slice(0), *more: str) -> RpsSeries:
    rps = np.ones((1, seconds))
    rps[0, gap] = np.nan
    return RpsSeries("test", 0, 1, ("/api/_",), rps, doubts=more)


def test_a_whole_week_is_trusted() -> None:
    assert doubts(series(7 * DAY), TABLE, None) == ()
    # A monitoring system does not know the last minutes yet.
    assert doubts(series(7 * DAY - 300), TABLE, None) == ()


def test_the_weekdays_that_nobody_observed_are_named() -> None:
    # Day 0 was a Thursday.
    (doubt,) = doubts(series(5 * DAY), TABLE, None)
    assert doubt.startswith("5d were observed, without a whole Tuesday and Wednesday: the peak of")
    (doubt,) = doubts(series(4 * DAY), TABLE, None)
    assert "without a whole Monday, Tuesday and Wednesday:" in doubt
    weekend = np.r_[2 * DAY : 4 * DAY, 9 * DAY : 11 * DAY]
    doubt, _ = doubts(series(14 * DAY, weekend), TABLE, None)
    assert doubt.startswith("10d were observed, without a whole Saturday and Sunday")


def test_less_than_a_week_is_doubted_though_half_of_each_day_was_seen() -> None:
    (doubt,) = doubts(series(6 * DAY + DAY // 2), TABLE, None)
    assert doubt.startswith("only 6d12h were observed, less than 7d")


def test_less_than_a_day_is_doubted() -> None:
    (doubt,) = doubts(series(DAY - 1), TABLE, None)
    assert doubt.startswith("only 23h59m59s were observed, less than 1d")


def test_many_gaps_are_doubted() -> None:
    _, doubt = doubts(series(8 * DAY, slice(DAY, DAY * 2)), TABLE, None)
    assert doubt.startswith("12% of 8d are gaps, more than 10%")


def test_doubts_of_the_source_come_first() -> None:
    assert doubts(series(60, slice(0), "7% of its lines were left out"), TABLE, None)[0] == (
        "7% of its lines were left out"
    )


def test_examples_are_doubted() -> None:
    cluster = Cluster("example", (), (), 1, {}, "EUR", None, "", is_example=True)
    nodes, table = doubts(series(7 * DAY), Table("example", (API,), is_example=True), cluster)
    assert "the nodes and their prices are the bundled example" in nodes
    assert "nobody measured it on your cluster" in table


def rows(*points: tuple[float, float], **last: object) -> Component:
    """Return a component with rows of one replica, each with rps and millicores."""
    listed = [
        LoadPoint(n, 1, rps, {"app": Resources(cpu, 2**27)}, error_ratio=0)
        for n, (rps, cpu) in enumerate(points, start=1)
    ]
    listed[-1] = replace(listed[-1], **last)
    return replace(API, points=tuple(listed))


LINE = tuple((100.0 * n, 100.0 * n) for n in (1, 2, 3, 4))


def test_three_loads_are_sound() -> None:
    assert list(row_doubts(rows(*LINE))) == []


def test_repeats_of_one_load_are_not_three() -> None:
    need = "an estimate of the error needs at least 3"
    assert list(row_doubts(rows((1, 1), (1, 1), (2, 2)))) == [f"has 2 usable loads; {need}"]
    assert list(row_doubts(rows((500, 300)))) == [f"has 1 usable load; {need}"]


def test_spoilt_rows_are_named() -> None:
    again = "row 4 should be measured again"
    assert list(row_doubts(rows(*LINE, duration_s=5.0))) == [f"{again} (the run was too short)"]
    late = rows(*LINE, workers={"app": 1}, rps_target=800)
    assert list(row_doubts(late)) == [f"{again} (the generator was slower than its target)"]


def test_cpu_that_falls_is_doubted() -> None:
    assert list(row_doubts(rows((100, 500), (300, 300), (500, 100)))) == [
        "rows 2, 3 should be measured again (cpu falls as rps rises)"
    ]


def test_many_spoilt_rows_are_counted() -> None:
    short = tuple(
        LoadPoint(n, 1, n, {"app": Resources(n, 1)}, duration_s=1.0) for n in range(1, 31)
    )
    doubt = next(iter(row_doubts(replace(API, points=short))))
    assert ", 20 and 10 more should be measured again" in doubt


def test_end_of_the_component_is_no_fault() -> None:
    assert list(row_doubts(rows(*LINE[:3], (400, 950), workers={"app": 1}))) == []
    assert list(row_doubts(rows(*LINE, error_ratio=0.5))) == []


def test_efficiency_that_rises_is_doubted() -> None:
    usage = {"app": Resources(200, 1)}
    points = (LoadPoint(1, 1, 100, usage), LoadPoint(2, 4, 1200, usage))
    *_, doubt = row_doubts(
        replace(API, points=(*points, LoadPoint(3, 1, 200, {"app": Resources(300, 1)})))
    )
    assert doubt.startswith("efficiency rises with size")


def test_memory_that_grows_with_time_is_doubted() -> None:
    points = tuple(
        LoadPoint(n, 1, rps, {"app": Resources(rps, (n + 4) * 2**24)}, error_ratio=0)
        for n, rps in enumerate((100, 500, 50, 300, 101), start=1)
    )
    (doubt,) = row_doubts(replace(API, points=points))
    assert doubt.startswith("memory of app grows from row to row, 80Mi to 144Mi, whatever the rps")


def test_a_slip_of_a_unit_is_doubted() -> None:
    (doubt,) = row_doubts(rows(*LINE, p99_ms=0.03))
    assert doubt.endswith("is it in seconds?")


def test_far_above_all_that_was_measured_is_doubted() -> None:
    def answer(rps: float) -> tuple[str, ...]:
        constant = RpsSeries("test", 0, 60, ("/api/_",), np.full((1, 7 * 1440), rps))
        return project(constant, TABLE, Policy()).low_confidence

    # What a minute averages is corrected upwards: 720 rps to 897, and 900 to 1,097.
    assert answer(720) == ()
    assert answer(900) == (
        "api: the peak of 1,097.3 rps is 3.66 times the largest row, 300 rps over 1 replica(s):"
        " nobody saw that replicas scale linearly beyond 3 times. Measure more of them together",
    )


def test_every_doubt_of_the_rows_reaches_the_answer() -> None:
    constant = RpsSeries("test", 0, 60, ("/api/_",), np.full((1, 7 * 1440), 200.0))
    falling = rows((100, 500), (300, 300), (500, 100))
    answer = project(constant, Table("t.yaml", (falling,)), Policy())
    assert answer.low_confidence == tuple(f"api: {doubt}" for doubt in row_doubts(falling))


def test_what_nobody_stated_is_doubted() -> None:
    assert list(row_doubts(API)) == []
    requests, routes = row_doubts(replace(API, assumed=("requests", "routes")))
    assert requests.startswith("nobody stated its requests, and they decide its replicas:")
    assert routes.startswith("nobody stated its routes: /api/_ decides how much traffic")


def gateway(kind: Kind, nginx_millicores: float, rps: float = 1000) -> Component:
    """Return a gateway whose log nginx used this much at the highest of three loads."""
    points = tuple(
        LoadPoint(
            row,
            1,
            load,
            {
                "istio-proxy": Resources(load * 0.4, 2**27),
                "nginx": Resources(nginx_millicores, 2**24),
            },
            error_ratio=0,
        )
        for row, load in enumerate((rps / 4, rps / 2, rps), start=1)
    )
    requests = {"istio-proxy": Resources(500, 2**28), "nginx": Resources(100, 2**26)}
    return Component("gw", kind, ("*",), requests, points)


def test_a_log_nginx_that_saw_no_load_is_doubted() -> None:
    (doubt,) = row_doubts(gateway(Kind.GATEWAY, 1.2))
    assert doubt.startswith(
        "nginx used 2m at 1,000 rps per replica (row 3), so the load went past it."
    )


@pytest.mark.parametrize(
    ("kind", "nginx_millicores", "rps"),
    [
        (Kind.GATEWAY, 36, 1000),  # as measured with nginx in the path
        (Kind.POD, 1.2, 1000),  # a sidecar of a pod need not carry requests
        (Kind.GATEWAY, 0.05, 16),  # too little load to tell
    ],
)
def test_a_container_that_may_have_worked_is_not_doubted(kind, nginx_millicores, rps) -> None:
    assert list(row_doubts(gateway(kind, nginx_millicores, rps))) == []


def test_hour_of_another_day_is_doubted() -> None:
    loads = {basis: ExpectedLoad(100, 100, basis, 3) for basis in Basis}
    assert list(hour_doubts([loads[Basis.WEEKS]], 3600)) == []
    (doubt,) = hour_doubts([loads[Basis.WEEKS], loads[Basis.DAYS], loads[Basis.DAYS]], 1)
    assert doubt == (
        "the hours of the switch were not observed on that day of the week: the same hour of other"
        " days stands for them"
    )
    (doubt,) = hour_doubts([loads[Basis.EVERYTHING]], 1)
    assert "everything that was recorded stands for them" in doubt
    (doubt,) = hour_doubts([loads[Basis.WEEKS]], DAY)
    assert doubt == "the series has one value each 1d: it does not know the hours of a day"


def test_hours_without_a_request_are_doubted() -> None:
    quiet = ExpectedLoad(0, 0, Basis.WEEKS, 3)
    (doubt,) = hour_doubts(iter([ExpectedLoad(100, 100, Basis.WEEKS, 3), quiet]), 3600)
    assert doubt.startswith("no request was recorded in the hours of the switch")


def test_day_far_from_the_series_is_doubted() -> None:
    week = series(7 * DAY)
    assert list(day_doubts(week, 7 * DAY)) == list(day_doubts(week, 35 * DAY)) == []
    (doubt,) = day_doubts(week, 6 * DAY)
    assert doubt == "the first step begins 1d before the end of the series: that day has passed"
    (doubt,) = day_doubts(week, 36 * DAY)
    assert doubt.startswith("the series ends 29 days before the first step")


def test_path_without_a_pod_is_doubted() -> None:
    named = Policy(paths=("/api/_", "/report"))
    (doubt,) = path_doubts(TABLE, named)
    assert doubt.startswith("no pod of the table carries /report: how many replicas")
    # In phase 2 the application stays where it is.
    assert list(path_doubts(TABLE, replace(named, phase=2))) == []
    everything = replace(API, routes=("*",))
    assert list(path_doubts(Table("t.yaml", (everything,)), named)) == []
    gateway_only = replace(API, kind=Kind.GATEWAY)
    assert len(list(path_doubts(Table("t.yaml", (gateway_only,)), named))) == 1

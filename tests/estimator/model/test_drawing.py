import numpy as np

from estimator.model.demand.scenario import Observed
from estimator.model.drawing import curves_of, demand_plot
from estimator.model.evidence.evidence import gather
from estimator.model.policy import Policy
from estimator.model.sizing.replicas import size
from estimator.table.load_points import Component, Kind, LoadPoint, Resources

DAY = 86_400


def observed(demand: np.ndarray, resolution_s: int = 60) -> Observed:
    place = int(np.nanargmax(demand))
    second = DAY + place * resolution_s
    return Observed("all", demand, DAY, resolution_s, 1, float(demand[place]), second)


def test_highest_of_each_day_is_marked_once() -> None:
    demand = np.ones(2 * 1440)
    demand[100], demand[2000] = 50, 40
    plot = demand_plot(observed(demand))
    assert [(peak.second, peak.rps) for peak in plot.peaks] == [
        (DAY + 6000, 50),
        (DAY + 120_000, 40),
    ]
    assert plot.peaks[1].label == "highest of 1970-01-03"
    assert np.nanmax(plot.highest_rps) == 50
    assert plot.bin_s * len(plot.highest_rps) >= 2 * DAY


def test_a_day_ends_at_midnight_though_the_series_begins_at_eleven() -> None:
    demand = np.ones(13 * 60 + 1440)
    demand[5 * 60], demand[13 * 60 + 120] = 40, 50  # at 16:00, and at 2:00 of the next day
    start = DAY + 11 * 3600
    seen = Observed("all", demand, start, 60, 1, 50, 2 * DAY + 7200)
    assert [(peak.second, peak.rps) for peak in demand_plot(seen).peaks] == [
        (2 * DAY + 7200, 50),
        (DAY + 16 * 3600, 40),
    ]


def test_curves_show_every_row_and_the_choice() -> None:
    points = tuple(
        LoadPoint(n, 1, rps, {"app": Resources(rps, 1)}, p99_ms=rps / 10, error_ratio=errors)
        for n, (rps, errors) in enumerate([(100, 0), (200, 0), (300, 0), (400, 0.5)], start=1)
    )
    component = Component("api", Kind.POD, ("*",), {"app": Resources(500, 1)}, points)
    policy = Policy(slo_p99_ms=30)
    evidence = gather(component, policy)
    sizing = size(500, evidence, policy)
    cpu, p99 = curves_of(evidence, sizing, policy)
    assert (cpu.quantity, cpu.budget, cpu.chosen_rps) == ("cpu of app", 300, sizing.rps_per_replica)
    assert [row.is_used for row in cpu.rows] == [True, True, True, False]
    assert cpu.rows[3].verdict == "failing: error_ratio 0.5 is above 0.01"
    assert cpu.rps[-1] == cpu.highest_row_rps * 1.5
    assert (cpu.low <= cpu.value).all() and (cpu.value <= cpu.high).all()
    assert (p99.quantity, p99.budget) == ("p99", 30)


def test_curve_without_an_interval_has_no_band() -> None:
    points = (LoadPoint(1, 1, 100, {"app": Resources(100, 1)}),)
    component = Component("api", Kind.POD, ("*",), {"app": Resources(500, 1)}, points)
    evidence = gather(component, Policy())
    (cpu,) = curves_of(evidence, size(50, evidence, Policy()), Policy())
    assert np.isnan(cpu.high).all()

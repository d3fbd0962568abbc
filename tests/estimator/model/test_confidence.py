import numpy as np

from estimator.model.confidence import doubts
from estimator.model.nodes.capacity import Cluster
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

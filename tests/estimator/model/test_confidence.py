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


def series(seconds: int, gap: slice = slice(0), *more: str) -> RpsSeries:
    rps = np.ones((1, seconds))
    rps[0, gap] = np.nan
    return RpsSeries("test", 0, 1, ("/api/_",), rps, doubts=more)


def test_a_whole_day_is_trusted() -> None:
    assert doubts(series(DAY), TABLE, None) == ()


def test_less_than_a_day_is_doubted() -> None:
    (doubt,) = doubts(series(DAY - 1), TABLE, None)
    assert doubt.startswith("only 23h59m59s were observed, less than 1d")


def test_many_gaps_are_doubted() -> None:
    (doubt,) = doubts(series(2 * DAY, slice(DAY, DAY * 3 // 2)), TABLE, None)
    assert doubt.startswith("25% of 2d are gaps, more than 10%")


def test_doubts_of_the_source_come_first() -> None:
    assert doubts(series(60, slice(0), "7% of its lines were left out"), TABLE, None)[0] == (
        "7% of its lines were left out"
    )


def test_examples_are_doubted() -> None:
    cluster = Cluster("example", (), (), 1, {}, "EUR", None, "", is_example=True)
    nodes, table = doubts(series(DAY), Table("example", (API,), is_example=True), cluster)
    assert "the nodes and their prices are the bundled example" in nodes
    assert "nobody measured it on your cluster" in table

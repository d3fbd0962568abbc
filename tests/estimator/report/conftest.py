import numpy as np
import pytest

from estimator.model.projection import Projection, project
from estimator.model.sizing import Policy
from estimator.series.rps import RpsSeries
from estimator.table.load_points import Component, Kind, LoadPoint, Resources, Table


@pytest.fixture
def projection() -> Projection:
    """Ten minutes of one route, one component of two containers, one row excluded."""
    mib = 2**20
    points = tuple(
        LoadPoint(
            n,
            2,
            rps,
            {"app": Resources(rps / 4, 100 * mib), "[red]": Resources(rps / 40, 10 * mib)},
            error_ratio=error_ratio,
        )
        for n, (rps, error_ratio) in enumerate([(200, 0), (600, 0), (1200, 0), (1500, 0.2)], 1)
    )
    requests = {"app": Resources(500, 256 * mib), "[red]": Resources(100, 64 * mib)}
    component = Component("api", Kind.POD, ("/api/_",), requests, points)
    rps = np.full((2, 600), 100.0)
    rps[0, 7] = 1000.0
    series = RpsSeries("a test", 1_700_000_000, 1, ("/api/_", "other"), rps)
    return project(series, Table("t.yaml", (component,)), Policy())

"""Provides a table, and observations with errors that the test chooses."""

from collections.abc import Callable

import numpy as np
import pytest

from estimator.observed.usage import Sample, Usage, usage_of
from estimator.series.rps import RpsSeries
from estimator.table.load_points import Component, Kind, LoadPoint, Resources, Table

START = 1_767_225_600
MIB = 2**20
POINTS = tuple(
    LoadPoint(
        n,
        1,
        rps,
        {"app": Resources(rps, 100 * MIB), "proxy": Resources(20 + rps / 10, 50 * MIB)},
        error_ratio=0.0,
        cpu_max_millicores={"app": rps * 1.5},
    )
    for n, rps in enumerate((100.0, 200.0, 300.0, 400.0), start=1)
)
REQUESTS = {"app": Resources(1000, 256 * MIB), "proxy": Resources(100, 128 * MIB)}
TABLE = Table("t.yaml", (Component("api", Kind.POD, ("/api/_",), REQUESTS, POINTS),))

MakeUsage = Callable[..., Usage]


@pytest.fixture
def series() -> RpsSeries:
    """Return an hour with 200 to 600 rps, and another route that must not count."""
    rps = np.repeat(np.linspace(200, 600, 60), 60)
    return RpsSeries("s", START, 1, ("/api/_", "other"), np.array([rps, np.full(3600, 1e4)]))


@pytest.fixture
def observe(series: RpsSeries) -> MakeUsage:
    """Return a function that samples pods every 15 s, which use the table's CPU times a factor."""

    def make(
        factor: float = 1.0, replicas: int = 2, memory: float = 90 * MIB, minutes: int = 60
    ) -> Usage:
        samples = []
        demand = series.demand(["/api/_"])
        for at in range(0, minutes * 60, 15):
            rps = float(demand[at]) / replicas
            for pod in range(replicas):
                for container, cpu in (("app", rps), ("proxy", 20 + rps / 10)):
                    used = cpu * (factor if container == "app" else 1.0)
                    second = START + at + pod
                    used_memory = memory if container == "app" else 40 * MIB
                    samples.append(
                        Sample("api", f"api-{pod}", container, second, used, used_memory)
                    )
        return usage_of("usage.csv", samples)

    return make

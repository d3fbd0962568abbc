import math

import pytest

from estimator.model.evidence.efficiency import Scaling, measure
from estimator.table.load_points import LoadPoint, Resources


def row(replicas: int, rps: float, cpu: float) -> LoadPoint:
    """Return a row of one replica's rps and cpu."""
    return LoadPoint(1, replicas, rps * replicas, {"app": Resources(cpu, 1)})


def test_worked_number_of_the_docstring() -> None:
    found = measure([row(1, 100, 200), row(5, 80, 200)])
    assert found.losses == (1, 1.25)
    assert 100 * found.efficiency(3) == pytest.approx(88.9, abs=0.05)
    assert 100 * found.efficiency(9) == pytest.approx(66.7, abs=0.05)
    # Each replica costs 0.0625, so all of them serve at most as much as 16 would alone.
    assert (found.most, found.best_count) == (pytest.approx(16), math.inf)


def test_one_count_is_taken_as_linear() -> None:
    found = measure([row(2, 100, 200), row(2, 50, 100)])
    assert (found.is_linear, found.efficiency(1000), found.most) == (True, 1, math.inf)
    assert found.note == "rows were measured at 2 replica(s): too few counts for a scaling law"


def test_noise_is_no_loss() -> None:
    found = measure([row(1, 100, 200), row(4, 92, 200)])
    assert (found.is_linear, found.doubt) == (True, None)


def test_counts_without_a_common_level_are_not_compared() -> None:
    found = measure([row(1, 100, 100), row(2, 200, 200), row(4, 300, 300)])
    assert found.is_linear
    assert "no common cpu level" in found.note


def test_cpu_just_beside_a_level_is_scaled_to_it() -> None:
    found = measure([row(1, 100, 200), row(4, 75, 190)])
    # 75 rps with 190m are 78.9 with 200m, or 95 of 100 rps with 190m.
    assert found.efficiency(4) == pytest.approx(75 / 95)


def test_law_that_misses_a_total_decides_nothing() -> None:
    served = {1: 100, 2: 98, 4: 95, 8: 50, 16: 48, 32: 46}
    found = measure([row(count, rps, 200) for count, rps in served.items()])
    assert found.law is None
    assert "no scaling law (it is off by" in found.note
    assert [round(100 * found.efficiency(count)) for count in served] == list(served.values())


def test_totals_that_fall_have_a_best_count() -> None:
    found = measure([row(1, 100, 200), row(8, 50, 200), row(16, 20, 200)])
    assert (found.best_count, found.most) == (8, pytest.approx(4))


def test_efficiency_that_rises_is_doubted() -> None:
    found = measure([row(1, 100, 200), row(2, 80, 200), row(8, 130, 200)])
    assert found.doubt is not None
    assert "at 200m a replica, each of 8 replicas serves 1.62 times what each of 2" in found.doubt


def test_efficiency_that_rises_is_doubted_without_a_common_level() -> None:
    found = measure([row(1, 100, 500), row(2, 300, 300), row(4, 500, 100)])
    assert found.doubt is not None
    assert "each of 2 replicas served 300 rps with 300m, and each of 1 100 rps with 500m" in (
        found.doubt
    )


def test_idle_rows_are_no_count() -> None:
    assert measure([row(1, 100, 200), row(2, 0, 200)]).is_linear


def test_best_count_of_a_law_is_its_own() -> None:
    served = {n: 1000 / (1 + 0.03 * (n - 1) + 0.001 * n * (n - 1)) for n in (1, 2, 4, 8, 16, 32)}
    found: Scaling = measure([row(count, rps, 200) for count, rps in served.items()])
    assert found.law is not None
    assert found.best_count == pytest.approx(math.sqrt(0.97 / 0.001), rel=1e-3)
    assert found.most == pytest.approx(31 / (1 + 0.03 * 30 + 0.001 * 31 * 30), rel=1e-3)

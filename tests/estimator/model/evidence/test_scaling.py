import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.model.evidence.scaling import ScalingLaw, fit

SPECSDM91 = {1: 64.9, 18: 995.9, 36: 1652.4, 72: 1853.2, 108: 1828.9, 144: 1775.0, 216: 1702.2}
RAYTRACER = {
    1: 20.0, 4: 78.0, 8: 130.0, 12: 170.0, 16: 190.0, 20: 200.0, 24: 210.0, 28: 230.0, 32: 260.0,
    48: 280.0, 64: 310.0,
}  # fmt: skip


def law_of(points: dict[int, float]) -> ScalingLaw:
    return fit(list(points), list(points.values()))


def law(contention: float, coherency: float, single: float) -> ScalingLaw:
    return ScalingLaw(contention, coherency, single, not_identified=None)


def test_published_fit_of_specsdm91() -> None:
    found = law_of(SPECSDM91)
    assert found.contention == pytest.approx(0.027728, rel=1e-3)
    assert found.coherency == pytest.approx(0.00010437, rel=1e-3)
    assert found.single_rps == pytest.approx(89.995, rel=1e-3)
    assert found.best_count == pytest.approx(96.52, abs=0.05)
    assert found.highest_rps == pytest.approx(1884, abs=1)
    assert found.single_rps / found.contention == pytest.approx(3245.6, abs=3)
    assert found.not_identified is None


def test_published_fit_of_raytracer() -> None:
    found = law_of(RAYTRACER)
    assert found.contention == pytest.approx(0.05777, rel=1e-3)
    assert found.coherency == 0
    assert found.single_rps == pytest.approx(21.849, rel=1e-3)
    assert found.rps_of(96) == pytest.approx(323.3, abs=0.1)
    assert found.rps_of(128) == pytest.approx(335.5, abs=0.1)
    assert math.isinf(found.best_count)
    assert found.highest_rps == pytest.approx(found.single_rps / found.contention)


def test_few_points_do_not_identify() -> None:
    few = law_of({1: 20, 4: 78, 8: 130})
    assert few.not_identified == "3 points at 3 counts, of 6 at 4 needed"


def test_counts_far_below_the_best_do_not_identify() -> None:
    true = law(0.001, 0.00001, 10)
    near = law_of({n: true.rps_of(n) for n in (1, 2, 3, 4, 5, 6)})
    assert near.not_identified is not None
    assert "less than half of the best count" in near.not_identified


def test_order_of_points_changes_nothing() -> None:
    backwards = dict(reversed(SPECSDM91.items()))
    assert law_of(backwards) == law_of(SPECSDM91)


LAWS = st.builds(law, st.floats(0, 0.9), st.floats(0, 0.01), st.floats(1, 1e4))


@given(LAWS)
def test_exact_points_give_their_law_back(law: ScalingLaw) -> None:
    counts = (1, 2, 4, 8, 16, 32, 64)
    found = fit(counts, [law.rps_of(n) for n in counts])
    assert [found.rps_of(n) for n in counts] == pytest.approx(
        [law.rps_of(n) for n in counts], rel=1e-4
    )

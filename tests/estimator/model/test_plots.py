import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from estimator.model.plots import thin


def test_worked_bins_of_the_docstring() -> None:
    highest, mean, width = thin(np.array([1.0, 5, 2, 2]), most=2)
    assert (highest.tolist(), mean.tolist(), width) == ([5, 2], [3, 2], 2)


def test_gap_stays_a_gap() -> None:
    highest, mean, _ = thin(np.array([1.0, np.nan, np.nan, np.nan]), most=2)
    assert highest[0] == mean[0] == 1
    assert np.isnan(highest[1]) and np.isnan(mean[1])


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300), st.integers(1, 50))
def test_no_peak_is_thinned_away(values: list[float], most: int) -> None:
    highest, _, width = thin(np.array(values), most)
    assert np.nanmax(highest) == max(values)
    assert len(highest) <= most and len(highest) * width >= len(values)

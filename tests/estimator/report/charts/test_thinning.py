import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.report.charts.thinning import Keep, merge, merged_width, values_of

values_or_gaps = st.lists(st.one_of(st.floats(0, 1e6), st.none()), min_size=1, max_size=200)


def test_neighbours_become_their_extreme() -> None:
    assert merge((1, 5, 2, 8, 3), 2, Keep.HIGHEST) == (5, 8, 3)
    assert merge((1, 5, 2, 8, 3), 2, Keep.LOWEST) == (1, 2, 3)


def test_a_gap_hides_nothing_beside_it() -> None:
    assert merge((None, None, None, 4), 2, Keep.LOWEST) == (None, 4)


def test_nan_of_the_model_is_a_gap() -> None:
    assert values_of(np.array([1.0, np.nan])) == (1.0, None)


@pytest.mark.parametrize(("count", "most", "width"), [(1000, 500, 2), (10, 500, 1), (501, 500, 2)])
def test_width_is_the_least_that_fits(count: int, most: int, width: int) -> None:
    assert merged_width(count, most) == width


@given(values_or_gaps, st.integers(1, 50))
def test_no_extreme_is_lost_and_no_value_made(values: list[float | None], most: int) -> None:
    width = merged_width(len(values), most)
    seen = [value for value in values if value is not None]
    for keep, extreme in ((Keep.HIGHEST, max), (Keep.LOWEST, min)):
        found = merge(values, width, keep)
        kept = [value for value in found if value is not None]
        assert len(found) <= most
        assert extreme(kept, default=None) == extreme(seen, default=None)
        assert set(kept) <= set(seen)

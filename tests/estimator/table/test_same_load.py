from hypothesis import given
from hypothesis import strategies as st

from estimator.table.same_load import same_loads


def test_rows_up_to_a_fiftieth_above_the_lowest_are_at_one_load() -> None:
    assert same_loads([250, 102.0, 100, 102.1, 749.99, 750, 0, 0]) == [
        [6, 7],
        [2, 1],
        [3],
        [0],
        [4, 5],
    ]
    assert same_loads([]) == []


def test_a_chain_of_near_rows_is_not_one_load() -> None:
    assert same_loads([100, 101.5, 103, 104.5]) == [[0, 1], [2, 3]]


@given(st.lists(st.floats(0, 1e5)))
def test_every_row_is_at_one_load_and_loads_rise(rps: list[float]) -> None:
    loads = same_loads(rps)
    assert sorted(place for load in loads for place in load) == list(range(len(rps)))
    in_order = [rps[place] for load in loads for place in load]
    assert in_order == sorted(rps)

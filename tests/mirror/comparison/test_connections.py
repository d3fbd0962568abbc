"""Checks how many missing lines the numbers of the requests of a connection show."""

from hypothesis import given
from hypothesis import strategies as st

from mirror.comparison.connections import MOST_GAP, Connections


def missing_of(*places: tuple[str, int], most: int = 100) -> int:
    connections = Connections(most)
    for connection, request in places:
        connections.add(connection, request)
    return connections.settle()


def test_a_number_that_is_left_out_is_a_line_that_did_not_come() -> None:
    assert missing_of(("a", 1), ("a", 2), ("a", 5), ("b", 7), ("b", 8)) == 2


def test_streams_may_end_in_any_order() -> None:
    assert missing_of(("a", 3), ("a", 1), ("a", 4), ("a", 2)) == 0


def test_what_is_missing_counts_once() -> None:
    connections = Connections()
    connections.add("a", 1)
    connections.add("a", 4)
    assert connections.settle() == 2
    assert connections.settle() == 0
    connections.add("a", 6)
    assert connections.settle() == 1


def test_a_line_that_comes_after_it_was_missed_is_set_off() -> None:
    connections = Connections()
    connections.add("a", 1)
    connections.add("a", 3)
    assert connections.settle() == 1
    connections.add("a", 2)
    assert connections.settle() == 0
    connections.add("b", 1)
    connections.add("b", 4)
    assert connections.settle() == 1


def test_numbers_that_begin_anew_are_another_connection() -> None:
    assert missing_of(("a", 1), ("a", 3), ("a", 1), ("a", 2), ("a", 4)) == 2


def test_the_longest_unused_connection_gives_way() -> None:
    places = [("a", 1), ("b", 1), ("a", 3), ("c", 1), ("b", 9)]
    assert missing_of(*places, most=2) == 1  # b was forgotten, so its gap is not seen
    assert missing_of(*places, most=3) == 8


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 30)), unique=True),
    st.integers(0, 60),
)
def test_no_more_is_missing_than_was_left_out(places: list[tuple[str, int]], at: int) -> None:
    """The numbers of a connection come in order; each that is left out between two counts once."""
    places.sort()
    connections = Connections()
    found = 0
    for number, (connection, request) in enumerate(places):
        connections.add(connection, request)
        found += connections.settle() if number == at else 0
    found += connections.settle()
    expected = 0
    for connection in "abc":
        requests = [request for name, request in places if name == connection]
        if requests:
            expected += max(requests) - min(requests) + 1 - len(requests)
    assert found == expected


def test_a_forged_number_is_no_gap() -> None:
    assert missing_of(("a", 1), ("a", 10**14), ("a", 10**14 + 2), ("a", 3)) == 1
    assert missing_of(("a", 5), ("a", 5 + MOST_GAP)) == MOST_GAP - 1

"""Checks which seconds of a window are judged."""

from mirror.audit.window import EDGE_S, PAD_S, Seconds, Window


def seconds() -> Seconds:
    return Seconds(Window(1000, 1030))


def test_a_window_is_half_open() -> None:
    window = Window(1000, 1030)
    assert [window.has(at) for at in (999.9, 1000, 1029.999, 1030)] == [False, True, True, False]
    assert window.is_near(1000 - PAD_S) and not window.is_near(1030 + PAD_S)
    assert len(window) == 30
    assert [window.side(at) for at in (99, 100, 1015, 1929, 1930)] == [-1, 0, 0, 0, 1]


def test_a_gap_takes_its_neighbours_along() -> None:
    found = seconds()
    found.leave_out(10, 11)
    assert [place for place, judged in enumerate(found.judged) if not judged] == [8, 9, 10, 11, 12]
    found.leave_out(0, 1)
    found.leave_out(29, 30)
    assert sum(found.judged) == 30 - 5 - 3 - 3


def test_a_part_of_the_log_that_is_missing_is_left_out() -> None:
    found = seconds()
    for place in range(30):
        found.logged[place] = 0 if 10 <= place < 16 else 9
        found.seen[place] = 9
    assert found.leave_out_holes() == 6
    assert sum(found.judged) == 30 - 6 - 2 * EDGE_S


def test_quiet_seconds_and_short_stops_are_no_holes() -> None:
    found = seconds()
    for place in range(30):
        found.seen[place] = found.logged[place] = int(place % 10 == 0)
    assert found.leave_out_holes() == 0
    for place in range(30):
        found.seen[place] = 50
        found.logged[place] = int(place % 5 == 0)  # four seconds without a line in between
    assert found.leave_out_holes() == 0
    assert sum(found.judged) == 30


def test_what_is_near_an_edge_may_be_counted_on_the_other_side() -> None:
    found = seconds()
    for place in range(30):
        found.logged[place], found.seen[place] = 3, 2
    assert found.edges() == 2 * EDGE_S * 3
    assert found.edges(beyond_s=1) == 2 * (EDGE_S + 1) * 3
    found.leave_out(15, 16)
    assert found.edges() == 4 * EDGE_S * 3

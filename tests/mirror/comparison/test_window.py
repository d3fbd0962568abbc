"""Checks that copies and lines of the log meet by their id, once, in either order."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mirror.comparison.window import Window
from mirror.core.comparison.answer import Answer
from mirror.core.comparison.piece import Copy

SERVED = Answer(200, "2xx", 1000)


class Collected:
    """Keeps the results."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, Answer | None]] = []
        self.reasons: list[tuple[str, str]] = []

    def joined(self, copy: Copy, primary: Answer | None) -> None:
        self.pairs.append((copy.id, primary))

    def uncompared(self, copy: Copy, reason: str) -> None:
        self.reasons.append((copy.id, reason))


def copy_of(request_id: str) -> Copy:
    return Copy(request_id, "/api/*", SERVED, None)


def window(most: int = 100) -> tuple[Window, Collected]:
    results = Collected()
    return Window(10.0, results, most), results


def test_either_side_may_come_first() -> None:
    joined, results = window()
    joined.add_copy(copy_of("a"), 1.0)
    assert joined.waiting == 1
    assert joined.add_line("a", SERVED, 2.0)
    assert joined.add_line("b", None, 3.0)
    joined.add_copy(copy_of("b"), 9.0)
    assert results.pairs == [("a", SERVED), ("b", None)]
    assert (joined.waiting, joined.matched, joined.without_copy) == (0, 2, 0)


def test_an_id_joins_once() -> None:
    joined, results = window()
    joined.add_copy(copy_of("a"), 1.0)
    joined.add_copy(copy_of("a"), 1.0)
    joined.add_line("a", SERVED, 1.0)
    joined.add_copy(copy_of("a"), 1.0)
    joined.add_copy(copy_of(""), 1.0)
    assert results.pairs == [("a", SERVED)]
    assert results.reasons == [("a", "not_joinable"), ("a", "not_joinable"), ("", "not_joinable")]


def test_a_line_that_comes_again_is_recognised() -> None:
    joined, results = window()
    assert joined.add_line("a", SERVED, 1.0)
    assert not joined.add_line("a", SERVED, 1.0)
    joined.add_copy(copy_of("a"), 1.0)
    assert not joined.add_line("a", SERVED, 1.0)
    assert len(results.pairs) == 1


def test_nothing_waits_for_longer_than_the_window() -> None:
    joined, results = window()
    joined.add_copy(copy_of("a"), 1.0)
    joined.add_line("b", SERVED, 2.0)
    joined.expire(10.9)
    assert joined.waiting == 1
    joined.expire(11.0)
    assert results.reasons == [("a", "no_log_line")]
    joined.expire(12.0)
    assert (joined.waiting, joined.without_copy) == (0, 1)
    joined.add_line("a", SERVED, 13.0)
    joined.add_copy(copy_of("b"), 13.0)
    assert results.pairs == []


def test_the_oldest_give_way_where_there_are_too_many() -> None:
    joined, results = window(most=2)
    for number, request_id in enumerate("abc"):
        joined.add_copy(copy_of(request_id), number)
    assert results.reasons == [("a", "evicted")]
    joined.clear()
    assert results.reasons[1:] == [("b", "no_log_line"), ("c", "no_log_line")]
    assert joined.waiting == 0


def test_a_copy_is_evicted_where_its_line_may_have_given_way() -> None:
    joined, results = window(most=2)
    for number, request_id in enumerate("abc"):
        joined.add_line(request_id, SERVED, number)
    joined.add_copy(copy_of("a"), 5.0)
    joined.expire(15.0)
    assert results.reasons == [("a", "evicted")]
    joined.add_copy(copy_of("d"), 30.0)
    joined.expire(40.0)
    assert results.reasons[1:] == [("d", "no_log_line")]


IDS = st.sampled_from(["", *"abcdefgh"])
EVENTS = st.lists(
    st.tuples(st.sampled_from(["copy", "line", "expire"]), IDS, st.floats(0, 6)), max_size=60
)


@given(EVENTS, st.integers(1, 6))
def test_every_copy_gets_exactly_one_result(
    events: list[tuple[str, str, float]], most: int
) -> None:
    joined, results = window(most)
    now = 0.0
    copies: Counter[str] = Counter()
    lines = repeated = 0
    for kind, request_id, later_s in events:
        now += later_s
        if kind == "copy":
            joined.add_copy(copy_of(request_id), now)
            copies[request_id] += 1
        elif kind == "line" and request_id:
            lines += 1
            repeated += not joined.add_line(request_id, SERVED, now)
        elif kind == "expire":
            joined.expire(now)
        ended = len(results.pairs) + len(results.reasons)
        assert ended + joined.waiting == copies.total()
        assert lines == joined.matched + joined.without_copy + joined.waiting_lines + repeated
    joined.clear()
    ended_by_id = Counter(request_id for request_id, _ in (*results.pairs, *results.reasons))
    assert ended_by_id == copies
    assert joined.waiting_lines == 0
    assert joined.matched == len(results.pairs)

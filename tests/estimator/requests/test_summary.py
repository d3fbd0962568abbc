"""Checks what every source says at its end."""

import pytest

from estimator.requests.summary import summarised
from estimator.requests.sums import Extra, Sums


def test_observations_hold_text_and_the_most_frequent_come_first() -> None:
    sums = Sums()
    extra = Extra((("x", "\xe4"), ("y", "\xc3\xa4")), frozenset({"cookie"}), frozenset({"token"}))
    sums.sum_of(("a", "GET", "/b", None)).add(7.0, None)
    for second in (5.0, 6.0):
        sums.sum_of(("a", "GET", "/\xc3\xa4", extra)).add(second, 200)
    found = summarised(sums, "a log", {"lines": 2}, ["note"], ["doubt"])
    first, second = found.items
    assert first.request.target == "/ä"
    assert first.request.headers == {"x": "\udce4", "y": "ä"}
    assert first.request.unknown_headers == {"cookie"}
    assert first.request.unknown_parameters == {"token"}
    assert (first.count, first.first_s, first.last_s, first.statuses) == (2, 5, 6, {200: 2})
    assert (second.request.headers, second.statuses) == (None, {})
    assert (found.count, found.seconds) == (3, (5, 7))
    assert (found.source, found.left_out) == ("a log", {"lines": 2})
    assert (found.notes[0], found.doubts) == ("note", ("doubt",))
    assert not first.is_sample


@pytest.mark.parametrize(
    ("observed_s", "said"),
    [
        (
            7200,
            "the requests are those of 2h: a path that is asked for once a day may not be among",
        ),
        (2 * 86_400, "the requests are those of 2d: a path that is asked for once a week may not"),
        (7 * 86_400 - 1800, None),
    ],
)
def test_a_short_time_is_said(observed_s: int, said: str | None) -> None:
    sums = Sums()
    for second in (0.5, 0.5 + observed_s):
        sums.sum_of(("a", "GET", "/", None)).add(second, 200)
    notes = summarised(sums, "a log", {}).notes
    assert len(notes) == (said is not None)
    assert said is None or notes[0].startswith(said)


def test_nothing_has_no_time() -> None:
    found = summarised(Sums(), "a log", {})
    assert (found.items, found.count, found.seconds) == ((), 0, None)

"""Checks what a `Date` of whole seconds may and may not say about two clocks."""

from email.utils import formatdate

import pytest

from mirror.core.acceptance import Headers
from mirror.preflight.clock import clock_gap, compare_clocks, kernel_clock

NOON = 1_800_000_000.0


def date(second: float) -> Headers:
    return [("server", "envoy"), ("date", formatdate(second, usegmt=True))]


@pytest.mark.parametrize(
    ("asked_s", "answered_s", "gap_s"),
    [
        (0.0, 0.1, 0.0),
        (0.9, 0.95, 0.0),  # the second has not ended
        (1.4, 1.45, 0.0),  # Envoy renews its text after half a second
        (2.0, 2.1, -0.5),
        (11.5, 12.0, -10.0),
        (-3.0, -2.5, 2.5),
        (-3.0, 4.0, 0.0),  # a slow answer: any of its instants explains the text
    ],
)
def test_a_gap_is_what_no_instant_of_the_answer_explains(
    asked_s: float, answered_s: float, gap_s: float
) -> None:
    assert clock_gap(date(NOON), NOON + asked_s, NOON + answered_s) == pytest.approx(gap_s)


@pytest.mark.parametrize("text", ["", "yesterday", "Thu, 99 Jan 2026 00:00:00 GMT"])
def test_no_date_says_nothing(text: str) -> None:
    assert clock_gap([("date", text)], NOON, NOON) is None
    assert clock_gap([], NOON, NOON) is None


def test_clocks_apart_are_a_finding_with_the_side() -> None:
    (ahead,) = compare_clocks("http://h", date(NOON + 5), NOON, NOON + 0.1)
    assert ahead.code == "host.clock_differs" and ahead.where == "http://h"
    assert "at least 4.9 s ahead of" in ahead.what
    (behind,) = compare_clocks("http://h", date(NOON - 5), NOON, NOON + 0.1)
    assert "at least 3.5 s behind" in behind.what
    assert compare_clocks("http://h", date(NOON), NOON + 2, NOON + 2.1) == []


def test_the_kernel_is_asked_without_a_change() -> None:
    """Only the code can be told: what the kernel says depends on the machine."""
    assert {finding.code for finding in kernel_clock()} <= {"host.clock_not_synchronised"}

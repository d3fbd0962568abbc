"""Checks how lines that were left out are counted and said."""

import pytest

from mirror.formats.access_log import tally as module
from mirror.formats.access_log.request import (
    NO_REQUEST,
    NO_TIME,
    UNKNOWN,
    BadLine,
    NotARequest,
)
from mirror.formats.access_log.tally import NotALog, Tally


def counted(lines: int, lost: int, others: int = 0) -> Tally:
    tally = Tally(lines=lines)
    for number in range(lost):
        tally.leave_out(f"a.log:{number + 1}", BadLine(UNKNOWN, f"is odd {number}"))
    for _ in range(others):
        tally.leave_out("a.log:9", NotARequest(NO_REQUEST, "none came"))
    return tally


def test_losses_are_counted_by_reason_and_the_first_shown() -> None:
    tally = counted(100, 6)
    tally.leave_out("a.log:80", BadLine(NO_TIME, "has no time"))
    said = tally.loss()
    assert said.startswith(
        "7 of 100 lines (7.0%) left out: 6 lines in no known format, 1 lines without a usable"
        " time; the first: a.log:1: is odd 0; a.log:2"
    )
    assert "a.log:6" not in said


def test_a_text_is_shown_once() -> None:
    tally = Tally(lines=9)
    for number, text in enumerate(["is odd"] * 6 + ["is cut"], start=1):
        tally.leave_out(f"a.log:{number}", BadLine(UNKNOWN, text))
    assert tally.loss().endswith("format; the first: a.log:1: is odd; a.log:7: is cut")
    tally.rejoin((UNKNOWN, UNKNOWN), (tally.shown[0], tally.shown[1]))
    assert tally.loss() == "5 of 8 lines (62.5%) left out: 5 lines in no known format"


def test_lines_that_are_no_request_are_no_loss() -> None:
    tally = counted(100, 0, others=60)
    assert (tally.lost_ratio, tally.loss()) == (0, "")
    assert tally.other_lines() == "60 lines without an HTTP request: no traffic is lost with them"
    # A loss is a share of the lines that should have been requests.
    assert counted(100, 10, others=60).lost_ratio == 0.25
    assert counted(5, 0, others=5).lost_ratio == 0


def test_logs_add_up() -> None:
    total = counted(10, 3)
    total.add(counted(20, 4, others=1))
    assert (total.lines, total.lost.total(), total.others.total()) == (30, 7, 1)
    assert len(total.shown) == 5


def test_two_halves_of_a_line_are_no_loss() -> None:
    tally = counted(10, 2)
    tally.rejoin((UNKNOWN, UNKNOWN), (tally.shown[0], tally.shown[1]))
    assert (tally.lines, tally.lost, tally.shown) == (9, {}, [])


def test_a_file_without_hope_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HOPELESS_LINES", 3)
    assert counted(6, 3).lost.total() == 3
    with pytest.raises(NotALog, match="3 of the first 5 lines are no requests"):
        counted(5, 3)


@pytest.mark.parametrize(
    ("durations", "is_wrong"),
    [
        ([120.0, 250.0, 3.0] * 10, True),
        ([61.5] * 11 + [0.25] * 10, True),
        ([61.5] * 10 + [0.25] * 10, False),
        ([120.0] * 19, False),
        ([0.12, 0.25, 3.001] * 10, False),
        ([0.0] * 30 + [1.0] * 9, False),
    ],
)
def test_milliseconds_are_no_seconds(durations: list[float], is_wrong: bool) -> None:
    tally = Tally()
    for duration_s in durations:
        tally.time(duration_s)
    assert ("--fields duration_ms=request_time" in tally.wrong_unit()) == is_wrong

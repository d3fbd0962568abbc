"""Checks that spans of time are read and shown in the same notation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.spans import read_span_s, show_span


@pytest.mark.parametrize(
    ("text", "span_s"),
    [
        *(("90", 90), ("60s", 60), ("1.5m", 90), ("2h", 7200), ("500ms", 0.5), ("7d", 604800)),
        *(("1h30m", 5400), ("1m.5s", 60.5), ("1d1h1m1s1ms", 90061.001)),
    ],
)
def test_spans(text: str, span_s: float) -> None:
    assert read_span_s(text) == span_s


def test_a_number_has_the_unit_of_its_key() -> None:
    assert read_span_s("2", 86400) == 2 * 86400
    assert read_span_s("2s", 86400) == 2


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "nan", "inf", "5 m", "5w", "1e9", "ms", "3661d", "0.1ms", "1h30", "5m\n", "١"],
)
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time span such as 500ms"):
        read_span_s(text)


@pytest.mark.parametrize(
    ("span_s", "shown"),
    [
        *((5, "5s"), (75, "1m15s"), (0.25, "250ms"), (1.5, "1.5s"), (3600, "1h"), (5400, "1h30m")),
        *((35 * 86400, "35d"), (86401, "1d1s"), (0, "0ms")),
    ],
)
def test_spans_are_shown(span_s: float, shown: str) -> None:
    assert show_span(span_s) == shown


@given(st.integers(1, 10**9))
def test_what_is_shown_is_read_back(milliseconds: int) -> None:
    # Six digits of the seconds are shown.
    span_s = milliseconds / 1000
    assert read_span_s(show_span(span_s)) == pytest.approx(span_s, abs=5e-4)

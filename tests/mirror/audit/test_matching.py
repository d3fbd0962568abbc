"""Checks what the ids of several logs prove."""

import pytest

from mirror.audit.ids import (
    CAPTURE,
    ENVOY,
    GATEWAY,
    IN_WINDOW,
    MARK_LOGGED,
    MARKED,
    PRODUCTION,
    Entry,
)
from mirror.audit.matching import MOST_EXAMPLES, Matched, match
from mirror.audit.reasons import DENIED, REASONS
from mirror.audit.window import Seconds, Window


def entry(source: int, at: float = 1010.0, **changes: int) -> Entry:
    values = {"flags": IN_WINDOW, "reason": 0, "file": 0, "status": 200} | changes
    return Entry(bytes(16), at, source, **values)


def matched(*entries: Entry, has_capture: bool = False) -> Matched:
    return match([list(entries)], Seconds(Window(1000, 1060)), has_capture)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([entry(PRODUCTION)], {"requests": 1}),
        ([entry(PRODUCTION, flags=0)], {}),
        ([entry(GATEWAY)], {}),
        ([entry(PRODUCTION), entry(GATEWAY)], {"requests": 1, "copy_logged": 1}),
        ([entry(PRODUCTION, flags=0), entry(GATEWAY)], {}),
        (
            [entry(PRODUCTION), entry(GATEWAY, flags=IN_WINDOW | MARK_LOGGED | MARKED)],
            {"requests": 1, "copy_logged": 1},
        ),
        (
            [entry(PRODUCTION), entry(GATEWAY, flags=IN_WINDOW | MARK_LOGGED)],
            {"requests": 1, "both_paths": 1},
        ),
        ([entry(PRODUCTION), entry(PRODUCTION)], {"requests": 1, "logged_twice": 1}),
        ([entry(PRODUCTION), entry(PRODUCTION, file=1)], {"requests": 1, "in_two_files": 1}),
        (
            [entry(PRODUCTION), entry(PRODUCTION), entry(PRODUCTION, file=1)],
            {"requests": 1, "logged_twice": 1, "in_two_files": 1},
        ),
        ([entry(PRODUCTION), entry(ENVOY), entry(ENVOY)], {"requests": 1, "arrived": 1}),
        (
            [entry(PRODUCTION), entry(ENVOY, flags=MARK_LOGGED | MARKED)],
            {"requests": 1, "arrived": 1},
        ),
        (
            [
                entry(PRODUCTION),
                entry(ENVOY, flags=MARK_LOGGED | MARKED),
                entry(ENVOY, flags=MARK_LOGGED),
            ],
            {"requests": 1, "arrived": 1, "past_sidecar": 1},
        ),
        (
            [entry(PRODUCTION), entry(CAPTURE), entry(CAPTURE)],
            {"requests": 1, "captured": 1, "seen_twice": 1},
        ),
        ([entry(CAPTURE)], {"seen_only": 1}),
        ([entry(CAPTURE, flags=0), entry(CAPTURE, flags=0)], {}),
    ],
)
def test_what_an_id_proves(entries: list[Entry], expected: dict[str, int]) -> None:
    assert matched(*entries).numbers == expected


def test_a_miss_has_the_reason_of_its_line() -> None:
    denied = entry(PRODUCTION, reason=REASONS.index(DENIED) + 1)
    assert matched(denied, has_capture=True).missing == {DENIED: 1}
    assert matched(entry(PRODUCTION), has_capture=True).missing == {"": 1}
    assert matched(entry(PRODUCTION), entry(CAPTURE), has_capture=True).missing == {}


def test_a_second_that_is_not_judged_misses_nothing() -> None:
    seconds = Seconds(Window(1000, 1060))
    seconds.leave_out(10, 11)
    assert match([[entry(PRODUCTION)]], seconds, has_capture=True).missing == {}


def test_examples_are_few_and_minutes_are_those_of_production() -> None:
    groups = [[entry(PRODUCTION), entry(GATEWAY, 1075.0)]] * 20
    found = match(groups, Seconds(Window(1000, 1060)), has_capture=False)
    assert len(found.examples["copy_logged"]) == MOST_EXAMPLES
    assert found.minutes[960]["copy_logged"] == 20
    assert found.later[GATEWAY] == [65.0] * 20

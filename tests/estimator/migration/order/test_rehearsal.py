import pytest

from estimator.migration.order.rehearsal import (
    Answers,
    answers_of,
    rehearsal_of,
    rehearsal_of_pairs,
)
from mirror.comparison.report.safety import Level, NewErrors


def test_the_worked_example() -> None:
    rehearsal = rehearsal_of({"2xx": 970, "5xx": 20, "timeout": 10}, Answers(1000, 10))
    assert rehearsal is not None
    assert rehearsal.new_error_ratio == pytest.approx(0.02)
    assert rehearsal.kinds == (("5xx", 20), ("timeout", 10))


@pytest.mark.parametrize(
    ("shadow", "production", "expected"),
    [
        # Two standard errors of 20 and 10 in 1,000 are 0.0109, of 22 and 10 they are 0.0112.
        ({"2xx": 980, "4xx": 20}, Answers(1000, 10), 0.0),
        ({"2xx": 978, "4xx": 22}, Answers(1000, 10), 0.012),
        # One error of a thousand is no finding, two of a thousand are, if they are not noise.
        ({"2xx": 999_000, "5xx": 1_000}, Answers(1_000_000, 0), 0.0),
        ({"2xx": 998_000, "5xx": 2_000}, Answers(1_000_000, 0), 0.002),
        # Production, too, answers 4xx; without its answers those are no errors of the new side.
        ({"2xx": 900, "4xx": 100}, None, 0.0),
        ({"2xx": 900, "5xx": 100}, None, 0.1),
        ({"2xx": 900, "connect_failed": 100}, None, 0.1),
        # What the sidecar cut or lost says nothing.
        ({"2xx": 900, "aborted": 50, "worker_lost": 50}, None, 0.0),
        # The new side is better.
        ({"2xx": 1000}, Answers(1000, 500), 0.0),
    ],
)
def test_new_errors(shadow: dict[str, int], production: Answers | None, expected: float) -> None:
    rehearsal = rehearsal_of(shadow, production)
    assert rehearsal is not None and rehearsal.new_error_ratio == pytest.approx(expected)


def test_without_an_answer_there_was_no_rehearsal() -> None:
    assert rehearsal_of({}, Answers(9, 0)) is None
    assert rehearsal_of({"aborted": 3}, None) is None


def test_production_by_the_legs_of_the_primary() -> None:
    legs = {"2xx": 90, "3xx": 5, "4xx": 2, "5xx": 1, "timeout": 1, "aborted": 7}
    assert answers_of(legs) == Answers(99, 4)
    assert answers_of({"aborted": 1}) is None


@pytest.mark.parametrize(
    ("compared", "expected"),
    [
        ({"same": 970, "size": 10, "route_miss": 12, "timeout": 8}, 0.02),
        # Both sides failed alone, and as often: noise of a common cause.
        ({"same": 940, "app_error": 32, "better": 28}, 0.0),
        # The noise of 36 and 4 is 0.0104.
        ({"same": 960, "app_error": 36, "better": 4}, 0.032),
        ({"same": 998, "app_error": 2}, 0.0),
        ({"same": 997, "app_error": 3}, 0.003),
        # A result of a newer sidecar must not hide.
        ({"same": 900, "sideways": 100}, 0.1),
    ],
)
def test_new_errors_of_pairs(compared: dict[str, int], expected: float) -> None:
    rehearsal = rehearsal_of_pairs(compared)
    assert rehearsal is not None and rehearsal.is_paired
    assert rehearsal.new_error_ratio == pytest.approx(expected)


def test_pairs_name_their_results() -> None:
    rehearsal = rehearsal_of_pairs({"same": 9, "timeout": 2, "route_miss": 5, "denied": 0})
    assert rehearsal is not None
    assert rehearsal.kinds == (("route_miss", 5), ("timeout", 2))
    assert rehearsal_of_pairs({}) is None


def test_what_compare_calls_not_safe_is_a_finding() -> None:
    for errors in range(40):
        for pairs in (3, 20, 300, 1000, 2000, 4000, 30_000):
            if NewErrors(errors, pairs).level is Level.UNSAFE and errors <= pairs:
                rehearsal = rehearsal_of_pairs({"same": pairs - errors, "route_miss": errors})
                assert rehearsal is not None and rehearsal.new_error_ratio > 0, (errors, pairs)

import math

import pytest

from mirror.comparison.report.bounds import lower_bound, pairs_needed, upper_bound


def exact(errors: int, share: float = 0.05) -> float:
    """Return the mean of a Poisson count that is at most `errors` in a share of the cases."""
    low, high = 0.0, 10.0 * errors + 10
    for _ in range(100):
        mean = (low + high) / 2
        terms = (
            math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(errors + 1)
        )
        low, high = (mean, high) if sum(terms) > share else (low, mean)
    return low


@pytest.mark.parametrize("errors", [0, 1, 2, 5, 20, 300])
def test_the_bound_is_that_of_a_poisson_count(errors: int) -> None:
    assert upper_bound(errors, 10_000) * 10_000 == pytest.approx(exact(errors), rel=0.004)


@pytest.mark.parametrize("errors", [3, 5, 20, 300])
def test_the_lower_bound_is_that_of_a_poisson_count(errors: int) -> None:
    least = exact(errors - 1, 0.95)
    assert lower_bound(errors, 10_000) * 10_000 == pytest.approx(least, rel=0.015)


def test_without_an_error_or_a_pair_the_lower_bound_is_zero() -> None:
    assert lower_bound(0, 9) == lower_bound(0, 0) == 0.0
    assert 0.0 < lower_bound(1, 1) <= lower_bound(2, 2) < 1.0


def test_the_worked_numbers() -> None:
    assert upper_bound(0, 3000) == pytest.approx(0.001, rel=0.002)
    assert upper_bound(1, 3000) == pytest.approx(0.00158, rel=0.003)
    assert pairs_needed(0, 0.001) == 2996


def test_no_pair_proves_nothing() -> None:
    assert upper_bound(0, 0) == upper_bound(0, 2) == 1.0


@pytest.mark.parametrize("errors", [0, 3, 40])
def test_the_pairs_needed_are_just_enough(errors: int) -> None:
    needed = pairs_needed(errors, 0.01)
    assert upper_bound(errors, needed) <= 0.01 < upper_bound(errors, needed - 1)

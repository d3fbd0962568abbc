from typing import Any

import pytest

from estimator.report.drift.meaning import evicted, is_same, is_share_same, is_too_small, of_count


@pytest.mark.parametrize(
    ("has", "wants", "tolerance", "same"),
    [
        ("1", "1000m", 0, True),
        (268435456, "256Mi", 0, True),
        ("0.100s", "0.1s", 0, True),
        ("970m", "960m", 0, False),
        ("970m", "960m", 0.1, True),
        ("1057m", "960m", 0.1, False),
        (9, 10, 0.1, True),
        (8, 10, 0.1, False),
        (None, None, 0.1, True),
        (None, "1", 0.5, False),
        ("1", None, 0.5, False),
        ("concurrency: 2", "concurrency: 1", 1, False),
        ([], "1", 1, False),
    ],
)
def test_amounts_are_the_same_by_value(has: Any, wants: Any, tolerance: float, same: bool) -> None:
    assert is_same(has, wants, tolerance) is same


def test_a_share_is_the_count_that_it_gives() -> None:
    assert is_share_same(2, "25%", (6, 8), rounds_up=True)
    assert not is_share_same(2, "25%", (6, 3), rounds_up=True)
    assert is_share_same(0, "25%", (3,), rounds_up=False)
    assert not is_share_same("x", "25%", (3,), rounds_up=False)


@pytest.mark.parametrize("value", ["-1", "1.5", "x%", "9999999999", "1" * 9999, None, True, {}])
def test_what_is_no_count_is_none(value: Any) -> None:
    assert of_count(value, 5, rounds_up=True) is None


def test_a_budget_lets_as_many_go_as_kubernetes_does() -> None:
    # minAvailable 50% of 7 keeps 4 (rounded up); maxUnavailable 30% of 7 lets 3 go.
    assert evicted({"minAvailable": "50%"}, 7) == 3
    assert evicted({"maxUnavailable": "30%"}, 7) == 3
    assert evicted({"minAvailable": 5}, 3) == 0
    assert evicted({}, 3) is None


@pytest.mark.parametrize(
    ("path", "has", "wants", "too_small"),
    [
        (("requests", "cpu"), "950m", "960m", True),
        (("requests", "cpu"), "970m", "960m", False),
        (("requests", "cpu"), None, "960m", True),
        (("limits", "cpu"), "1", None, True),
        (("limits", "memory"), None, "1Gi", False),
        (("spec", "averageUtilization"), 80, 60, True),
        (("spec", "averageUtilization"), 50, 60, False),
        (("rollingUpdate", "maxUnavailable"), "25%", "0%", True),
        (("rollingUpdate", "maxSurge"), "10%", "25%", False),
        (("scaleDown", "stabilizationWindowSeconds"), 60, 300, False),
        (("annotations", "proxy.istio.io/config"), "concurrency: 1", "concurrency: 2", True),
        (("spec", "maxReplicas"), 5, 9, True),
    ],
)
def test_too_small_is_less_capacity(
    path: tuple[str, ...], has: Any, wants: Any, too_small: bool
) -> None:
    assert is_too_small(path, has, wants) is too_small

"""Whether two values mean the same, and whether the existing one is too small.

Amounts are compared as what they measure (`1` is `1000m`), shares of a replica count as the counts
that they give. A tolerance is a share of the wanted amount: within it, an amount is the same. `Too
small` is what gives less capacity, or less of what protects it, than the projection wants. This
module compares numbers of manifests and computes none of the projection.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from estimator import units

_FEWER_IS_BETTER = ("averageUtilization", "maxUnavailable")
_NO_SIZE = ("maxSurge", "stabilizationWindowSeconds", "fill_interval")
"""More or less of these is no more or less capacity."""


def is_same(has: Any, wants: Any, tolerance: float = 0.0) -> bool:
    """Say whether two values are the same amount, within the tolerance, or the same words."""
    if has is None or wants is None:
        return has is wants
    if str(has) == str(wants):
        return True
    pair = _amounts(has, wants)
    return pair is not None and abs(pair[0] - pair[1]) <= tolerance * abs(pair[1])


def is_share_same(has: Any, wants: Any, counts: Sequence[int], rounds_up: bool) -> bool:
    """Say whether `25%` or `2` means the same at each of these replica counts."""
    return all(
        (given := of_count(has, count, rounds_up)) is not None
        and given == of_count(wants, count, rounds_up)
        for count in counts
    )


def of_count(value: Any, count: int, rounds_up: bool) -> int | None:
    """Return how many of `count` replicas `25%` or `2` are; None if it is neither."""
    words = str(value)
    if words.endswith("%") and words[:-1].isdecimal() and len(words) <= 6:
        share = int(words[:-1]) * count
        return -(-share // 100) if rounds_up else share // 100
    return int(words) if words.isdecimal() and len(words) <= 9 else None


def evicted(budget: Mapping[str, Any], count: int) -> int | None:
    """Return how many of `count` pods a disruption budget lets go at once; None without a rule.

    Kubernetes rounds both kinds of percentages up.
    """
    if (most := budget.get("maxUnavailable")) is not None:
        return of_count(most, count, rounds_up=True)
    fewest = of_count(budget.get("minAvailable"), count, rounds_up=True)
    return None if fewest is None else max(0, count - fewest)


def is_too_small(path: tuple[str, ...], has: Any, wants: Any) -> bool:
    """Say whether the existing value of a field gives less than is wanted."""
    name = path[-1]
    is_limit = "limits" in path or name.endswith("Limit")
    if name in _NO_SIZE or "scaleDown" in path:
        return False
    if wants is None:
        # A limit where none should be.
        return is_limit
    if has is None:
        return not is_limit
    pair = _amounts(has, wants)
    if pair is None:
        # Words of an unknown meaning: nobody can say that they give enough.
        return True
    return pair[0] > pair[1] if name in _FEWER_IS_BETTER else pair[0] < pair[1]


def _amounts(has: Any, wants: Any) -> tuple[float, float] | None:
    """Return both as amounts of one kind; None if they are none."""
    for parse in (units.parse_cpu, units.parse_memory, _seconds, _percent):
        first, second = _parsed(parse, has), _parsed(parse, wants)
        if first is not None and second is not None:
            return first, second
    return None


def _parsed(parse: Callable[[Any], float], value: Any) -> float | None:
    try:
        return float(parse(value))
    except ValueError:
        return None


def _seconds(value: Any) -> float:
    """Return seconds: Envoy accepts `0.1s` and `0.100s` for the same duration."""
    words = str(value)
    return float(words.removesuffix("s") if words.endswith("s") else "")


def _percent(value: Any) -> float:
    words = str(value)
    return float(words.removesuffix("%") if words.endswith("%") else "")

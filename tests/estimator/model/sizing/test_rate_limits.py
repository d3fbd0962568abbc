import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.model.sizing.rate_limits import Downstream, LimitBounds, rate_limits


def test_worked_limits_of_the_docstring() -> None:
    found = rate_limits(LimitBounds(300, 350, "latency", 10), ())
    assert found.local.value == 350
    assert found.local.constraint == "latency"
    assert found.envoy_tokens_per_fill.value == 350
    assert found.envoy_fill_interval.value == 1
    assert found.envoy_max_tokens.value == 407
    assert (found.nginx_rate.value, found.nginx_burst.value) == (350, 57)


def test_what_a_replica_can_take_is_not_rejected() -> None:
    found = rate_limits(LimitBounds(300, 402.7, "range", 10), ())
    assert found.envoy_tokens_per_fill.value == found.nginx_rate.value == 403
    assert "by which the simulation judges; the HPA adds replicas at 300" in found.local.reason


def test_pods_alone_decide_where_nothing_else_is_known() -> None:
    found = rate_limits(LimitBounds(300, 400, "range", 10), ())
    assert found.global_limit is not None
    assert (found.global_limit.value, found.global_limit.constraint) == (4000, "pods")
    assert "not known" in found.notes[0]


def test_weakest_downstream_decides() -> None:
    services = (Downstream("database", 900), Downstream("search", 2000))
    found = rate_limits(LimitBounds(300, 400, "range", 10), services)
    assert found.global_limit is not None
    assert (found.global_limit.value, found.global_limit.constraint) == (900, "database")
    assert "the bottleneck is database" in found.notes[0]


def test_strong_downstream_says_nothing() -> None:
    found = rate_limits(LimitBounds(300, 400, "range", 10), (Downstream("cache", 90_000),))
    assert found.global_limit is not None
    assert (found.global_limit.constraint, found.notes) == ("pods", ())


def test_no_room_is_said() -> None:
    found = rate_limits(LimitBounds(420, 400, "range", 3), (Downstream("cache", 90_000),))
    assert found.local.value == 400
    assert found.notes[0].startswith("no room: the HPA adds replicas at 420 rps")


@given(st.floats(0.5, 1e5), st.floats(0.5, 1e5), st.integers(1, 500))
def test_limits_are_what_a_replica_can_take_in_whole_requests(
    a: float, b: float, replicas: int
) -> None:
    trigger, limit = sorted((a, b))
    found = rate_limits(LimitBounds(trigger, limit, "range", replicas), ())
    assert found.local.value == limit
    for rate in (found.envoy_tokens_per_fill.value, found.nginx_rate.value):
        assert limit * (1 - 1e-9) <= rate < limit + 1
    assert found.envoy_max_tokens.value >= found.envoy_tokens_per_fill.value


@pytest.mark.parametrize("rate", [1, 10, 350])
def test_scattered_second_is_let_through(rate: int) -> None:
    found = rate_limits(LimitBounds(rate, rate, "range", 1), ())
    assert found.envoy_max_tokens.value >= rate + 3 * rate**0.5

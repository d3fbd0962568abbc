import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.model.queueing import (
    general_wait_s,
    in_system,
    mean_wait_s,
    wait_quantile_s,
    waiting_probability,
)


def test_worked_number_of_the_docstring() -> None:
    assert waiting_probability(2, 3) == pytest.approx(4 / 9)
    assert mean_wait_s(2, 1, 3) == pytest.approx(4 / 9)


def test_published_erlang_c() -> None:
    # 200 calls an hour of 3 minutes each at 11 agents: 10 erlang, C = 0.6821.
    assert waiting_probability(10, 11) == pytest.approx(0.6821, abs=1e-4)


@pytest.mark.parametrize("rho", [0.1, 0.5, 0.95])
def test_one_server_is_mm1(rho: float) -> None:
    assert waiting_probability(rho, 1) == pytest.approx(rho)
    assert general_wait_s(rho, 0.01, 1, 1) == pytest.approx(0.01 * rho / (1 - rho))


def test_general_wait_is_near_the_exact_one() -> None:
    exact = mean_wait_s(320, 0.01, 4)
    assert general_wait_s(0.8, 0.01, 4, 1) == pytest.approx(exact, rel=0.04)


def test_littles_law_counts_the_waiting() -> None:
    assert in_system(100, 0.05) == 5


@pytest.mark.parametrize("wait", [mean_wait_s(100, 0.01, 1), general_wait_s(1, 0.01, 1, 1)])
def test_saturation_waits_for_ever(wait: float) -> None:
    assert math.isinf(wait)
    assert waiting_probability(5, 4) == 1


def test_few_wait_then_the_quantile_is_zero() -> None:
    assert wait_quantile_s(10, 0.01, 4, 0.99) == 0


@given(st.floats(1, 390), st.floats(0.5, 0.999))
def test_quantile_undoes_the_tail(rate: float, share: float) -> None:
    wait = wait_quantile_s(rate, 0.01, 4, share)
    load = rate * 0.01
    tail = waiting_probability(load, 4) * math.exp(-(4 - load) * wait / 0.01)
    assert tail == pytest.approx(1 - share) or (wait == 0 and tail <= 1 - share)


@given(st.integers(1, 30), st.floats(0.01, 0.99))
def test_pooled_servers_wait_less(servers: int, rho: float) -> None:
    apart = waiting_probability(rho * servers, servers)
    together = waiting_probability(rho * (servers + 1), servers + 1)
    assert together <= apart + 1e-12

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.model.evidence.queueing import Queue


def test_worked_number_of_the_docstring() -> None:
    assert Queue(2, 1, 3).waiting_probability == pytest.approx(4 / 9)


def test_published_erlang_c() -> None:
    # 200 calls an hour of 3 minutes each are 10 erlang; with 11 agents C = 0.6821.
    calls = Queue(200 / 3600, 180, 11)
    assert calls.load == pytest.approx(10)
    assert calls.waiting_probability == pytest.approx(0.6821, abs=1e-4)


@pytest.mark.parametrize("rho", [0.1, 0.5, 0.95])
def test_one_server_is_mm1(rho: float) -> None:
    queue = Queue(rho * 100, 0.01, 1)
    assert queue.waiting_probability == pytest.approx(rho)
    assert queue.utilisation == pytest.approx(rho)


def test_saturation_waits_for_ever() -> None:
    full = Queue(100, 0.01, 1)
    assert full.waiting_probability == 1
    assert math.isinf(full.wait_quantile_s(0.99))


def test_few_wait_then_the_quantile_is_zero() -> None:
    assert Queue(10, 0.01, 4).wait_quantile_s(0.99) == 0


@given(st.floats(1, 390), st.floats(0.5, 0.999))
def test_quantile_undoes_the_tail(rate: float, share: float) -> None:
    queue = Queue(rate, 0.01, 4)
    wait = queue.wait_quantile_s(share)
    tail = queue.waiting_probability * math.exp(-(4 - queue.load) * wait / 0.01)
    assert tail == pytest.approx(1 - share) or (wait == 0 and tail <= 1 - share)


@given(st.integers(1, 30), st.floats(0.01, 0.99))
def test_pooled_servers_wait_less(servers: int, rho: float) -> None:
    apart = Queue(rho * servers, 1, servers).waiting_probability
    together = Queue(rho * (servers + 1), 1, servers + 1).waiting_probability
    assert together <= apart + 1e-12

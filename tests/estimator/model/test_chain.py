import numpy as np
import pytest

from estimator.model.chain import assumptions, policies
from estimator.model.policy import Policy
from estimator.table.load_points import Component, Kind, LoadPoint, Resources


def hop(name: str, kind: Kind, *p99_ms: float | None) -> Component:
    points = tuple(
        LoadPoint(n, 1, 100.0 * n, {"app": Resources(100.0 * n, 1)}, p99_ms=p99)
        for n, p99 in enumerate(p99_ms, start=1)
    )
    return Component(name, kind, ("*",), {"app": Resources(1000, 1)}, points)


GATEWAY = hop("gateway", Kind.GATEWAY, 4.2, 6.9, 11.8)
WATCH = hop("watch", Kind.POD, 31, 37, 55)
API = hop("api", Kind.POD, 14, 29)


def shares(*components: Component, phase: int = 3) -> dict[str, float | None]:
    found = policies(components, Policy(slo_p99_ms=60, phase=phase))
    return {name: policy.slo_p99_ms for name, policy in found.items()}


def test_worked_shares_of_the_docstring() -> None:
    found = shares(GATEWAY, WATCH)
    assert found["gateway"] == pytest.approx(7.16, abs=0.01)
    assert found["watch"] == pytest.approx(52.84, abs=0.01)


def test_no_chain_of_shares_is_above_the_objective() -> None:
    slow = hop("slow gateway", Kind.GATEWAY, 9.0)
    found = shares(GATEWAY, slow, WATCH, API)
    for gateway in ("gateway", "slow gateway"):
        for pod in ("watch", "api"):
            assert (found[gateway] or 0) + (found[pod] or 0) <= 60 * (1 + 1e-9)


@pytest.mark.parametrize("hops", [(GATEWAY,), (WATCH, API), (GATEWAY, hop("x", Kind.POD, None))])
def test_a_single_hop_has_the_whole_objective(hops: tuple[Component, ...]) -> None:
    assert set(shares(*hops).values()) == {60}


def test_phase_2_knows_no_pods() -> None:
    assert shares(GATEWAY, WATCH, phase=2) == {"gateway": 60, "watch": 60}


def test_shares_are_said() -> None:
    (first, second) = assumptions([GATEWAY, WATCH], Policy(slo_p99_ms=60))
    assert (first.name, first.value) == ("p99 of gateway", "7.159 ms of 60 ms")
    assert second.value == "52.84 ms of 60 ms"
    assert list(assumptions([GATEWAY, WATCH], Policy())) == []


@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.5])
def test_the_sum_of_p99s_is_enough_for_independent_hops(sigma: float) -> None:
    draw = np.random.default_rng(1)
    first, second = (draw.lognormal(0, sigma, 200_000) for _ in range(2))
    of_sum = np.quantile(first + second, 0.99)
    added = np.quantile(first, 0.99) + np.quantile(second, 0.99)
    assert 0.1 < 1 - of_sum / added < 0.3
    together = np.quantile(np.sort(first) + np.sort(second), 0.99)
    assert together == pytest.approx(added, rel=1e-3)

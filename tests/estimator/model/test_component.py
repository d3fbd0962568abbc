import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator.errors import Refused
from estimator.model.component import ComponentProjection, project_component
from estimator.model.demand.scenario import Observed
from estimator.model.evidence.evidence import gather
from estimator.model.figure import Figure, Flag
from estimator.model.policy import Policy
from estimator.model.sizing.rate_limits import Downstream
from estimator.table.load_points import Component, Kind, LoadPoint, Resources

MIB = 2**20


def component(kind: Kind = Kind.GATEWAY, rows: int = 4) -> Component:
    points = tuple(
        LoadPoint(
            n,
            4,
            400.0 * n,
            {"istio-proxy": Resources(80.0 * n, 90 * MIB), "nginx": Resources(10.0 * n, 9 * MIB)},
        )
        for n in range(1, rows + 1)
    )
    requests = {"istio-proxy": Resources(600, 256 * MIB), "nginx": Resources(100, 64 * MIB)}
    return Component("gateway", kind, ("*",), requests, points)


def observed(peak: float = 1500) -> Observed:
    demand = peak / 2 + peak / 2 * np.sin(np.linspace(0, 2 * np.pi, 5760))
    return Observed("all routes", demand, 0, 15, 1, float(demand.max()), 0)


def answer(
    seen: Observed, component: Component, policy: Policy, *downstreams: Downstream
) -> ComponentProjection:
    return project_component(seen, gather(component, policy), policy, downstreams)


def projected(peak: float = 1500, rows: int = 4, **policy: object) -> ComponentProjection:
    return answer(observed(peak), component(rows=rows), Policy(**policy))


def test_every_part_is_answered() -> None:
    found = projected()
    for part in (found.demand, found.rollout, found.hpa, found.simulation, found.rate_limits):
        assert part is not None
    assert [curve.quantity for curve in found.curves] == ["cpu of istio-proxy", "cpu of nginx"]
    assert found.performance_limit is not None
    assert found.performance_limit.constraint == "range"
    assert found.workers is not None and found.workers.value == 1


def test_local_limit_is_what_the_simulation_judges_by() -> None:
    # A jump that the HPA survives at a share between its trigger and what a replica takes.
    demand = np.where((np.arange(5760) > 2000) & (np.arange(5760) < 2200), 1500.0, 300.0)
    seen = Observed("all routes", demand, 0, 15, 1, 1500.0, 0)
    found = answer(seen, component(), Policy())
    assert found.hpa is not None and found.rate_limits is not None
    assert found.simulation is not None and found.performance_limit is not None
    local = found.rate_limits.local.value
    assert found.hpa.trigger_rps.value < local <= found.performance_limit.value
    assert found.simulation.saturated.value == 0
    assert found.simulation.rejected.value == 0


def test_hpa_stays_within_the_sized_replicas() -> None:
    found = projected()
    assert found.hpa is not None
    assert found.hpa.max_replicas.value == found.replicas.value
    assert found.hpa.survives


def test_simulated_demand_is_the_one_sized_for() -> None:
    found = projected(event_factor=2.5)
    assert found.simulation is not None
    plain = projected().simulation
    assert plain is not None
    assert found.simulation.highest_replicas.value == 2 * plain.highest_replicas.value
    assert found.peak.value == pytest.approx(2.5 * 1500, rel=1e-3)
    # The plot shows the observed demand unchanged.
    assert found.demand_plot is not None
    assert found.demand_plot.highest_rps.max() == pytest.approx(1500, rel=1e-3)


def test_limits_hold_all_containers_and_their_requests() -> None:
    for container in projected().containers.values():
        assert container.memory_limit is not None
        assert container.memory_limit.value >= 1.5 * container.memory_request.value
        assert (
            container.cpu_limit is None or container.cpu_limit.value >= container.cpu_request.value
        )


def test_rollout_never_serves_with_too_few() -> None:
    rollout = projected(zones=3, max_unavailable_ratio=0.25).rollout
    assert rollout is not None
    assert rollout.update_lowest.value >= rollout.serving.value
    assert rollout.after_zone_loss.value >= rollout.serving.value
    assert rollout.after_pod_loss.value >= rollout.serving.value
    assert rollout.update_highest.value > projected().replicas.value


def test_downstream_bounds_the_global_limit() -> None:
    found = answer(observed(), component(), Policy(), Downstream("pods of api", 123))
    assert found.rate_limits is not None and found.rate_limits.global_limit is not None
    assert found.rate_limits.global_limit.value == 123
    bounded = projected(downstream_rps=(("gateway", 99.0), ("other", 1.0)))
    assert bounded.rate_limits is not None and bounded.rate_limits.global_limit is not None
    assert bounded.rate_limits.global_limit.value == 99


def test_doubt_is_flagged_wherever_it_reaches() -> None:
    found = projected(rows=2, peak=5000)
    assert {Flag.SCALED_LINEARLY, Flag.NO_INTERVAL} <= set(found.replicas.flags)
    assert set(found.total.cpu_request.flags) == set(found.replicas.flags)
    assert any("has no interval" in warning for warning in found.warnings)


def test_worker_that_queues_beyond_the_objective_is_a_warning() -> None:
    points = tuple(
        LoadPoint(n, 1, 300.0 * n, {"istio-proxy": Resources(290.0 * n, MIB)}, p99_ms=float(n))
        for n in (1, 2, 3)
    )
    proxy = {"istio-proxy": Resources(4000, MIB)}
    narrow = Component("gateway", Kind.GATEWAY, ("*",), proxy, points)
    busy = Policy(workers=1, slo_p99_ms=2.9, target_utilisation=1.0, lose_pods=0)
    (warning,) = (
        one for one in answer(observed(3000), narrow, busy).warnings if "Envoy worker" in one
    )
    assert "of the 1 Envoy worker(s)" in warning
    wide = Policy(workers=4, slo_p99_ms=2.9, target_utilisation=1.0, lose_pods=0)
    found = answer(observed(3000), narrow, wide)
    assert not any("Envoy worker" in one for one in found.warnings)


def test_hpa_that_does_not_survive_is_a_warning() -> None:
    demand = np.concatenate([np.full(4000, 50.0), np.full(1000, 3000.0)])
    jump = Observed("all routes", demand, 0, 15, 1, 3000.0, 60_000)
    found = answer(jump, component(), Policy(hpa_max=6))
    assert found.hpa is not None and not found.hpa.survives
    assert any("does not survive its series" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("policy", "open_question"),
    [({}, "latency"), ({}, "number of connections"), ({"peak_connections": 100.0}, "latency")],
)
def test_what_is_not_covered_is_said(policy: dict[str, float], open_question: str) -> None:
    assert open_question in projected(**policy).not_covered
    assert ("number of connections" in projected(**policy).not_covered) == (not policy)


ROWS = st.lists(
    st.tuples(st.integers(1, 8), st.floats(0, 2000), st.floats(0, 5000), st.floats(0, 300)),
    min_size=1,
    max_size=8,
)
POLICIES = st.builds(
    Policy,
    target_utilisation=st.floats(0.05, 1),
    slo_p99_ms=st.none() | st.floats(1, 600),
    workers=st.none() | st.integers(1, 4),
    event_factor=st.floats(0.1, 10),
    imbalance=st.floats(1, 2),
    lose_pods=st.integers(0, 3),
    zones=st.integers(1, 4),
    max_unavailable_ratio=st.sampled_from([0.0, 0.25]),
    pod_start_s=st.sampled_from([0.0, 60.0, 900.0]),
    hpa_max=st.none() | st.integers(1, 30),
)


def figures(of: object) -> Iterator[Figure]:
    """Yield every figure of a projection at any depth."""
    if isinstance(of, Figure):
        yield of
    elif is_dataclass(of):
        for field in fields(of):
            yield from figures(getattr(of, field.name))
    elif isinstance(of, dict | tuple):
        for part in of.values() if isinstance(of, dict) else of:
            yield from figures(part)


@settings(max_examples=150)
@given(ROWS, POLICIES, st.lists(st.floats(0.01, 5000), min_size=1, max_size=80))
def test_any_table_is_answered_soundly_or_refused(
    rows: list[tuple[int, float, float, float]], policy: Policy, rps: list[float]
) -> None:
    points = tuple(
        LoadPoint(n, count, x * count, {"istio-proxy": Resources(cpu, MIB)}, p99_ms=p99)
        for n, (count, x, cpu, p99) in enumerate(rows, start=1)
    )
    requests = {"istio-proxy": Resources(500, MIB)}
    gateway = Component("gateway", Kind.GATEWAY, ("*",), requests, points)
    demand = np.repeat(rps, 20)
    seen = Observed("all", demand, 0, 15, 15, float(demand.max()), int(demand.argmax()) * 15)
    try:
        found = answer(seen, gateway, policy)
    except Refused as refused:
        assert all(refusal.reason and refusal.advice for refusal in refused.refusals)
        return
    for figure in figures(found):
        assert math.isfinite(figure.value), figure
        assert figure.low is None or figure.low <= figure.value * (1 + 1e-9), figure
        assert figure.high is None or figure.high >= figure.value * (1 - 1e-9), figure
    if found.hpa is None:
        assert found.no_hpa and found.simulation is None
        return
    assert found.hpa.min_replicas.value <= found.hpa.max_replicas.value
    # Only a quota can limit an HPA to too few replicas.
    assert found.hpa.survives or policy.hpa_max is not None

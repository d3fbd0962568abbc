import numpy as np
import pytest

from estimator.model.demand.scenario import Observed, demand_of
from estimator.model.evidence.evidence import gather
from estimator.model.phases import ComponentDemand, Moved, kinds_of, project_path, project_phase
from estimator.model.policy import Policy
from estimator.table.load_points import Component, Kind, LoadPoint, Resources

MIB = 2**20
PLAIN = Policy(imbalance=1, lose_pods=0, min_replicas=1)


def component(name: str, kind: Kind, step: float = 100) -> Component:
    points = tuple(
        LoadPoint(n, 9, 9 * step * n, {"app": Resources(100.0 * n, 100 * MIB)})
        for n in (1, 2, 3, 4)
    )
    return Component(name, kind, ("*",), {"app": Resources(500, 256 * MIB)}, points)


def observed(peak: float) -> Observed:
    return Observed("the paths", np.full(100, peak), 0, 1, 1, peak, 0)


def moved(peak: float, policy: Policy = PLAIN, step: float = 100) -> Moved:
    parts = [
        ComponentDemand(
            gather(component(name, kind, step), policy), demand_of(observed(peak), policy)
        )
        for name, kind in (("gateway", Kind.GATEWAY), ("api", Kind.POD))
    ]
    return Moved(("/a",), demand_of(observed(peak), policy), tuple(parts))


def test_phase_two_needs_gateways_only() -> None:
    found = project_phase(2, moved(1000), PLAIN)
    assert list(found.replicas) == ["gateway"]
    assert kinds_of(2) == (Kind.GATEWAY,)


def test_phase_three_needs_both() -> None:
    two, three = (project_phase(phase, moved(1000), PLAIN) for phase in (2, 3))
    assert set(three.replicas) == {"gateway", "api"}
    assert three.cpu_request.value == 2 * two.cpu_request.value
    assert three.memory_request.value == 2 * two.memory_request.value
    assert two.peak.value == 1000


def test_growth_reaches_every_phase() -> None:
    now = project_phase(3, moved(1000), PLAIN)
    policy = Policy(imbalance=1, lose_pods=0, min_replicas=1, event_factor=2.5)
    later = project_phase(3, moved(1000, policy), policy)
    assert later.peak.value == 2500
    assert later.replicas["api"].value > 2 * now.replicas["api"].value


def test_what_cannot_be_answered_is_named_and_the_rest_answered() -> None:
    policy = Policy(imbalance=1, lose_pods=0, min_replicas=1, hpa_max=2)
    found = project_phase(3, moved(5000, policy, step=10), policy)
    assert found.replicas == {}
    assert [refused.split(":")[0] for refused in found.refused] == ["gateway", "api"]
    assert found.cpu_request.value == 0


def test_path_has_both_phases() -> None:
    path = project_path(moved(700), PLAIN)
    assert path.path == "/a"
    assert [phase.phase for phase in path.phases] == [2, 3]
    assert path.peak.value == pytest.approx(700)

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.table.load_points import Component, Kind, LoadPoint, Resources
from estimator.table.plausibility import slips

MIB = 2**20


def component(cpu: float = 100, memory: int = 100 * MIB, **last: object) -> Component:
    """Return three rows, all but the last of which are sound."""
    usage: Mapping[str, Resources] = {"app": Resources(100, 100 * MIB)}
    points = [LoadPoint(n, 1, 100 * n, usage) for n in (1, 2)]
    points.append(LoadPoint(3, 1, 300, {"app": Resources(cpu, memory)}, **last))
    return Component("api", Kind.POD, ("*",), {"app": Resources(500, 256 * MIB)}, tuple(points))


def test_sound_values_are_no_slips() -> None:
    assert list(slips(component(16_000, 50 * MIB, p99_ms=0.1, cpu_limit_millicores={}))) == []
    assert list(slips(Component("api", Kind.POD, ("*",), {"app": Resources(1, 1)}, ()))) == []


def test_p99_in_seconds_is_named() -> None:
    (slip,) = slips(component(p99_ms=0.031))
    assert slip == (
        "p99_ms is 0.031 in row 3, below 0.1 ms, which no answer through a proxy takes: is it in"
        " seconds?"
    )


def test_millicores_without_a_unit_are_named() -> None:
    (slip,) = slips(component(100_000))
    assert slip == "app used 100 cores in row 3: if millicores were meant, write 100m"


def test_limit_below_its_request_is_named() -> None:
    (slip,) = slips(component(cpu_limit_millicores={"app": 400.0}))
    assert slip.startswith("the cpu_limit of app is 400m in row 3, below its request of 500m")
    assert list(slips(component(cpu_limit_millicores={"app": 500.0}))) == []


def test_memory_of_another_unit_is_named() -> None:
    (slip,) = slips(component(memory=49 * MIB))
    assert "app used 49Mi of memory in row 3, less than half of the 100Mi at the least" in slip


def test_request_below_the_idle_memory_is_named() -> None:
    rows = component().points
    small = Component("api", Kind.POD, ("*",), {"app": Resources(500, 99 * MIB)}, rows)
    (slip,) = slips(small)
    assert slip.startswith("the memory request of app, 99Mi, is below the 100Mi that it takes")


@given(st.lists(st.floats(0.1, 99), min_size=3, max_size=3, unique=True))
def test_any_latency_in_seconds_of_a_usual_service_is_flagged(latencies: list[float]) -> None:
    # Usual is from 0.1 ms to 99 ms; what is slower may be a fast one.
    (slip,) = slips(component(p99_ms=min(latencies) / 1000))
    assert slip.endswith("is it in seconds?")


@pytest.mark.parametrize("memory", [50 * MIB, 100 * MIB, 400 * MIB])
def test_memory_may_follow_rps(memory: int) -> None:
    assert list(slips(component(memory=memory))) == []

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.errors import Refused
from estimator.model.sizing import Policy, Sizing, size
from estimator.table.load_points import Component, Kind, LoadPoint, Resources

MIB = 2**20


def row(number: int, replicas: int, rps: float, cpu: float, memory_mib: int = 100) -> LoadPoint:
    return LoadPoint(number, replicas, rps, {"app": Resources(cpu, memory_mib * MIB)})


def component(*points: LoadPoint, request: float = 500) -> Component:
    return Component("api", Kind.POD, ("*",), {"app": Resources(request, 256 * MIB)}, points)


# rps per replica 100, 300, 500 with as many millicores.
LINE = component(
    row(1, 2, 200, 100, 180), row(2, 2, 600, 300, 150), row(3, 4, 2000, 500, 160), request=500
)


def refusal(peak: float, of: Component) -> str:
    with pytest.raises(Refused) as caught:
        size(peak, of, Policy())
    return str(caught.value)


def test_worked_number_of_the_docstring() -> None:
    sizing = size(1000, LINE, Policy())
    assert sizing.replicas == 4
    assert sizing.capacity_rps == pytest.approx(300)
    assert sizing.rps_per_replica == 250
    assert sizing.usage["app"].cpu_millicores == pytest.approx(250)


def test_cpu_decides_with_its_reason() -> None:
    decided_by = size(1000, LINE, Policy()).decided_by
    assert decided_by.name == "cpu of app"
    assert decided_by.reason == (
        "0.6 of the 500m request of app, 300m, is reached at 300 rps; 1,000 rps need 4 replica(s)"
    )


def test_range_decides_where_cpu_is_cheap() -> None:
    cheap = component(row(1, 1, 100, 10), row(2, 2, 400, 20))
    sizing = size(400, cheap, Policy(min_replicas=1))
    assert (sizing.replicas, sizing.capacity_rps) == (2, 200)
    # Cpu asks for two as well, because its curve ends there: it is the first of equals.
    assert "is not reached in any row used" in sizing.decided_by.reason


def test_min_replicas_decide_at_little_traffic() -> None:
    sizing = size(5, LINE, Policy(min_replicas=3))
    assert (sizing.replicas, sizing.decided_by.name) == (3, "min replicas")


def test_traffic_is_named_before_the_minimum() -> None:
    assert size(600, LINE, Policy(min_replicas=2)).decided_by.name == "cpu of app"


def test_below_the_range_the_smallest_row_is_taken() -> None:
    sizing = size(10, LINE, Policy())
    assert sizing.is_below_range
    assert sizing.usage["app"].cpu_millicores == 100
    assert sizing.nearest_rows == (1,)


def test_memory_is_the_maximum_and_not_of_the_peak_row() -> None:
    assert size(1900, LINE, Policy()).usage["app"].memory_bytes == 180 * MIB


def test_nearest_rows_enclose_the_answer() -> None:
    sizing = size(1000, LINE, Policy())
    assert sizing.nearest_rows == (1, 2)
    assert not sizing.is_below_range


def test_hungriest_container_decides() -> None:
    points = tuple(
        LoadPoint(n, 1, rps, {"app": Resources(rps, 1), "proxy": Resources(rps / 2, 1)})
        for n, rps in enumerate((100.0, 300.0, 600.0), start=1)
    )
    requests = {"app": Resources(1000, 1), "proxy": Resources(250, 1)}
    both = Component("api", Kind.GATEWAY, ("*",), requests, points)
    sizing = size(600, both, Policy())
    assert sizing.decided_by.name == "cpu of proxy"
    assert sizing.replicas == 2


def test_peak_outside_the_table_is_refused() -> None:
    message = refusal(2000.1, LINE)
    assert "api: its peak of 2,000.1 rps is outside the table" in message
    assert "row 3, was measured at 2,000 rps over 4 replica(s)" in message


def test_peak_at_the_edge_is_answered() -> None:
    assert size(2000, LINE, Policy()).replicas == 7


def test_row_with_errors_does_not_widen_the_table() -> None:
    failing = replace(row(4, 4, 4000, 900), error_ratio=0.2)
    assert "outside the table" in refusal(3000, replace(LINE, points=(*LINE.points, failing)))


def test_component_without_rows_is_refused() -> None:
    assert refusal(1, component()) == (
        "api: has no rows in the table. Measure it under load and add rows to its points"
    )


def test_component_with_failing_rows_only_is_refused() -> None:
    failing = replace(row(1, 1, 100, 10), error_ratio=0.5)
    assert "row 1: error_ratio 0.5 is above 0.01" in refusal(1, component(failing))


def test_smallest_row_beyond_the_target_is_refused() -> None:
    message = refusal(100, component(row(1, 1, 100, 301)))
    assert "300m, is exceeded already in the smallest row, at 100 rps per replica: 301m" in message


def test_idle_row_is_an_anchor() -> None:
    idle = component(row(1, 1, 0, 20), row(2, 1, 100, 120))
    assert size(50, idle, Policy(min_replicas=1)).usage["app"].cpu_millicores == pytest.approx(70)


PEAKS = st.floats(0.001, 2000)
TARGETS = st.floats(0.21, 1)
LADDERS = st.lists(
    st.tuples(st.integers(1, 9), st.floats(1, 5000), st.floats(0.1, 90)), min_size=1, max_size=8
).map(lambda rows: component(*(row(n, *each) for n, each in enumerate(rows, start=1))))


def cpu_share(sizing: Sizing) -> float:
    return sizing.usage["app"].cpu_millicores / 500


@given(LADDERS, st.floats(0.0001, 1), st.floats(0.0001, 1))
def test_more_load_never_fewer_replicas(ladder: Component, a: float, b: float) -> None:
    largest = max(point.rps for point in ladder.points)
    less, more = (size(largest * share, ladder, Policy()) for share in sorted((a, b)))
    assert less.replicas <= more.replicas


@given(PEAKS, TARGETS, TARGETS)
def test_tighter_target_never_fewer_replicas(peak: float, a: float, b: float) -> None:
    tight, loose = (size(peak, LINE, Policy(target_utilisation=t)) for t in sorted((a, b)))
    assert tight.replicas >= loose.replicas


@given(LADDERS, st.floats(0.0001, 1))
def test_answer_keeps_its_constraints_and_is_smallest(ladder: Component, share: float) -> None:
    peak = share * max(point.rps for point in ladder.points)
    sizing = size(peak, ladder, Policy())
    highest = max(point.rps_per_replica for point in ladder.points)
    assert peak / sizing.replicas <= highest * (1 + 1e-9)
    assert cpu_share(sizing) <= 0.6 * (1 + 1e-9)
    if sizing.replicas > 2:
        # One fewer would give a replica more than it can serve.
        assert peak / (sizing.replicas - 1) > sizing.capacity_rps * (1 - 1e-9)


@given(LADDERS, st.floats(0.0001, 1), st.randoms())
def test_permutation_of_rows_changes_nothing(ladder: Component, share: float, random) -> None:
    peak = share * max(point.rps for point in ladder.points)
    points = list(ladder.points)
    random.shuffle(points)
    one, other = size(peak, ladder, Policy()), size(peak, replace(ladder, points=points), Policy())
    assert one.replicas == other.replicas
    assert one.usage == other.usage


@given(
    st.lists(st.tuples(st.floats(1, 500), st.floats(1, 500)), min_size=2, max_size=4),
    st.floats(0.3, 1),
)
def test_pod_keeps_the_target_that_its_containers_keep(
    rows: list[tuple[float, float]], target: float
) -> None:
    points = tuple(
        LoadPoint(n, 1, 100 * n, {"app": Resources(a / 4, 1), "proxy": Resources(b / 4, 1)})
        for n, (a, b) in enumerate(rows, start=1)
    )
    requests = {"app": Resources(500, 1), "proxy": Resources(700, 1)}
    both = Component("api", Kind.POD, ("*",), requests, points)
    used = size(100, both, Policy(target_utilisation=target)).usage.values()
    assert sum(amount.cpu_millicores for amount in used) <= target * 1200 * (1 + 1e-9)

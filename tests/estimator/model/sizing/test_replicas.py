from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.errors import Refused
from estimator.model.evidence.evidence import gather
from estimator.model.figure import Flag
from estimator.model.policy import Policy
from estimator.model.sizing.replicas import (
    Constraint,
    Sizing,
    replicas_for,
    size,
    surge,
    unavailable,
)
from estimator.table.load_points import Component, Kind, LoadPoint, Resources

MIB = 2**20


def row(number: int, replicas: int, rps: float, cpu: float, memory_mib: int = 100) -> LoadPoint:
    return LoadPoint(number, replicas, rps, {"app": Resources(cpu, memory_mib * MIB)})


def component(*points: LoadPoint, request: float = 500) -> Component:
    return Component("api", Kind.POD, ("*",), {"app": Resources(request, 256 * MIB)}, points)


# 100, 300 and 500 rps per replica use as many millicores.
LINE = component(
    row(1, 2, 200, 100, 180), row(2, 2, 600, 300, 150), row(3, 4, 2000, 500, 160), request=500
)


# Without any reserve, the result is pure arithmetic.
PLAIN = Policy(imbalance=1, lose_pods=0, min_replicas=1)


def sized(peak: float, of: Component, policy: Policy = PLAIN) -> Sizing:
    return size(peak, gather(of, policy), policy)


def refusal(peak: float, of: Component, policy: Policy = PLAIN) -> str:
    with pytest.raises(Refused) as caught:
        sized(peak, of, policy)
    return str(caught.value)


def constraint(sizing: Sizing, name: str) -> Constraint:
    return next(candidate for candidate in sizing.constraints if candidate.name == name)


def test_worked_number_of_the_docstring() -> None:
    sizing = sized(1000, LINE, Policy())
    assert sizing.capacity_rps == pytest.approx(272.8, abs=0.05)
    assert (sizing.serving, sizing.replicas) == (5, 6)
    assert sizing.design_rps == pytest.approx(220)
    assert sizing.rps_per_replica == pytest.approx(1000 / 6)
    # 300 / (1 - 0.0996)
    assert sizing.capacity_high_rps == pytest.approx(333.2, abs=0.05)


def test_cpu_decides_with_its_reason() -> None:
    decided_by = sized(1000, LINE).decided_by
    assert decided_by.name == "cpu of app"
    assert decided_by.reason == (
        "0.6 of the 500m request of app, 300m, is reached at 272.8 rps; 1,000 rps need 4 replica(s)"
    )


def test_range_decides_where_cpu_is_cheap() -> None:
    cheap = component(row(1, 1, 100, 10), row(2, 2, 400, 20))
    sizing = sized(400, cheap)
    assert (sizing.replicas, sizing.capacity_rps) == (2, 200)
    # CPU needs two as well, because its curve ends there; of equals the first decides.
    assert "is not reached in any row used" in sizing.decided_by.reason


def test_min_replicas_decide_at_little_traffic() -> None:
    sizing = sized(5, LINE, replace(PLAIN, min_replicas=3))
    assert (sizing.replicas, sizing.decided_by.name) == (3, "min replicas")
    assert Flag.BELOW_RANGE in sizing.flags


def test_latency_objective_decides() -> None:
    timed = replace(
        LINE, points=tuple(replace(p, p99_ms=p.rps_per_replica / 10) for p in LINE.points)
    )
    # A replica reaches 20 ms at 200 rps.
    sizing = sized(1000, timed, replace(PLAIN, slo_p99_ms=20))
    assert sizing.decided_by.name == "latency"
    assert sizing.replicas == 5


def test_objective_below_the_smallest_row_is_refused() -> None:
    timed = replace(LINE, points=tuple(replace(p, p99_ms=50.0 + p.row) for p in LINE.points))
    message = refusal(1000, timed, replace(PLAIN, slo_p99_ms=20))
    assert "p99 is 51 ms already in row 1" in message


def test_objective_without_latencies_is_refused() -> None:
    assert "no row that can be used states a reliable p99" in refusal(
        100, LINE, replace(PLAIN, slo_p99_ms=20)
    )


def test_imbalance_asks_for_more() -> None:
    assert sized(1000, LINE, replace(PLAIN, imbalance=1.4)).replicas == 6


def test_lost_pods_are_added() -> None:
    assert sized(1000, LINE, replace(PLAIN, lose_pods=2)).replicas == 6


@pytest.mark.parametrize(("zones", "replicas"), [(1, 4), (2, 8), (3, 6), (4, 6), (5, 5)])
def test_lost_zone_leaves_enough(zones: int, replicas: int) -> None:
    # Four replicas must serve; of 6 in 4 zones, the loss of the fullest zone removes 2.
    sizing = sized(1000, LINE, replace(PLAIN, zones=zones))
    assert sizing.replicas == replicas
    assert sizing.reserve.replicas == replicas


def test_rolling_update_leaves_enough() -> None:
    sizing = sized(1000, LINE, replace(PLAIN, max_unavailable_ratio=0.25))
    assert (sizing.replicas, sizing.reserve.name) == (5, "rolling update")
    assert sizing.replicas - unavailable(sizing.replicas, 0.25) >= sizing.serving


def test_kubernetes_rounds_surge_up_and_unavailable_down() -> None:
    assert (surge(10, 0.25), unavailable(10, 0.25)) == (3, 2)
    assert (surge(4, 0.25), unavailable(4, 0.25)) == (1, 1)
    assert (surge(3, 0.25), unavailable(3, 0.25)) == (1, 0)


def test_workers_bound_the_proxy() -> None:
    points = tuple(
        LoadPoint(n, 1, rps, {"istio-proxy": Resources(rps * 2, MIB)})
        for n, rps in enumerate((100.0, 500.0, 1000.0), start=1)
    )
    requests = {"istio-proxy": Resources(4000, MIB)}
    gateway = Component("gateway", Kind.GATEWAY, ("*",), requests, points)
    sizing = sized(1000, gateway, replace(PLAIN, workers=1))
    # 0.6 of one core is less than 0.6 of the request of four cores.
    assert sizing.decided_by.reason.startswith("0.6 of the 1 limit of istio-proxy, 600m,")
    assert sizing.replicas == 4


def test_connections_bound_a_gateway() -> None:
    held = tuple(replace(point, connections=100 * point.replicas) for point in LINE.points)
    gateway = replace(LINE, kind=Kind.GATEWAY, points=held)
    sizing = sized(100, gateway, replace(PLAIN, peak_connections=1000))
    assert (sizing.replicas, sizing.decided_by.name) == (10, "connections")
    assert sized(100, LINE, replace(PLAIN, peak_connections=1000)).replicas == 1


def test_fewer_errors_allowed_than_a_row_has() -> None:
    flawed = replace(LINE, points=(*LINE.points[:2], replace(LINE.points[2], error_ratio=0.005)))
    assert sized(1000, flawed).flags == ()
    strict = sized(1000, flawed, replace(PLAIN, error_ratio_limit=0.001))
    assert strict.capacity_rps <= 300
    assert Flag.SCALED_LINEARLY in strict.flags


def test_more_than_was_measured_is_scaled_and_flagged() -> None:
    sizing = sized(20_000, LINE)
    assert sizing.replicas == 74
    assert sizing.flags == (Flag.SCALED_LINEARLY,)
    # Each replica serves a fifth less, the largest loss measured: 20,000 / (272.8 * 0.8).
    assert sizing.high == 92


def test_scaling_law_of_many_counts_is_obeyed() -> None:
    def total(n: int) -> float:
        return 100 * n / (1 + 0.02 * (n - 1) + 0.0001 * n * (n - 1))

    counts = (1, 2, 4, 8, 16, 32, 60)
    points = [
        row(2 * k + half, n, total(n) * (0.5, 1)[half], (150, 300)[half])
        for k, n in enumerate(counts)
        for half in (0, 1)
    ]
    crowd = component(*points)
    evidence = gather(crowd, PLAIN)
    law = evidence.scaling.law
    assert law is not None
    assert law.contention == pytest.approx(0.02, rel=0.01)
    assert evidence.efficiency(80) == pytest.approx(total(80) / 80 / 100, rel=1e-3)
    assert "alpha 0.02" in evidence.scaling.note
    # The law decreases beyond 98 replicas, so no number of replicas serves the load.
    with pytest.raises(Refused, match="no number of replicas serves"):
        replicas_for(10_000, 30, evidence)


def crowded(alpha: float, beta: float, counts: tuple[int, ...]) -> Component:
    """Return rows that follow a scaling law, each replica with 200m and 1,000 rps alone."""
    return component(
        *(
            row(k, n, 1000 * n / (1 + alpha * (n - 1) + beta * n * (n - 1)), 200)
            for k, n in enumerate(counts, start=1)
        )
    )


SUN = crowded(0.026716, 7.6909e-4, (1, 2, 4, 8, 16, 32))


def test_counts_within_the_measured_serve_what_their_rows_did() -> None:
    for point in SUN.points:
        assert sized(point.rps, SUN).replicas == point.replicas
        assert sized(point.rps * 1.001, SUN).replicas == point.replicas + 1


def test_what_no_count_serves_is_refused_within_the_largest_measured() -> None:
    # The law serves at most 12,396 rps, with 35 replicas.
    assert sized(12_300, SUN).replicas <= 35
    message = refusal(13_000, SUN)
    assert "no number of replicas serves 13,000 rps; the most is 12,395" in message


def test_totals_that_follow_no_law_count_as_they_are() -> None:
    few = component(row(1, 1, 1000, 200), row(2, 2, 1800, 200), row(3, 8, 4000, 200))
    assert sized(4000, few).replicas == 8
    assert sized(1800, few).replicas == 2
    # The loss is 1.111 at 2 and 2 at 8: halfway it is 1.556, and 5 replicas serve 3,214.
    assert (sized(3214, few).replicas, sized(3215, few).replicas) == (5, 6)
    assert sized(4001, few).replicas == 9
    # It rises by 0.148 for each replica, so that 1,000 / 0.148 is never reached.
    assert "no number of replicas serves 6,800 rps; the most is 6,750" in refusal(6800, few)


def test_law_is_named_only_where_it_was_used() -> None:
    alone, many = sized(900, SUN), sized(6000, SUN)
    assert "scaling law" not in alone.decided_by.formula
    assert "with e(R) by the scaling law" in many.decided_by.formula
    assert (
        "as measured"
        in sized(4000, component(row(1, 1, 1000, 200), row(2, 8, 4000, 200))).decided_by.formula
    )


@given(
    st.floats(0, 0.2),
    st.floats(0, 0.01),
    st.lists(st.integers(1, 64), min_size=1, max_size=7, unique=True),
    st.tuples(st.floats(10, 40_000), st.floats(10, 40_000)),
    st.randoms(),
)
def test_more_demand_never_fewer_replicas_in_any_order_of_rows(
    alpha: float, beta: float, counts: list[int], peaks: tuple[float, float], random
) -> None:
    crowd = crowded(alpha, beta, tuple(sorted(counts)))
    shuffled = list(crowd.points)
    random.shuffle(shuffled)
    less, more = (answered(peak, crowd, PLAIN) for peak in sorted(peaks))
    # A refusal counts as infinitely many replicas.
    assert more is None or (less is not None and less.replicas <= more.replicas)
    again = answered(max(peaks), component(*shuffled), PLAIN)
    assert (again is None) == (more is None)
    assert again is None or more is None or again.replicas == more.replicas


def test_quota_is_kept_and_flagged() -> None:
    sizing = sized(2000, LINE, replace(PLAIN, hpa_max=3))
    assert (sizing.replicas, sizing.decided_by.name) == (3, "quota")
    assert Flag.EXTRAPOLATED in sizing.flags
    assert "quota of 3 replicas is below the 8 needed" in sizing.warnings[0]


def test_quota_beyond_any_extrapolation_is_refused() -> None:
    message = refusal(2000, LINE, replace(PLAIN, hpa_max=2))
    assert "2 replicas would get 1,000 rps each, above 1.5 times the largest row" in message


def test_quota_without_room_for_a_loss_is_said() -> None:
    sizing = sized(1000, LINE, replace(PLAIN, lose_pods=2, hpa_max=5))
    assert sizing.replicas == 5
    assert "a loss at the peak is not covered" in sizing.warnings[0]


def test_count_beyond_all_reason_is_refused() -> None:
    message = refusal(1e9, LINE)
    assert "are more than 100,000 replicas. Check the units" in message


@given(st.integers(1, 3000), st.integers(2, 9), st.floats(0.01, 0.95))
def test_reserves_are_the_smallest(serving: int, zones: int, ratio: float) -> None:
    policy = replace(PLAIN, zones=zones, max_unavailable_ratio=ratio)
    # A replica serves 100 rps, so this many replicas suffice.
    flat = component(row(1, 1, 100, 1), row(2, 1, 99, 1), row(3, 1, 98, 1))
    sizing = sized(100.0 * serving, flat, policy)
    assert sizing.serving == serving
    zone, update = constraint(sizing, "loss of a zone"), constraint(sizing, "rolling update")
    assert zone.replicas - -(-zone.replicas // zones) >= serving
    fewer = zone.replicas - 1
    assert fewer - -(-fewer // zones) < serving
    assert update.replicas - unavailable(update.replicas, ratio) >= serving
    fewer = update.replicas - 1
    assert fewer - unavailable(fewer, ratio) < serving


def test_component_without_rows_is_refused() -> None:
    assert refusal(1, component()) == (
        "api: has no rows in the table. Measure it under load and add rows to its points"
    )


def test_component_with_failing_rows_only_is_refused() -> None:
    failing = replace(row(1, 1, 100, 10), error_ratio=0.5)
    refused = refusal(1, component(failing))
    assert "row 1: error_ratio 0.5 is above 0.01" in refused
    assert "leave it out of the load (`mirror replay --filter`)" in refused


def test_component_measured_idle_only_is_refused() -> None:
    assert "was measured idle only" in refusal(1, component(row(1, 1, 0, 10)))


def test_smallest_row_beyond_the_target_needs_another_request() -> None:
    sizing = sized(100, component(row(1, 1, 100, 301)))
    assert sizing.capacity_rps == 100
    # 301m plus a fifth for the unknown error, divided by 0.6.
    assert (
        "300m, is exceeded already at 100 rps, the smallest row: it needs a request of 602m"
        in (sizing.warnings[0])
    )


PEAKS = st.floats(0.001, 50_000)
TARGETS = st.floats(0.05, 1)


def evidence_of(rows: list[tuple[int, float, float]]) -> Component | None:
    made = component(*(row(n, *values) for n, values in enumerate(rows, start=1)))
    return made if made.used_points else None


LADDERS = (
    st.lists(
        st.tuples(st.integers(1, 9), st.floats(1, 5000), st.floats(0.1, 400)),
        min_size=1,
        max_size=8,
    )
    .map(evidence_of)
    .filter(lambda made: made is not None)
)
POLICIES = st.builds(
    Policy,
    imbalance=st.floats(1, 1.5),
    lose_pods=st.integers(0, 3),
    zones=st.integers(1, 4),
    max_unavailable_ratio=st.sampled_from([0.0, 0.25]),
    target_utilisation=TARGETS,
)


def answered(peak: float, ladder: Component, policy: Policy) -> Sizing | None:
    try:
        return sized(peak, ladder, policy)
    except Refused:
        return None


@given(LADDERS, POLICIES, PEAKS, PEAKS)
def test_more_load_never_fewer_replicas(ladder, policy: Policy, a: float, b: float) -> None:
    less, more = (answered(peak, ladder, policy) for peak in sorted((a, b)))
    assert less is None or more is None or less.replicas <= more.replicas


@given(LADDERS, PEAKS, TARGETS, TARGETS)
def test_tighter_target_never_fewer_replicas(ladder, peak: float, a: float, b: float) -> None:
    tight, loose = (
        answered(peak, ladder, replace(PLAIN, target_utilisation=target))
        for target in sorted((a, b))
    )
    assert tight is None or loose is None or tight.replicas >= loose.replicas


@given(PEAKS, st.floats(10.1, 60), st.floats(10.1, 60))
def test_tighter_objective_never_fewer_replicas(peak: float, a: float, b: float) -> None:
    timed = replace(
        LINE, points=tuple(replace(p, p99_ms=p.rps_per_replica / 10) for p in LINE.points)
    )
    tight, loose = (sized(peak, timed, replace(PLAIN, slo_p99_ms=slo)) for slo in sorted((a, b)))
    assert tight.replicas >= loose.replicas


@given(LADDERS, POLICIES, PEAKS)
def test_serving_replicas_keep_every_constraint(ladder, policy: Policy, peak: float) -> None:
    sizing = answered(peak, ladder, policy)
    if sizing is None:
        return
    busiest = peak * policy.imbalance
    assert busiest / sizing.serving <= sizing.capacity_rps * (1 + 1e-6)
    if sizing.serving > 1 and gather(ladder, policy).scaling.is_linear:
        # With one replica fewer, the busiest one would receive more than it can serve.
        assert busiest / (sizing.serving - 1) > sizing.capacity_rps * (1 - 1e-6)
    assert sizing.low <= sizing.replicas <= sizing.high


@given(LADDERS, POLICIES, PEAKS)
def test_each_loss_leaves_enough(ladder, policy: Policy, peak: float) -> None:
    sizing = answered(peak, ladder, policy)
    if sizing is None:
        return
    assert sizing.replicas - policy.lose_pods >= sizing.serving
    assert sizing.replicas - unavailable(sizing.replicas, policy.max_unavailable_ratio) >= (
        sizing.serving
    )
    if policy.zones > 1:
        assert sizing.replicas - -(-sizing.replicas // policy.zones) >= sizing.serving


@given(LADDERS, PEAKS, st.randoms())
def test_permutation_of_rows_changes_nothing(ladder, peak: float, random) -> None:
    points = list(ladder.points)
    random.shuffle(points)
    ordered, other = (
        answered(peak, ladder, PLAIN),
        answered(peak, replace(ladder, points=points), PLAIN),
    )
    assert (ordered is None) == (other is None)
    if ordered is not None and other is not None:
        assert (ordered.replicas, ordered.capacity_rps) == (other.replicas, other.capacity_rps)


@given(
    st.lists(st.tuples(st.floats(1, 500), st.floats(1, 500)), min_size=3, max_size=6),
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
    policy = replace(PLAIN, target_utilisation=target)
    sizing = answered(100, both, policy)
    if sizing is None or sizing.warnings:
        return
    used = [curve.at(sizing.rps_per_replica).high for curve in gather(both, policy).cpu.values()]
    assert sum(used) <= target * 1200 * (1 + 1e-9)

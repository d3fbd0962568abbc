import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.model.autoscaling.simulation import (
    HpaLoop,
    HpaRun,
    Load,
    Pod,
    asked_for,
    simulate,
)

# Each rps uses 1 % of the CPU request, up to 150 %; a replica can serve less than 90 rps.
RPS = np.linspace(0, 150, 151)
POD = Pod(RPS, RPS / 100, 90, 1.0)


def loop(least: int = 1, most: int = 1000, target: float = 0.5, start_s: float = 30) -> HpaLoop:
    return HpaLoop(least, most, target, 15, start_s)


def load(*stretches: tuple[int, float], resolution_s: int = 15) -> Load:
    """Return a load made of stretches, each given as (buckets, rps)."""
    demand = np.concatenate([np.full(count, rps) for count, rps in stretches])
    return Load(demand, 1000, resolution_s)


def run(given_load: Load, given_loop: HpaLoop | None = None) -> HpaRun:
    return simulate(given_load, POD, given_loop or loop())


def test_steady_demand_changes_nothing() -> None:
    found = run(load((100, 500)))
    assert set(found.desired.tolist()) == set(found.ready.tolist()) == {10}
    assert found.saturations == ()


def test_worked_ratio_of_the_docstring() -> None:
    # From 500 to 900 rps, the utilisation of 10 replicas is 0.9, and the ratio is 1.8.
    found = run(load((40, 500), (40, 900)))
    assert set(found.desired.tolist()) == {10, 18}


@pytest.mark.parametrize("rps", [549, 455])
def test_within_the_tolerance_nothing_happens(rps: float) -> None:
    assert set(run(load((40, 500), (100, rps))).desired.tolist()) == {10}


def test_beyond_the_tolerance_something_does() -> None:
    assert run(load((40, 500), (40, 551))).desired[-1] == 12


def test_rise_is_seen_a_scrape_later_and_served_after_the_start() -> None:
    found = run(load((40, 500), (40, 900)), loop(start_s=30))
    first_step = int(np.argmax(found.desired > 10))
    assert first_step == 42
    assert int(np.argmax(found.ready > 10)) == first_step + 2


def test_at_most_twice_the_replicas_or_four_more_in_a_period() -> None:
    # No replica is ready yet, so each sees the whole load, up to 150 %.
    found = run(load((40, 500), (40, 15_000)), loop(start_s=15))
    steps = found.desired[41:46].tolist()
    assert steps[:3] == [10, 20, 40]
    # One replica would need fifteen; the policy allows four more, which is more than doubling.
    few = run(load((40, 9), (40, 5000)), loop(target=0.1, start_s=15))
    assert few.desired[41:44].tolist() == [1, 5, 10]


def test_replicas_that_start_count_with_no_usage() -> None:
    # The HPA asks for 18 at once, and for no more while 8 of them start.
    found = run(load((40, 500), (40, 900)), loop(start_s=300))
    assert found.desired.max() == 18
    # A demand within the tolerance of the starting replicas adds none, either.
    found = run(load((40, 500), (4, 900), (10, 940), (40, 900)), loop(start_s=300))
    assert found.desired.max() == 18


def test_fall_is_followed_after_the_stabilisation() -> None:
    found = run(load((40, 900), (60, 500)))
    fell = int(np.argmax(found.desired < 18))
    # It takes two steps to see the fall, and twenty until the last higher count is 300 s old.
    assert fell == 42 + 19
    assert found.desired[-1] == 10


def test_replicas_that_are_not_ready_go_first() -> None:
    # Ten replicas serve and eight start when the demand falls to the capacity of nine.
    found = run(load((40, 500), (3, 900), (30, 440)), loop(start_s=900))
    assert (found.desired.max(), found.desired[-1]) == (18, 9)
    assert set(found.ready.tolist()) == {10, 9}


def test_fall_takes_ready_ones_where_none_is_starting() -> None:
    found = run(load((40, 500), (20, 900), (60, 200)), loop(start_s=30))
    assert (found.desired[-1], found.ready[-1], found.ready.max()) == (4, 4, 18)


def test_rps_is_the_inverse_of_utilisation() -> None:
    pod = Pod(RPS, RPS / 100 + 0.1, 90, 1.0, RPS / 120, RPS / 80)
    assert pod.rps_at(0.6) == pytest.approx(50)
    assert (pod.rps_at(0.05), pod.rps_at(9)) == (0, 150)
    assert pod.rps_range_at(0.5) == pytest.approx((40, 60))
    assert POD.rps_range_at(0.5) is None


def test_bounds_are_kept() -> None:
    found = run(load((40, 500), (40, 5000), (100, 0)), loop(4, 12))
    assert (found.desired.min(), found.desired.max()) == (4, 12)


def test_seconds_beyond_the_limit_are_counted() -> None:
    found = run(load((40, 500), (40, 1000)), loop(start_s=30))
    (stretch,) = found.saturations
    # 10 replicas can serve 900 rps. Seeing the load takes two steps, starting more another two.
    assert (stretch.second, stretch.duration_s) == (1000 + 600, 60)
    assert (stretch.replicas, stretch.needed) == (10, 12)


def test_busiest_replica_decides() -> None:
    uneven = Pod(RPS, RPS / 100, 90, 1.5)
    assert run(load((100, 500))).saturated_s == 0
    assert simulate(load((100, 650)), uneven, loop(10, 10)).saturated_s == 1500


def test_gap_is_neither_saturated_nor_quiet() -> None:
    found = run(load((40, 500), (40, np.nan), (40, 500)))
    assert set(found.desired.tolist()) == {10}
    assert run(load((40, np.nan), (40, 5000)), loop(1, 10)).saturations[0].second >= 1600


@pytest.mark.parametrize("resolution_s", [1, 5, 10, 15, 60])
def test_resolution_does_not_change_the_story(resolution_s: int) -> None:
    count = 3600 // resolution_s
    found = run(load((count, 500), (count, 900), resolution_s=resolution_s))
    assert len(found.desired) == 480
    assert found.desired[-1] == 18
    assert found.desired[239] == 10


def test_raised_minimum_is_asked_for_at_once() -> None:
    # Nothing limits it: 1 to 40 in one sync, ready after the 30 s of a start.
    found = simulate(load((20, 9)), POD, loop(start_s=30), minima=[1] * 5 + [40] * 15)
    assert found.desired.tolist() == [1] * 5 + [40] * 15
    assert found.ready.tolist() == [1] * 7 + [40] * 13


def test_below_its_minimum_the_loop_asks_for_nothing_else() -> None:
    # At step 7 it has seen the 500 rps, for which it would ask for 3; the minimum of 2 goes first.
    found = simulate(load((5, 9), (15, 500)), POD, loop(), minima=[1] * 7 + [2] * 13)
    assert found.desired.tolist()[6:9] == [1, 2, 3]


def test_lowered_minimum_is_left_for_what_was_asked_for() -> None:
    # At 250 rps the loop by itself asks for 5 of the 20. After the minimum nothing holds them.
    found = simulate(load((60, 250)), POD, loop(), minima=[20] * 40 + [2])
    assert found.desired.tolist() == [20] * 40 + [5] * 20


def test_lowered_minimum_keeps_what_is_needed() -> None:
    found = simulate(load((60, 1000)), POD, loop(), minima=[20] * 40 + [2])
    assert set(found.desired.tolist()) == {20}


def test_series_shorter_than_a_scrape_is_followed() -> None:
    found = run(load((5, 500), resolution_s=1))
    assert found.desired.tolist() == [10]
    assert found.seen_rps.tolist() == [500]


def test_long_series_is_searched_in_pieces() -> None:
    given_load = load((1_100_000, 500), (60, 5000), (1000, 500), resolution_s=1)
    (stretch,) = run(given_load, loop(10, 10)).saturations
    assert (stretch.second, stretch.duration_s) == (1000 + 1_100_000, 60)


@given(st.lists(st.floats(0, 3000), min_size=4, max_size=60), st.integers(1, 40))
def test_enough_fixed_replicas_are_never_saturated(rps: list[float], spare: int) -> None:
    needed = max(1, int(np.ceil(max(rps) / POD.limit_rps)))
    given_load = Load(np.array(rps), 0, 60)
    fixed = simulate(given_load, POD, loop(needed, needed + spare))
    assert fixed.saturations == ()


@given(st.lists(st.floats(0, 3000), min_size=4, max_size=60), st.integers(1, 30))
def test_ready_never_exceed_what_was_asked_for(rps: list[float], least: int) -> None:
    found = simulate(Load(np.array(rps), 0, 60), POD, loop(least, 40))
    assert (found.ready <= found.desired).all()
    assert (found.ready >= 1).all()


@pytest.mark.parametrize(
    ("current", "ready", "utilisation", "target", "replicas"),
    # Figures of kubernetes/kubernetes, pkg/controller/podautoscaler/replica_calculator_test.go;
    # the utilisation is the mean of its ready pods.
    [
        pytest.param(3, 3, 0.5, 0.3, 5, id="ScaleUp"),
        pytest.param(3, 2, 0.6, 0.3, 4, id="ScaleUpUnreadyLessScale"),
        pytest.param(3, 1, 0.4, 0.3, 3, id="ScaleUpUnreadyNoScale"),
        pytest.param(2, 2, 0.6, 0.3, 4, id="ScaleUpIgnoresFailedPods"),
        pytest.param(3, 3, 20.0, 15.0, 4, id="ScaleUpCM"),
        pytest.param(5, 5, 0.28, 0.5, 3, id="ScaleDown"),
        pytest.param(5, 5, 12.0, 20.0, 3, id="ScaleDownCM"),
        pytest.param(5, 3, 0.3, 0.5, 2, id="ScaleDownIncludeUnreadyPods"),
        pytest.param(5, 1, 0.1, 0.5, 1, id="ScaleDownExcludeUnscheduledPods"),
    ],
)
def test_replicas_are_those_of_kubernetes(
    current: int, ready: int, utilisation: float, target: float, replicas: int
) -> None:
    assert asked_for(utilisation / target, ready, current) == replicas


def test_starting_replicas_hold_the_count_within_the_tolerance() -> None:
    # 2 of 3 are ready at 1.6 times the target: over all three that is 1.07, within the tolerance.
    assert asked_for(1.6, 2, 3) == 3
    assert asked_for(1.7, 2, 3) == 4

from collections import Counter
from dataclasses import replace
from datetime import UTC

import pytest

from estimator.errors import Refused
from estimator.migration.switch_plan.plan import SwitchPlan, Wanted, plan_switch
from estimator.model.policy import Policy
from estimator.series.ended_legs import EndedLegs
from estimator.series.rps import RpsSeries
from estimator.table.load_points import Kind
from tests.estimator.migration.switch_plan.cases import (
    LEAN,
    MONDAY,
    STEP_S,
    STEPS,
    TUESDAY_10,
    WEEK,
    planned,
    recorded,
    table,
)

HOUR = 3_600


def plan(
    policy: Policy = LEAN, series: RpsSeries | None = None, at: int | None = TUESDAY_10
) -> SwitchPlan:
    if series is None and at is not None:
        return planned(policy, at=at)
    return plan_switch(series or recorded(), table(), policy, Wanted(STEPS, 1800, UTC, at))


def test_worked_replicas_of_the_docstring() -> None:
    steps = plan().steps
    assert [step.expected.value for step in steps] == [1000, 1000, 1000]
    (least,), (quarter,), (whole,) = (step.components for step in steps)
    assert [part.rps.value for part in (least, quarter, whole)] == [10, 250, 1000]
    assert [part.replicas.value for part in (least, quarter, whole)] == [2, 3, 6]
    assert quarter.replicas.constraint == "cpu of app"
    assert quarter.rps.numbers == "0.25 * 1000"


def test_minimum_is_raised_before_each_step_and_never_lowered() -> None:
    # The night before the last step would need fewer than the step before it.
    late = plan(at=TUESDAY_10 + 15 * HOUR // 2)
    pins = [step.components[0].pinned for step in late.steps]
    needs = [step.components[0].replicas.value for step in late.steps]
    assert needs == [2, 3, 2] and pins == [2, 3, 3]
    assert [step.components[0].pinned_before for step in late.steps] == [2, 2, 3]
    first = plan().steps[0]
    # 375 s, in whole minutes.
    assert first.warm_up_begins == TUESDAY_10 - 420


def test_copies_of_a_busier_hour_count() -> None:
    # At 18:00 the load falls from 1000 to 50 rps, but the warm-up copies from 17:53 on.
    last = plan(at=TUESDAY_10 + 7 * HOUR).steps[-1]
    assert last.begins == TUESDAY_10 + 8 * HOUR
    assert last.expected.value == 1000
    assert last.components[0].pinned == 6


def test_left_at_its_minimum_the_new_side_is_saturated() -> None:
    # flagger#1209, picchu#648: the step comes before the pods.
    ((name, rehearsal),) = plan().rehearsals
    assert name == "api" and rehearsal is not None
    assert rehearsal.alone.total > 60
    assert rehearsal.alone.steps[-1] == rehearsal.alone.total
    assert rehearsal.planned.total == rehearsal.planned.after == 0
    assert rehearsal.times == 2


def test_release_waits_for_the_hpa_s_own_recommendation() -> None:
    (release,) = plan().releases
    assert (release.pinned, release.released) == (6, 2)
    assert release.earliest == TUESDAY_10 + 3 * 1800
    assert release.window_s == 300
    assert release.condition == min(release.pinned, release.recommended)


def test_recommendation_below_the_pin_is_what_is_waited_for() -> None:
    # The first step is of the day and the last of the night, which asks for no such minimum.
    evening = Wanted((50, 100), HOUR, UTC, TUESDAY_10 + 15 * HOUR // 2)
    (release,) = plan_switch(recorded(), table(), LEAN, evening).releases
    assert release.has_hpa
    assert (release.pinned, release.recommended, release.condition) == (4, 3, 3)


def test_component_without_an_hpa_gets_its_count() -> None:
    flat = plan(series=recorded(is_flat=True))
    assert flat.projection.components[0].hpa is None
    (release,) = flat.releases
    assert not release.has_hpa
    assert release.released == flat.projection.components[0].replicas.value == 6
    assert [step.components[0].pinned for step in flat.steps] == [2, 3, 6]
    ((_, rehearsal),) = flat.rehearsals
    assert rehearsal is not None
    assert rehearsal.planned.total == 0 < rehearsal.alone.total


def test_time_is_chosen_where_nobody_gives_it() -> None:
    chosen = plan(at=None)
    assert chosen.is_chosen
    # All working hours are equal, so it is the first after the series.
    assert chosen.timetable.start == MONDAY + 2 * WEEK + 9 * HOUR


def test_growth_reaches_to_the_day_of_the_switch() -> None:
    growing = replace(LEAN, growth_per_month=0.1, event_factor=1.5)
    days = (TUESDAY_10 - MONDAY - 2 * WEEK) / 86_400
    grown = plan(growing)
    factor = 1.1 ** (days / 30.4375) * 1.5
    assert grown.steps[-1].expected.value == pytest.approx(1000 * factor)


def test_two_weeks_are_enough_and_the_range_is_theirs() -> None:
    series = recorded()
    series.rps.setflags(write=True)
    series.rps[0, : WEEK // STEP_S] *= 0.8
    found = plan(series=series)
    assert (found.steps[0].expected.low, found.steps[0].expected.high) == (800, 1000)
    assert found.low_confidence == ()


def test_less_than_a_week_is_doubted() -> None:
    found = plan(series=recorded(weeks=3 / 7), at=TUESDAY_10 + 3 * 86_400)
    (hours,) = [doubt for doubt in found.low_confidence if doubt.startswith("the hours of")]
    assert hours.endswith("the same hour of other days stands for them")
    assert any("without a whole" in doubt for doubt in found.low_confidence)
    # It is simulated over the days instead of the weeks.
    ((_, rehearsal),) = found.rehearsals
    assert rehearsal is not None and rehearsal.times == 3


def test_doubts_of_the_estimate_are_those_of_the_plan() -> None:
    found = plan_switch(
        recorded(), replace(table(), is_example=True), LEAN, Wanted(STEPS, 1800, UTC, TUESDAY_10)
    )
    assert any("bundled example" in doubt for doubt in found.low_confidence)


def test_only_the_paths_that_move_count() -> None:
    series = recorded(other=400)
    both = table("/api/_", "/other", kind=Kind.GATEWAY)
    wanted = Wanted(STEPS, 1800, UTC, TUESDAY_10)
    moved = plan_switch(series, both, replace(LEAN, paths=("/api/_",)), wanted)
    assert moved.steps[-1].components[0].rps.value == 1000
    assert any("api also serves /other: if the new" in warning for warning in moved.warnings)
    everything = plan_switch(series, both, LEAN, wanted)
    assert everything.steps[-1].components[0].rps.value == 1400
    assert not any("also serves" in warning for warning in everything.warnings)


def test_what_the_new_side_serves_already_is_counted() -> None:
    series = recorded(other=400)
    both = table("/api/_", "/other", kind=Kind.GATEWAY)
    wanted = Wanted(STEPS, 1800, UTC, TUESDAY_10, served=("/other",))
    found = plan_switch(series, both, replace(LEAN, paths=("/api/_",)), wanted)
    parts = [step.components[0] for step in found.steps]
    assert [part.rps.value for part in parts] == [410, 650, 1400]
    assert parts[1].rps.numbers == "0.25 * 1000 + 400"
    # ceil(1.1 * 410 / 272.8) = 2 and one that may be lost; then 3 and 6.
    assert [part.replicas.value for part in parts] == [3, 4, 7]
    assert [step.new_rps.value for step in found.steps] == [10, 250, 1000]
    assert found.projection.components[0].peak.value == 1400
    assert not any("also serves" in warning for warning in found.warnings)


def test_gateway_of_everything_names_the_recorded_routes() -> None:
    series = recorded(other=400, more=1)
    wanted = Wanted(STEPS, 1800, UTC, TUESDAY_10, served=("/other",))
    everything = table("*", kind=Kind.GATEWAY)
    found = plan_switch(series, everything, replace(LEAN, paths=("/api/_",)), wanted)
    assert any("api also serves /more: if" in warning for warning in found.warnings)


def test_component_without_moving_routes_is_left_out() -> None:
    series = recorded(other=400)
    (api,) = table().components
    pair = replace(table(), components=(api, replace(api, name="other", routes=("/other",))))
    wanted = Wanted(STEPS, 1800, UTC, TUESDAY_10, served=("/other",))
    found = plan_switch(series, pair, replace(LEAN, paths=("/api/_",)), wanted)
    assert [part.name for part in found.steps[0].components] == ["api"]


def test_paths_that_no_component_carries_are_refused() -> None:
    wanted = Wanted(STEPS, 1800, UTC, TUESDAY_10, served=("/api/_",))
    with pytest.raises(Refused, match="no component of it carries /other"):
        plan_switch(recorded(other=400), table(), replace(LEAN, paths=("/other",)), wanted)


def test_connections_move_with_the_share() -> None:
    gateway = table(kind=Kind.GATEWAY)
    points = tuple(replace(point, connections=100) for point in gateway.components[0].points)
    gateway = replace(gateway, components=(replace(gateway.components[0], points=points),))
    policy = replace(LEAN, peak_connections=1000)
    wanted = Wanted(STEPS, 1800, UTC, TUESDAY_10)
    needs = [
        step.components[0].replicas.value
        for step in plan_switch(recorded(), gateway, policy, wanted).steps
    ]
    # 1000 * 1.1 / 100 = 11 at 100 %, 3 at 25 % and 1 at 1 %; one more may be lost.
    assert needs == [2, 4, 12]


def test_step_with_too_few_requests_is_named() -> None:
    series = recorded()
    series.rps.setflags(write=True)
    series.rps[:] /= 50
    (warning,) = plan(series=series).warnings
    assert warning.startswith("step 1 brings about 360 requests in 30m, fewer than 1,000")


def test_quota_below_the_need_is_named() -> None:
    found = plan(replace(LEAN, hpa_max=5))
    assert found.steps[-1].components[0].pinned == 5
    assert [warning for warning in found.warnings if "quota" in warning] == [
        "step 3, api: the quota of 5 replicas is below the 6 needed: a loss at the peak is not"
        " covered"
    ]


def test_what_estimate_refuses_is_refused() -> None:
    silent = recorded()
    silent.rps.setflags(write=True)
    silent.rps[:] = 0
    with pytest.raises(Refused):
        plan(series=silent)
    with pytest.raises(Refused):
        plan(replace(LEAN, paths=("/none",)))


def test_what_copies_met_is_said_before_the_first_step() -> None:
    series, wanted = recorded(), Wanted(STEPS, 1800, UTC, TUESDAY_10)
    pairs = EndedLegs(
        compared=Counter({"same": 9_500, "route_miss": 500}),
        classes=Counter({"2xx>2xx": 9_480, "2xx>4xx": 500, "5xx>5xx": 20}),
    )
    found = plan_switch(series, table(), LEAN, wanted, dict.fromkeys(series.routes, pairs))
    assert any("met new errors (route_miss" in doubt for doubt in found.low_confidence)
    (part,) = found.steps[0].components
    assert part.thresholds[0].limit.value == pytest.approx(LEAN.error_ratio_limit + 0.002)
    assert not any("new errors" in doubt for doubt in plan().low_confidence)

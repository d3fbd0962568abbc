"""The day of a switch: what to do before each step of traffic, what to watch, how to go back.

For each step and component

    rps      = (share * expected + served) * growth * event
    expected = load of the moving routes in the hours of the week from the step's warm-up to the end
               of its hold (demand/hours.py)
    served   = the same of the routes that the new side serves already
    replicas = what the table says that this needs, failures included (sizing/replicas.py)
    pin      = max(replicas, the pin of the step before, the HPA's own minimum)

The new side would otherwise stand at its minimum when the step arrives, because an HPA acts on
requests that it has already got. Growth reaches to the day of the switch. A component for which no
HPA is recommended gets its count set instead of its minimum. After the last step the pin is
released when the HPA would ask for as many by itself (`Release`).

| symbol | meaning | unit |
|---|---|---|
| share | of the moving routes' requests that the new side gets after the step | fraction |

This module joins the parts of this package. It knows no file and no format.

Worked: 1000 rps expected, rows and policy of sizing/replicas.py: 25 % are 250 rps, which need
ceil(275 / 272.8) = 2 replicas, 3 with one lost; 100 % need 6.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

from estimator import units
from estimator.errors import Refusal, Refused
from estimator.migration.switch_plan.compared import Legs
from estimator.migration.switch_plan.parts import Part, parts_of
from estimator.migration.switch_plan.rehearsal import Rehearsal, Switched, Worst, rehearse, worst_of
from estimator.migration.switch_plan.timetable import Timetable, easiest_start
from estimator.migration.switch_plan.warm_up import (
    ENOUGH_REQUESTS,
    WarmUp,
    lag_alone_s,
    warm_up,
)
from estimator.migration.switch_plan.watch import Threshold, judged_s, thresholds
from estimator.model.autoscaling.simulation import asked_for
from estimator.model.confidence import day_doubts, hour_doubts, path_doubts
from estimator.model.demand.hours import ExpectedLoad, expected_load, with_dispersion
from estimator.model.demand.traffic import Traffic
from estimator.model.figure import Figure, digits
from estimator.model.policy import Policy
from estimator.model.projection import Projection, project
from estimator.model.sizing.replicas import Sizing, size
from estimator.series.rps import ALL_ROUTES, RpsSeries
from estimator.table.load_points import Kind, Table

DAYS_OF_A_MONTH = 30.4375
_LEAST_RPS = 1e-6
"""Stands for no request at all, which a sizing does not take."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asks for."""

    percents: tuple[int, ...]
    """Rising, from 1 to 100."""
    hold_s: int
    zone: tzinfo
    at: int | None = None
    """Unix time of the first step; None: the easiest working hour."""
    served: tuple[str, ...] = ()
    """Route tags that the new side serves already; none of them is among the moving paths."""
    sees_all: bool = False
    """Whether the sidecar is in front of what divides the requests (warm_up.py)."""


@dataclass(frozen=True, slots=True)
class ComponentStep:
    """What one component needs before a step."""

    name: str
    kind: Kind
    expected: Figure
    """Rps of its moving routes, on both sides together."""
    rps: Figure
    """The share of that, and what the new side serves already."""
    replicas: Figure
    pinned: int
    """The minimum to set, or the count where there is no HPA."""
    pinned_before: int
    alone_s: float
    """How long an HPA alone would take from the last pin to these replicas; 0: they are there."""
    thresholds: tuple[Threshold, ...]
    judged_s: int
    """Over how long they are judged."""
    warnings: tuple[str, ...]
    """Those of the sizing, such as a quota below the need."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step of traffic."""

    percent: int
    percent_before: int
    begins: int
    """Unix time."""
    ends: int
    expected: Figure
    """Rps of all that moves, on both sides together."""
    new_rps: Figure
    """The share of it that the new side gets."""
    requests: float
    """Requests that the new side is expected to get while the step is held."""
    warm_up: WarmUp
    components: tuple[ComponentStep, ...]

    @property
    def warm_up_begins(self) -> int:
        """Unix time at which the minimum has to be raised."""
        return self.begins - self.warm_up.lead_s


@dataclass(frozen=True, slots=True)
class Release:
    """When the pin of a component is given back, and to what."""

    name: str
    has_hpa: bool
    pinned: int
    released: int
    """The minimum afterwards; without an HPA, the count."""
    recommended: int
    """What the HPA asks for by itself with the pinned replicas at the load of the last step."""
    condition: int
    """The recommendation that has to hold: that of the pin, or the expected one if it is less."""
    window_s: int
    earliest: int
    """Unix time."""

    @property
    def is_due(self) -> bool:
        """Whether there is anything to give back."""
        return self.pinned != self.released


@dataclass(frozen=True, slots=True)
class SwitchPlan:
    """The whole plan."""

    projection: Projection
    """What `estimate` says for the day of the switch, whose doubts are those of the plan too."""
    timetable: Timetable
    is_chosen: bool
    """True: nobody gave the time."""
    loads: tuple[ExpectedLoad, ...]
    """By step, of all that moves, without growth and event."""
    steps: tuple[PlannedStep, ...]
    releases: tuple[Release, ...]
    rehearsals: tuple[tuple[str, Rehearsal | None], ...]
    """By component; None where no recorded time fits."""
    worst: Worst | None
    """The most seconds at saturation of all components; None where nothing was simulated."""
    paths: tuple[str, ...]
    """Route tags; empty for all."""
    sees_all: bool
    """As in Wanted."""
    low_confidence: tuple[str, ...]
    warnings: tuple[str, ...]


def plan_switch(
    series: RpsSeries, table: Table, policy: Policy, wanted: Wanted, legs: Legs = None
) -> SwitchPlan:
    """Return the plan. Raises Refused as `project` does, and where no working hour is known."""
    traffic = Traffic(series)
    everything = traffic.observed(series.source, policy.paths or (ALL_ROUTES,))
    of_hours = with_dispersion(policy, everything)
    lead_s = warm_up(wanted.percents[0], 0, 0.0, policy).lead_s
    timetable = Timetable(wanted.at or 0, wanted.hold_s, wanted.percents, wanted.zone, lead_s)
    if wanted.at is None:
        timetable = replace(timetable, start=easiest_start(everything, timetable, of_hours))
    policy = _on_the_day(policy, series, timetable.start)
    both = policy.paths + wanted.served if policy.paths else ()
    projection = project(series, table, replace(policy, paths=both))
    parts = parts_of(traffic, table, policy, projection, wanted.served, legs)
    if not parts:
        reason = f"no component of it carries {', '.join(policy.paths)}"
        raise Refused([Refusal(table.source, reason, "Add its component, or move other paths")])
    loads = tuple(
        expected_load(everything, timetable.window(step), of_hours)
        for step in range(len(wanted.percents))
    )
    steps = tuple(_steps(parts, loads, timetable, wanted.sees_all))
    rehearsals = tuple((part.projection.name, _rehearsed(part, steps, timetable)) for part in parts)
    return SwitchPlan(
        projection=projection,
        timetable=timetable,
        is_chosen=wanted.at is None,
        loads=loads,
        steps=steps,
        releases=tuple(_release(part, steps[-1], timetable) for part in parts),
        rehearsals=rehearsals,
        worst=worst_of([(name, item) for name, item in rehearsals if item is not None]),
        paths=policy.paths,
        sees_all=wanted.sees_all,
        low_confidence=(
            *projection.low_confidence,
            *day_doubts(series, timetable.start),
            *hour_doubts(loads, series.resolution_s),
            *path_doubts(table, policy),
            *(doubt for part in parts for doubt in part.new_error_doubts),
        ),
        warnings=(*projection.warnings, *_others(parts, both, series.routes), *_of_steps(steps)),
    )


def _on_the_day(policy: Policy, series: RpsSeries, start: int) -> Policy:
    """Return the policy with growth up to the day."""
    days = max(0.0, (start - series.start - series.duration_s) / 86_400)
    defaulted = None if policy.defaulted is None else policy.defaulted - {"horizon_months"}
    return replace(policy, horizon_months=days / DAYS_OF_A_MONTH, defaulted=defaulted)


def _steps(
    parts: Sequence[Part], loads: Sequence[ExpectedLoad], timetable: Timetable, sees_all: bool
) -> Iterator[PlannedStep]:
    pins = {part.projection.name: part.loop.min_replicas for part in parts}
    before = 0
    for number, (percent, load) in enumerate(zip(timetable.percents, loads, strict=True)):
        components = []
        for part in parts:
            step = _component_step(part, timetable, number, pins)
            pins[step.name] = step.pinned
            components.append(step)
        expected = _expected(load, parts[0].growth)
        yield PlannedStep(
            percent=percent,
            percent_before=before,
            begins=timetable.begins(number),
            ends=timetable.begins(number) + timetable.hold_s,
            expected=expected,
            new_rps=_share(expected, percent),
            requests=expected.value * percent / 100 * timetable.hold_s,
            warm_up=warm_up(percent, before, expected.value, parts[0].policy, sees_all),
            components=tuple(components),
        )
        before = percent


def _component_step(
    part: Part, timetable: Timetable, number: int, pins: Mapping[str, int]
) -> ComponentStep:
    percent, window = timetable.percents[number], timetable.window(number)
    share, name = percent / 100, part.projection.name
    expected = _expected(expected_load(part.observed, window, part.of_hours), part.growth)
    policy = part.policy
    if policy.peak_connections is not None:
        policy = replace(policy, peak_connections=policy.peak_connections * share)
    rps = _share(expected, percent)
    if part.served is not None:
        served = _expected(expected_load(part.served, window, part.of_hours), part.growth)
        rps = _with_served(rps, served)
    sizing = size(max(rps.value, _LEAST_RPS), part.evidence, policy)
    pinned = max(sizing.replicas, pins[name])
    among = part.evidence.among(sizing.serving, policy)
    return ComponentStep(
        name=name,
        kind=part.projection.kind,
        expected=expected,
        rps=rps,
        replicas=_replicas(sizing),
        pinned=pinned,
        pinned_before=pins[name],
        alone_s=lag_alone_s(pins[name], sizing.replicas, policy),
        thresholds=tuple(thresholds(sizing, among, policy, pinned, part.compared)),
        judged_s=min(timetable.hold_s, judged_s(rps.value)),
        warnings=sizing.warnings,
    )


def _share(expected: Figure, percent: int) -> Figure:
    share = percent / 100
    return Figure(
        expected.value * share,
        "rps",
        f"{percent}% of the expected load",
        low=None if expected.low is None else expected.low * share,
        high=None if expected.high is None else expected.high * share,
        formula="rps = share * expected",
        numbers=f"{digits(share)} * {digits(expected.value)}",
    )


def _with_served(rps: Figure, served: Figure) -> Figure:
    assert None not in (rps.low, served.low, rps.high, served.high)
    return Figure(
        rps.value + served.value,
        "rps",
        f"{rps.reason}, and {units.format_rps(served.value)} rps that it serves already",
        low=(rps.low or 0.0) + (served.low or 0.0),
        high=(rps.high or 0.0) + (served.high or 0.0),
        formula=f"{rps.formula} + served",
        numbers=f"{rps.numbers} + {digits(served.value)}",
    )


def _replicas(sizing: Sizing) -> Figure:
    return Figure(
        sizing.replicas,
        "replicas",
        f"{sizing.decided_by.reason}; {sizing.reserve.name}: {sizing.reserve.reason}",
        low=sizing.low,
        high=sizing.high,
        constraint=sizing.decided_by.name,
        flags=sizing.flags,
    )


def _expected(load: ExpectedLoad, growth: float) -> Figure:
    times = f"{load.times} recorded time{'s' * (load.times != 1)}"
    reason = f"the highest of {times}: {load.basis.value}"
    if growth != 1:
        reason += f", times {growth:.3f} for growth and event"
    return Figure(
        load.rps * growth,
        "rps",
        reason,
        low=load.low_rps * growth,
        high=load.rps * growth,
        formula="expected = highest week * growth and event",
        numbers=f"{digits(load.rps)} * {digits(growth)}",
    )


def _rehearsed(part: Part, steps: Sequence[PlannedStep], timetable: Timetable) -> Rehearsal | None:
    projected = part.projection
    place = [step.name for step in steps[0].components].index(projected.name)
    switched = Switched(
        observed=part.observed,
        factor=part.factor,
        served=part.served,
        pod=part.pod,
        loop=part.loop,
        released=part.released,
        pins=tuple(step.components[place].pinned for step in steps),
        lead_s=steps[0].warm_up.total_s,
        has_hpa=projected.hpa is not None,
    )
    return rehearse(switched, timetable) or rehearse(switched, timetable, days=1)


def _release(part: Part, last: PlannedStep, timetable: Timetable) -> Release:
    """Return when the pin may go.

    The HPA's own recommendation at the expected load may stay below the pin, because the pin counts
    lost pods and the upper bound of cpu. Then that recommendation is all there is to wait for.
    """
    (step,) = (item for item in last.components if item.name == part.projection.name)
    loop, pinned = part.loop, step.pinned
    ratio = part.pod.utilisation_at(step.rps.value / pinned) / loop.target
    recommended = min(loop.max_replicas, asked_for(ratio, pinned, pinned))
    return Release(
        name=step.name,
        has_hpa=part.projection.hpa is not None,
        pinned=pinned,
        released=part.released,
        recommended=max(recommended, loop.min_replicas),
        condition=min(pinned, max(recommended, loop.min_replicas)),
        window_s=loop.stabilisation_s,
        earliest=timetable.end,
    )


def _others(parts: Sequence[Part], paths: Sequence[str], recorded: Sequence[str]) -> Iterator[str]:
    """Yield for each component which of its recorded routes are not counted."""
    for part in parts:
        component = part.evidence.component
        routes = recorded if ALL_ROUTES in component.routes else component.routes
        others = [route for route in routes if route in recorded and route not in paths]
        if paths and others:
            yield (
                f"{component.name} also serves {', '.join(others)}: if the new side serves any of"
                " that already, name it with --already, or its load is not counted"
            )


def _of_steps(steps: Sequence[PlannedStep]) -> Iterator[str]:
    """Yield what is to be known of single steps."""
    for number, step in enumerate(steps, 1):
        if step.requests < ENOUGH_REQUESTS:
            yield (
                f"step {number} brings about {step.requests:,.0f} requests in"
                f" {units.format_duration(step.ends - step.begins)}, fewer than"
                f" {ENOUGH_REQUESTS:,}: a p99 of them says nothing. Hold it longer, or begin with a"
                " larger share"
            )
        for part in step.components:
            yield from (f"step {number}, {part.name}: {words}" for words in part.warnings)

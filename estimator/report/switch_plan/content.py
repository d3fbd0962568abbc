"""The plan of a switch on one screen: the answer, the steps, what stops one, and afterwards.

The runbook (runbook.py) holds the whole plan. This module computes no number.
"""

from collections.abc import Iterator

from estimator.migration.switch_plan.plan import (
    ComponentStep,
    PlannedStep,
    Release,
    SwitchPlan,
)
from estimator.report import wording
from estimator.report.blocks import (
    Banner,
    Block,
    Cell,
    Column,
    Document,
    FactList,
    Grid,
    Headline,
    Level,
    Listing,
    Section,
)
from estimator.report.content import CONFIDENT, LOW_CONFIDENCE, example_banners, some_names
from estimator.report.switch_plan.times import clock, day_and_time, duration, ratio

WRITES = (
    "the mirror copies reads (GET, HEAD, OPTIONS); writes reach the new side only with the step"
    " itself"
)
ONLY_THESE = (
    "the ratio holds for whatever nginx mirrors: only the locations of these paths may have its"
    " `mirror` directive"
)
SEES_OLD = "the ratio is for a sidecar that sees what the old side still gets"
SEES_ALL = "the ratio is for the sidecar beside the nginx that divides the requests: it sees all"
OLD_SIDE = "the old side keeps all of its replicas until the pin is released: it is the rollback"


def plan_document(plan: SwitchPlan) -> Document:
    """Return the plan on one screen."""
    head: list[Block] = [
        *(Banner(banner.level, banner.title) for banner in example_banners(plan.projection)),
        *doubts(plan),
        headline(plan),
        FactList(tuple(facts(plan))),
    ]
    sections = (
        Section("steps", "Steps", (steps_grid(plan), pins_grid(plan))),
        Section("watch", "Take the step back at once", (stops_grid(plan.steps[-1]),)),
        Section("after", "After the last step", (release_list(plan),)),
        Section("confidence", "How far to rely on it", tuple(_reliance(plan))),
    )
    return Document("Plan of a switch", tuple(head), sections, "")


def headline(plan: SwitchPlan) -> Headline:
    """Return the answer in one sentence, and why."""
    worst, pin = plan.worst, "Raise minReplicas before each step"
    if worst is None:
        return Headline(f"{pin}.", "Nothing was simulated: no recorded time fits the steps.")
    alone, planned = duration(worst.alone.total), duration(worst.planned.total)
    if worst.planned.total:
        return Headline(
            f"{pin}, and expect saturation: {planned} of it even so.",
            f"{worst.named} is the most saturated; left at its minimum, it would be for {alone}."
            " Choose a quieter time; a quota (--hpa-max) below the need shows here, too.",
        )
    if not any(part.pinned > part.pinned_before for step in plan.steps for part in step.components):
        return Headline(
            "No minReplicas has to be raised: what stands before the first step is enough.",
            "In the simulation the new side is never at saturation.",
        )
    if worst.alone.total:
        return Headline(
            f"{pin}: no second at saturation then, {alone} without.",
            f"An HPA acts on requests that it has got, so {worst.named} would meet the step at its"
            " minimum.",
        )
    return Headline(
        f"{pin}: it costs little, and covers lost pods.",
        "In the simulation the HPA alone is in time for every step.",
    )


def facts(plan: SwitchPlan) -> Iterator[tuple[str, str]]:
    """Yield what moves, when, and what the numbers rest on."""
    timetable, first = plan.timetable, plan.steps[0]
    what = some_names(plan.paths) if plan.paths else "all routes"
    shares = ", ".join(f"{percent}" for percent in timetable.percents)
    yield "Moves", f"{what}, to {shares}%, each held {duration(timetable.hold_s)}"
    begins = day_and_time(timetable.start, timetable.zone)
    if plan.is_chosen:
        begins += ", the least load of the working hours, Monday to Friday, 9:00 to 17:00"
    yield "Begins", begins
    yield "Ends", day_and_time(timetable.end, timetable.zone)
    warm_up = first.warm_up
    yield (
        "Warm-up",
        f"{duration(warm_up.total_s)} before each step: {duration(warm_up.pin_s)} to ready pods,"
        f" then {duration(warm_up.mirror_s)} of copies",
    )
    seen = next((found for _, found in plan.rehearsals if found is not None), None)
    if seen is not None:
        unit = "week" if seen.days == 7 else "day"
        times = f"{seen.times} recorded {unit}{'s' * (seen.times != 1)}"
        yield "Simulated", f"over {times}, of which the worst counts"


def steps_grid(plan: SwitchPlan) -> Grid:
    """Return one row for each step."""
    columns = (
        Column("step"),
        *(
            Column(title, is_number=True)
            for title in ("share", "warm up", "step", "rps", "mirror", "alone", "raised")
        ),
    )
    rows = tuple(_step_row(plan, number) for number in range(len(plan.steps)))
    worst = plan.worst
    footer = (
        *(Cell("all"), *(Cell("") for _ in range(5))),
        Cell("?" if worst is None else duration(worst.alone.total)),
        Cell("?" if worst is None else duration(worst.planned.total)),
    )
    title = (
        "rps of what moves, on the new side; ratio of the mirror in the warm-up; time at saturation"
        " with the HPA alone and with raised minima"
    )
    return Grid(title, columns, rows, footer)


def _step_row(plan: SwitchPlan, number: int) -> tuple[Cell, ...]:
    step, zone, worst = plan.steps[number], plan.timetable.zone, plan.worst
    share = wording.amount(step.new_rps.value, "rps").removesuffix(" rps")
    return (
        Cell(f"{number + 1}"),
        Cell(f"{step.percent}%"),
        Cell(clock(step.warm_up_begins, zone)),
        Cell(clock(step.begins, zone)),
        Cell(share),
        Cell(ratio(step.warm_up.ratio)),
        Cell("?" if worst is None else duration(worst.alone.steps[number])),
        Cell("?" if worst is None else duration(worst.planned.steps[number])),
    )


def pins_grid(plan: SwitchPlan) -> Grid:
    """Return the minimum of each component at each step."""
    columns = (
        Column("component"),
        Column("before", is_number=True),
        *(Column(f"{step.percent}%", is_number=True) for step in plan.steps),
        Column("after", is_number=True),
    )
    rows = []
    for place, release in enumerate(plan.releases):
        steps = [step.components[place] for step in plan.steps]
        rows.append(
            (
                Cell(release.name if release.has_hpa else f"{release.name} (count)"),
                Cell(f"{steps[0].pinned_before}"),
                *(Cell(f"{step.pinned}") for step in steps),
                Cell(f"{release.released}"),
            )
        )
    title = "minReplicas to set when the warm-up of the step begins, or the count without an HPA"
    return Grid(title, columns, tuple(rows))


def stops_grid(step: PlannedStep) -> Grid:
    """Return what stops a step, one row for each component."""
    titles = ("component", "over", "errors", "p99", "cpu of each pod", "ready")
    columns = tuple(Column(name) for name in titles)
    title = f"at {step.percent}%, where the new side shows more than this, or fewer ready pods"
    return Grid(title, columns, tuple(_stops_row(part) for part in step.components))


def _stops_row(part: ComponentStep) -> tuple[Cell, ...]:
    limits = {item.what: item.limit for item in part.thresholds}
    cpu = [
        f"{what.removeprefix('cpu of ')} {wording.amount(limit.value, limit.unit)}"
        for what, limit in limits.items()
        if what.startswith("cpu of ")
    ]
    p99 = limits.get("p99")
    return (
        Cell(part.name),
        Cell(duration(part.judged_s)),
        Cell(share_of(limits["error ratio"].value)),
        Cell("not in the table" if p99 is None else f"{p99.value:.3g} ms"),
        Cell(", ".join(cpu)),
        Cell(f"{limits['ready pods'].value:g}"),
    )


def share_of(value: float) -> str:
    """Return a ratio as a share of up to three digits: `1%`, `0.25%`."""
    return f"{value:.3%}".rstrip("%").rstrip("0").rstrip(".") + "%"


def release_list(plan: SwitchPlan) -> Listing:
    """Return when each pin is released, and to what."""
    sentences = tuple(release_sentence(item, plan) for item in plan.releases if item.is_due)
    if not sentences:
        return Listing("Release", ("no minimum was raised, so none is released",))
    return Listing("Release the raised minima", sentences)


def release_sentence(release: Release, plan: SwitchPlan) -> str:
    """Return the condition for giving a pin back."""
    earliest = clock(release.earliest, plan.timetable.zone)
    if not release.has_hpa:
        return f"{release.name}: from {earliest} on, set the count to {release.released}"
    sentence = (
        f"{release.name}: from {earliest} on, when the HPA's own recommendation was at least"
        f" {release.condition} for {duration(release.window_s)}, back to {release.released}"
    )
    if release.recommended < release.pinned:
        sentence += (
            f" (at this load it asks for {release.recommended} and never for {release.pinned},"
            " which count lost pods or an earlier hour)"
        )
    return sentence


def doubts(plan: SwitchPlan) -> Iterator[Block]:
    """Yield the reasons for low confidence, which come before the answer."""
    if plan.low_confidence:
        yield Banner(Level.WARN, LOW_CONFIDENCE, plan.low_confidence)


def mind(plan: SwitchPlan) -> Listing:
    """Return what to keep in mind."""
    of_mirror = [SEES_ALL if plan.sees_all else SEES_OLD, WRITES]
    if plan.paths:
        of_mirror.insert(1, ONLY_THESE)
    return Listing("Mind", (*plan.warnings, *of_mirror, OLD_SIDE))


def _reliance(plan: SwitchPlan) -> Iterator[Block]:
    if not plan.low_confidence:
        yield Banner(Level.OK, CONFIDENT)
    yield mind(plan)

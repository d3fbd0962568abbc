"""The whole plan for the people who do it: every step with its commands, thresholds and way back.

It begins with what content.py prints. This module computes no number.
"""

from collections.abc import Iterator, Sequence
from itertools import takewhile

from estimator.migration.order.moves import Move
from estimator.migration.switch_plan.plan import PlannedStep, SwitchPlan
from estimator.report import wording
from estimator.report.blocks import (
    Block,
    Code,
    Document,
    FactList,
    Listing,
    Section,
)
from estimator.report.content import example_banners
from estimator.report.switch_plan.commands import (
    how_fast,
    release_lines,
    rollback_lines,
    shift_lines,
    warm_up_lines,
    watch_lines,
)
from estimator.report.switch_plan.content import (
    doubts,
    facts,
    headline,
    mind,
    pins_grid,
    release_list,
    steps_grid,
    stops_grid,
)
from estimator.report.switch_plan.times import clock, day_and_time, duration, ratio


def runbook_of(plan: SwitchPlan, moves: Sequence[Move]) -> Document:
    """Return the runbook; `moves` are the paths with their snippets, if they are known."""
    begins = day_and_time(plan.timetable.start, plan.timetable.zone)
    head: tuple[Block, ...] = (
        *example_banners(plan.projection),
        *doubts(plan),
        headline(plan),
        FactList(tuple(facts(plan))),
    )
    sections = (
        Section("overview", "All steps", (steps_grid(plan), pins_grid(plan))),
        Section("rules", "At every step", (_rules(moves),)),
        Section("before", "Before the day", tuple(_before(plan, moves))),
        *(_section(number, plan, moves) for number in range(len(plan.steps))),
        Section("after", "After the last step", tuple(_after(plan))),
        Section("numbers", "Where the numbers come from", tuple(_numbers(plan))),
    )
    return Document(f"Switch on {begins}", head, sections, "")


def _rules(moves: Sequence[Move]) -> Listing:
    return Listing(
        "When to stop, and how to go back",
        (
            "Every step has its limits. If one is exceeded in the warm-up, there is no step: set"
            " the ratio to 0.",
            "If one is exceeded after the step, go back at once: the commands stand below the"
            " limits.",
            "All the way back, from any step: the commands of step 1, Back to 0%.",
            how_fast(moves),
            "The mirror stops before the step: copies and requests together would be more than the"
            " share.",
        ),
    )


def _before(plan: SwitchPlan, moves: Sequence[Move]) -> Iterator[Block]:
    last = plan.steps[-1]
    most = ", ".join(f"{part.pinned} of {part.name}" for part in last.components)
    yield Listing(
        "Check",
        (
            f"The nodes hold the pods of the last step: {most}.",
            "The requests and HPAs of the new side are those of estimate --manifests: the"
            " replicas here were counted for them.",
            "estimate coverage loses no request of what moves, and estimate verify says go.",
            "mirror status says ok, without errors of the copies.",
            "kubectl is set to the cluster and the namespace of the new side: the commands name"
            " neither.",
        ),
    )
    yield mind(plan)
    if moves:
        yield Listing(
            "Prepare",
            (
                "All files named here are in the folder that --output wrote.",
                "Put what prepare/ holds into force: it changes nothing as long as the share is"
                " 0%.",
                *map(_head_of, moves),
            ),
        )


def _head_of(move: Move) -> str:
    """Return what the snippet says of itself, with the addresses of both sides."""
    lines = takewhile(lambda line: line.startswith("#"), move.start.text.splitlines())
    return " ".join(line.removeprefix("# ") for line in lines)


def _section(number: int, plan: SwitchPlan, moves: Sequence[Move]) -> Section:
    step, zone = plan.steps[number], plan.timetable.zone
    title = f"Step {number + 1}: {step.percent}% at {clock(step.begins, zone)}"
    return Section(f"step-{number + 1}", title, tuple(_step(number, plan, moves)))


def _step(number: int, plan: SwitchPlan, moves: Sequence[Move]) -> Iterator[Block]:
    step, zone = plan.steps[number], plan.timetable.zone
    yield Code(f"Warm up from {clock(step.warm_up_begins, zone)}", tuple(warm_up_lines(step, plan)))
    yield Listing("Before the step", tuple(_judge(step)))
    yield Code(
        f"Take the step at {clock(step.begins, zone)}",
        tuple(shift_lines(number, step, moves)),
    )
    yield stops_grid(step)
    yield Code(f"Watch until {clock(step.ends, zone)}", tuple(watch_lines(step)))
    yield Code(f"Back to {step.percent_before}%", tuple(rollback_lines(number, step, moves)))


def _numbers(plan: SwitchPlan) -> Iterator[Block]:
    for number, step in enumerate(plan.steps):
        yield Listing(
            f"Step {number + 1}: {step.percent}%",
            tuple(f"{what}: {words}" for what, words in _step_facts(number, plan)),
        )


def _step_facts(number: int, plan: SwitchPlan) -> Iterator[tuple[str, str]]:
    step, load = plan.steps[number], plan.loads[number]
    yield "Expected", f"{wording.shown(step.expected)}: {step.expected.reason}"
    yield "New side", f"{wording.shown(step.new_rps)}, at most about {step.requests:,.0f} requests"
    yield "Rests on", f"{load.basis.value}, {load.times} recorded time{'s' * (load.times != 1)}"
    for part in step.components:
        alone = f"; an HPA alone would take {duration(part.alone_s)}" if part.alone_s else ""
        yield (
            part.name,
            f"{wording.shown(part.replicas)} replicas for {wording.shown(part.rps)}:"
            f" {part.replicas.reason}{alone}",
        )
    rehearsals = dict(plan.rehearsals)
    for part in step.components:
        if (found := rehearsals[part.name]) is not None and found.alone.steps[number]:
            yield (
                f"{part.name}, simulated",
                f"{duration(found.alone.steps[number])} at saturation with the HPA alone,"
                f" {duration(found.planned.steps[number])} with the raised minimum",
            )


def _judge(step: PlannedStep) -> Iterator[str]:
    warm_up = step.warm_up
    yield (
        f"With a ratio of {ratio(warm_up.ratio)} the new side gets {step.percent}% of the reads:"
        f" at most about {warm_up.copies:,.0f} copies in {duration(warm_up.mirror_s)}. If one of"
        " the limits below is exceeded now, there is no step."
    )
    if not warm_up.is_judgeable:
        yield "These are too few copies for a p99: leave the ratio for longer."


def _after(plan: SwitchPlan) -> Iterator[Block]:
    yield release_list(plan)
    due = [release for release in plan.releases if release.is_due]
    with_hpa = [release for release in due if release.has_hpa]
    if with_hpa:
        names = " ".join(release.name for release in with_hpa)
        yield Code(
            "The HPA's own recommendation is REPLICAS times the first over the second of TARGETS,"
            " rounded up",
            (f"kubectl get hpa {names} --watch",),
        )
    if due:
        yield Code("Release", tuple(release_lines(due)))
    if plan.worst is not None:
        after = plan.worst.planned.after
        yield Listing(
            "Simulated",
            (f"{duration(after)} at saturation in the hour after the release at the last step.",),
        )

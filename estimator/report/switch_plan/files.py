"""The folder of a plan: for every step its commands, patches and snippets, and those back.

    prepare/           what is written once, and the state at 0 %
    step-1/            commands.sh, pin-NAME.yaml, the snippets of the paths
    step-1/rollback/   commands.sh, the same snippets with the weights before the step
    release/           commands.sh, release-NAME.yaml

Nobody should run commands.sh as a whole: it waits for nothing, and a proxy's file has to be copied
first. Therefore it says so and ends at once when it is executed; its lines are there to copy.
"""

from collections.abc import Iterable, Sequence

from estimator.migration.order.moves import Move
from estimator.migration.switch_plan.plan import ComponentStep, Release, SwitchPlan
from estimator.report.manifests import check_names
from estimator.report.switch_plan.commands import (
    raised_in,
    release_lines,
    rollback_folder,
    rollback_lines,
    shift_lines,
    snippets_of,
    step_folder,
    warm_up_lines,
)
from estimator.report.switch_plan.times import clock, day_and_time, duration
from estimator.report.yaml_text import Why, to_yaml
from mirror.formats.foreign_text import visible

_HEAD = (
    "#!/bin/sh",
    "# The files named here are below the folder of the plan: change to it first.",
    "echo 'Copy the lines of this file one by one: between them somebody has to look.' >&2",
    "exit 1",
)


def plan_files(plan: SwitchPlan, moves: Sequence[Move]) -> dict[str, dict[str, str]]:
    """Return the text of every file by folder and name.

    Raises InputError with every name that Kubernetes would refuse.
    """
    check_names(plan.projection)
    folders: dict[str, dict[str, str]] = {}
    if moves:
        folders["prepare"] = {move.start.file: move.start.text for move in moves} | {
            f"once-for-{move.start.file}.txt": move.start.preparation
            for move in moves
            if move.start.preparation
        }
    cautions = _cautions(plan)
    has_hpa = {release.name: release.has_hpa for release in plan.releases}
    zone = plan.timetable.zone
    for number, step in enumerate(plan.steps):
        folder = step_folder(number)
        snippets = snippets_of(number, moves)
        begins = f"# Step {number + 1}: {step.percent}% on {day_and_time(step.begins, zone)}"
        lines = (
            begins,
            f"# Warm-up from {clock(step.warm_up_begins, zone)} on:",
            *warm_up_lines(step, plan),
            f"# The step at {clock(step.begins, zone)}, if no limit is exceeded:",
            *shift_lines(number, step, moves),
        )
        folders[folder] = {
            "commands.sh": _script(lines, cautions),
            **{snippet.file: snippet.text for snippet in snippets},
            **{
                f"pin-{part.name}.yaml": _pin(part, step.percent, folder, cautions)
                for part in raised_in(step, plan)
                if has_hpa[part.name]
            },
        }
        back = (f"# Back to {step.percent_before}%", *rollback_lines(number, step, moves))
        folders[rollback_folder(number)] = {
            "commands.sh": _script(back, cautions),
            **{snippet.file: snippet.rollback for snippet in snippets},
        }
    due = [release for release in plan.releases if release.is_due]
    if due:
        folders["release"] = {
            "commands.sh": _script(release_lines(due), cautions),
            **{
                f"release-{release.name}.yaml": _release(release, cautions)
                for release in due
                if release.has_hpa
            },
        }
    return folders


def _cautions(plan: SwitchPlan) -> list[str]:
    """Return what whoever opens one file alone has to know, as in the manifests of `estimate`."""
    cautions = [f"Low confidence: {reason}" for reason in plan.low_confidence]
    if plan.projection.is_example_table:
        cautions.insert(0, "FROM THE EXAMPLE TABLE: not a sizing of your cluster. Do not apply.")
    return cautions


def _script(lines: Iterable[str], cautions: Sequence[str]) -> str:
    # A reason may come from a user's file: a line break in it must not end its comment.
    notes = (f"# {visible(' '.join(caution.split()))}" for caution in cautions)
    return "\n".join((*_HEAD, *notes, *lines)) + "\n"


def _pin(part: ComponentStep, percent: int, folder: str, cautions: Sequence[str]) -> str:
    """Return the patch of an HPA with a raised minimum."""
    why = f"{percent}% of the traffic: {part.replicas.value:g} needed. {part.replicas.reason}"
    head = [*_how(part.name, f"{folder}/pin-{part.name}.yaml"), *cautions]
    return to_yaml({"spec": {"minReplicas": Why(part.pinned, why)}}, head)


def _release(release: Release, cautions: Sequence[str]) -> str:
    why = (
        f"when the HPA's own recommendation was at least {release.condition} for"
        f" {duration(release.window_s)}"
    )
    tree = {"spec": {"minReplicas": Why(release.released, why)}}
    head = [*_how(release.name, f"release/release-{release.name}.yaml"), *cautions]
    return to_yaml(tree, head)


def _how(name: str, path: str) -> list[str]:
    return [
        "This is a patch of an HPA, not a complete object:",
        f"kubectl patch hpa {name} --type merge --patch-file {path}",
    ]

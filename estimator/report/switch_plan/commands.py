"""The commands of a plan: before a step, at it, and back; and after the last one.

Names are those of the table, which Kubernetes has to accept (files.py checks it): a Deployment
and an HPA of that name, as in the manifests of `estimate`. They are written for the namespace and
the context that kubectl is set to. Files are those of files.py, below the folder of the plan.
"""

from collections.abc import Iterator, Sequence

from estimator.migration.order.moves import Move
from estimator.migration.snippets.step import Snippet
from estimator.migration.switch_plan.plan import ComponentStep, PlannedStep, Release, SwitchPlan
from estimator.report.switch_plan.times import duration, ratio

STOP_MIRROR = "mirror set ratio 0"


def pin_command(name: str, count: int, has_hpa: bool) -> str:
    """Return the command that sets a minimum, or the count where there is no HPA."""
    if not has_hpa:
        return f"kubectl scale deployment {name} --replicas={count}"
    patch = f'{{"spec":{{"minReplicas":{count}}}}}'
    return f"kubectl patch hpa {name} --type merge --patch '{patch}'"


def warm_up_lines(step: PlannedStep, plan: SwitchPlan) -> Iterator[str]:
    """Yield the commands from the begin of the warm-up on."""
    has_hpa = {release.name: release.has_hpa for release in plan.releases}
    raised = raised_in(step, plan)
    if names := [part.name for part in raised if has_hpa[part.name]]:
        yield "# Leave a minimum that is higher already:"
        yield f"kubectl get hpa {' '.join(names)}"
    for part in raised:
        yield pin_command(part.name, part.pinned, has_hpa[part.name])
    warm_up = step.warm_up
    yield f"# Go on when READY is at least this, in about {duration(warm_up.pin_s)}:"
    for part in step.components:
        yield f"kubectl get deployment {part.name}  # at least {part.pinned}"
    yield f"# Copies up to {step.percent}% of the requests, at least {duration(warm_up.mirror_s)}:"
    yield f"mirror set ratio {ratio(warm_up.ratio)}"
    yield "mirror status --follow  # outcomes and latency of the copies"


def raised_in(step: PlannedStep, plan: SwitchPlan) -> list[ComponentStep]:
    """Return the components whose minimum, or count, changes before a step.

    A count without an HPA is set before the first step, whatever it is.
    """
    counted = {release.name for release in plan.releases if not release.has_hpa}
    return [
        part
        for part in step.components
        if part.pinned > part.pinned_before or (not step.percent_before and part.name in counted)
    ]


def watch_lines(step: PlannedStep) -> Iterator[str]:
    """Yield the commands that show cpu and replicas of the new side."""
    yield f"kubectl get hpa {' '.join(part.name for part in step.components)}"
    for part in step.components:
        yield f"kubectl top pods --containers -l app={part.name}"


def shift_lines(number: int, step: PlannedStep, moves: Sequence[Move]) -> Iterator[str]:
    """Yield the commands that take the step; `number` counts from 0."""
    yield STOP_MIRROR
    yield from _put(step_folder(number), number, step.percent, moves)


def rollback_lines(number: int, step: PlannedStep, moves: Sequence[Move]) -> Iterator[str]:
    """Yield the commands that take the step back."""
    yield from _put(rollback_folder(number), number, step.percent_before, moves)
    yield STOP_MIRROR


def release_lines(releases: Sequence[Release]) -> Iterator[str]:
    """Yield the commands that give the raised minima back."""
    due = [release for release in releases if release.is_due]
    if any(release.has_hpa for release in due):
        yield "# Or to the minimum of before the switch, where that was higher:"
    for release in due:
        yield pin_command(release.name, release.released, release.has_hpa)


def step_folder(number: int) -> str:
    return f"step-{number + 1}"


def rollback_folder(number: int) -> str:
    return f"{step_folder(number)}/rollback"


def snippets_of(number: int, moves: Sequence[Move]) -> list[Snippet]:
    """Return the snippet of each path at a step, counted from 0."""
    return [move.steps[number][1] for move in moves]


def _put(folder: str, number: int, percent: int, moves: Sequence[Move]) -> Iterator[str]:
    """Yield what puts the snippets of a folder into force."""
    snippets = snippets_of(number, moves)
    if not snippets:
        yield f"# Send {percent}% of the requests to the new side, where your router divides them."
    commands = []
    for snippet in snippets:
        path = f"{folder}/{snippet.file}"
        if snippet.file not in snippet.command:
            yield f"# Copy {path} to where the configuration includes it."
        commands.append(snippet.command.replace(snippet.file, path))
    # A program that reloads reads all of its files at once.
    yield from dict.fromkeys(commands)


_BY_RELOAD = (
    "The reload is graceful: the next requests go back at once, and those in flight end where they"
    " are."
)
_BY_ISTIOD = (
    "istiod waits 0.1 s for further changes (10 s at most) and sends the routes to the gateways:"
    " the next requests go back within seconds, and those in flight end where they are."
)
_BY_HAND = "It takes as long as your router needs for a weight."
_KEEP = " The old side still runs, and the raised minima stay for the next try."


def how_fast(moves: Sequence[Move]) -> str:
    """Return how fast a rollback is. istiod: pilot/pkg/features (PILOT_DEBOUNCE_AFTER, _MAX)."""
    if not moves:
        return _BY_HAND + _KEEP
    is_reload = moves[0].program in ("apache", "nginx")
    return (_BY_RELOAD if is_reload else _BY_ISTIOD) + _KEEP

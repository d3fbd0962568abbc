"""The steps as files: one folder for each phase and path, and one preparation for each phase.

phase-1-to-2/preparation.conf       all paths, the more specific ones first
phase-1-to-2/NAME/000.conf          the start
phase-1-to-2/NAME/005.conf          the step to 5%
phase-1-to-2/NAME/005-rollback.conf what undoes it
"""

from pathlib import PurePath

from estimator.migration.order.moves import Move
from estimator.migration.order.plan import Plan
from estimator.migration.snippets.path import MovedPath


def files_of(plan: Plan) -> dict[PurePath, dict[str, str]]:
    """Return the text of each file by its name, by folder."""
    folders: dict[PurePath, dict[str, str]] = {}
    movable = [
        (MovedPath.of(template), path.moves)
        for path in plan.paths
        if path.moves and (template := path.placed.facts.template) is not None
    ]
    movable.sort(key=lambda each: each[0].precedence)
    for path, moves in movable:
        for move in moves:
            phase = PurePath(f"phase-{move.phases.replace(' ', '-')}")
            folders[phase / path.name] = _steps(move)
            if move.start.preparation:
                name = f"preparation{_suffix(move)}"
                files = folders.setdefault(phase, {})
                files[name] = "\n".join(filter(None, (files.get(name), move.start.preparation)))
    return folders


def _steps(move: Move) -> dict[str, str]:
    suffix = _suffix(move)
    files = {f"000{suffix}": move.start.text}
    for percent, snippet in move.steps:
        files[f"{percent:03}{suffix}"] = snippet.text
        files[f"{percent:03}-rollback{suffix}"] = snippet.rollback
    return files


def _suffix(move: Move) -> str:
    return PurePath(move.start.file).suffix

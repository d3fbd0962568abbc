"""The order of a move as JSON."""

from typing import Any

from estimator.migration.order.groups import Group
from estimator.migration.order.moves import Move
from estimator.migration.order.plan import Plan, PlannedPath
from estimator.report.data import confidence_data, json_text

FORMAT = "kagami-order"
VERSION = 1


def to_json(plan: Plan) -> str:
    """Return the whole plan; it ends in a newline."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "confidence": confidence_data(plan.doubts),
        "notes": list(plan.notes),
        "groups": {group.value: len(plan.of(group)) for group in Group},
        "paths": [_path(path) for path in plan.paths],
    }
    return json_text(document)


def _path(path: PlannedPath) -> dict[str, Any]:
    placed, facts = path.placed, path.placed.facts
    return {
        "tag": facts.tag,
        "template": facts.template,
        "group": placed.group.value,
        "reasons": list(placed.reasons),
        "hints": list(placed.hints),
        "peak_rps": facts.traffic.peak_rps,
        "peak_averaging_s": facts.traffic.averaging_s,
        "peak_second": facts.traffic.peak_second,
        "share_ratio": facts.traffic.share_ratio,
        "seen": _seen(path),
        "state": _state(path),
        "rehearsal": _rehearsal(path),
        "moves": [_move(move) for move in path.moves],
    }


def _seen(path: PlannedPath) -> dict[str, Any] | None:
    seen = path.placed.facts.seen
    if seen is None:
        return None
    return {
        "requests": seen.requests,
        "methods": {method or "unknown": n for method, n in sorted(seen.methods.items())},
        "upgrades": seen.upgrades,
        "answered": seen.answered,
        "refused": seen.refused,
        "served": seen.served,
        "lost": seen.lost,
        "undecided": seen.undecided,
        "why": seen.why or None,
        "rules": [{"rule": rule, "requests": n} for rule, n in seen.rules.most_common()],
    }


def _state(path: PlannedPath) -> dict[str, Any] | None:
    state = path.placed.facts.state
    if state is None:
        return None
    return {
        "requests": state.requests,
        "session": state.session,
        "session_cookies": sorted(state.cookies),
        "authorization": state.authorization,
        "upgrades": state.upgrades,
    }


def _rehearsal(path: PlannedPath) -> dict[str, Any] | None:
    rehearsal = path.placed.facts.rehearsal
    if rehearsal is None:
        return None
    production = rehearsal.production
    return {
        "copies": rehearsal.copies.count,
        "errors": dict(rehearsal.kinds),
        "error_ratio": rehearsal.copies.error_ratio,
        "production_error_ratio": None if production is None else production.error_ratio,
        "new_error_ratio": rehearsal.new_error_ratio,
        "is_paired": rehearsal.is_paired,
    }


def _move(move: Move) -> dict[str, Any]:
    return {
        "phases": move.phases,
        "program": move.program.value,
        "file": move.start.file,
        "command": move.start.command,
        "preparation": move.start.preparation or None,
        "start": move.start.text,
        "steps": [
            {"percent": percent, "text": snippet.text, "rollback": snippet.rollback}
            for percent, snippet in move.steps
        ],
    }

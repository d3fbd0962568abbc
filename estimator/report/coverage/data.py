"""The coverage as JSON, in the stable shape of docs/formats.md, "Coverage"."""

from typing import Any

from estimator.migration.coverage.result import Allowed, Coverage, Group
from estimator.migration.coverage.verdicts import Verdict
from estimator.report.coverage import words
from estimator.report.coverage.content import doubts_of
from estimator.report.data import confidence_data, json_text
from estimator.report.yaml_text import plain
from estimator.routing.decision import Decision
from estimator.routing.rules import Place

FORMAT = "kagami-coverage"
VERSION = 1


def to_json(coverage: Coverage, allowed: Allowed) -> str:
    """Return the coverage as JSON text that ends in a newline."""
    return json_text(to_data(coverage, allowed))


def to_data(coverage: Coverage, allowed: Allowed) -> dict[str, Any]:
    """Return the coverage as plain values."""
    seconds = coverage.seconds
    return {
        "format": FORMAT,
        "version": VERSION,
        "is_lossy": coverage.is_lossy(allowed),
        "confidence": confidence_data(doubts_of(coverage, allowed)),
        "source": coverage.source,
        "first_s": None if seconds is None else seconds[0],
        "last_s": None if seconds is None else seconds[1],
        "requests": {
            "served": coverage.served,
            "served_without_status": coverage.unrecorded,
            "refused": coverage.refused,
            "rejected": coverage.count_of(Verdict.REJECTED),
            "elsewhere": coverage.count_of(Verdict.ELSEWHERE),
            "undecided": coverage.undecided_count,
        },
        "lost_ratio": coverage.lost_ratio,
        "undecided_ratio": coverage.undecided_ratio,
        "allowed": {"lost": allowed.lost, "undecided": allowed.undecided},
        "lost": [_group(group) for group in coverage.lost],
        "unknown_paths": [words.where(group) for group in coverage.unknown],
        "undecided": [
            {
                "depends_on": list(each.depends_on),
                "requests": each.count,
                "example": each.example,
                "candidates": [_decision(candidate) for candidate in each.candidates],
                "decided_by": words.deciding(each.depends_on),
            }
            for each in coverage.undecided
        ],
        "refused_anyway": [_requests(group) for group in coverage.refused_anyway],
        "rules": coverage.rules,
        "unused_rules": [_place(place) for place in coverage.unused],
        "not_judged": [
            {"feature": each.feature, "requests": each.count} for each in coverage.unjudged
        ],
        "warnings": list(coverage.warnings),
        "left_out": dict(coverage.left_out),
        "objects_left_out": dict(coverage.objects_left_out),
        "notes": list(coverage.notes),
    }


def _requests(group: Group) -> dict[str, Any]:
    return {
        "host": group.host,
        "path": group.shape,
        "requests": group.count,
        "last_s": group.last_s,
        "methods": list(group.methods),
        "statuses": {str(status): count for status, count in group.statuses.items()},
        "example": group.example,
    }


def _group(group: Group) -> dict[str, Any]:
    nearest, suggestion = group.nearest, group.suggestion
    return {
        "verdict": group.verdict.value,
        **_requests(group),
        "decision": _decision(group.decision),
        "shadowed": None if group.shadowed is None else _place(group.shadowed.place),
        "nearest": None
        if nearest is None
        else {"rule": _place(nearest.rule.place), "reason": nearest.words},
        "before": None if group.before is None else _decision(group.before),
        "difference": group.difference or None,
        "add": None
        if suggestion is None
        else {
            "object": _place(suggestion.place),
            "key": f"spec.{suggestion.key}",
            "where": suggestion.where,
            "items": [plain(item) for item in suggestion.items],
            "notes": list(suggestion.notes),
        },
        "add_nothing_because": group.no_suggestion or None,
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "outcome": decision.outcome.value,
        "status": decision.status,
        "location": decision.location,
        "services": [each.host for each in decision.destinations],
        "rule": None if decision.rule is None else _place(decision.rule.place),
        "why": decision.why,
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "file": place.file,
        "line": place.line,
        "kind": place.kind,
        "namespace": place.namespace,
        "name": place.name,
        "part": place.part,
    }

"""The report as JSON for programs: docs/comparison.md describes every key.

Numbers are whole: nothing is left out, and nothing is rounded.
"""

import json
import math
from typing import Any

import msgspec

from mirror.comparison.report.judgement import Judged, Judgement
from mirror.comparison.report.parts import Pairs, Sum
from mirror.comparison.report.safety import Level
from mirror.formats.comparison import is_new_error
from mirror.noise import Bounded, Difference

FORMAT = "kagami-compare"
VERSION = 1


def as_json(compared: Sum, judgement: Judgement) -> str:
    """Return the report as one JSON object."""
    return json.dumps(_report(compared, judgement), indent=2, ensure_ascii=False)


def _report(compared: Sum, judgement: Judgement) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "verdict": judgement.level.value,
        "exit_code": judgement.exit_code,
        "reasons": list(judgement.reasons),
        "doubts": list(judgement.doubts),
        "since_s": compared.first_s,
        "until_s": compared.last_s,
        "sources": [
            {
                "source": part.source,
                "instance": part.instance or None,
                "mode": part.mode or None,
                "since_s": part.first_s,
                "until_s": part.last_s,
                "waiting": part.waiting,
                "pairs_without_latency": part.pairs_without_latency,
                "log": part.log and msgspec.to_builtins(part.log),
            }
            for part in compared.parts
        ],
        "all": _judged(judgement.all),
        "routes": [{"route": judged.name, **_judged(judged)} for judged in judgement.routes],
        "examples": [msgspec.to_builtins(example) for example in compared.examples],
        "examples_not_kept": compared.examples_not_kept,
    }


def _judged(judged: Judged) -> dict[str, Any]:
    pairs, errors = judged.pairs, judged.new_errors
    return {
        "pairs": pairs.number,
        "new_errors": pairs.new_errors,
        "new_error_ratio": errors.share,
        "new_error_ratio_at_least": errors.least,
        "new_error_ratio_at_most": errors.most,
        "allowed_ratio": errors.allowed,
        "pairs_needed": errors.needed,
        "too_many_new_errors": errors.level is Level.UNSAFE,
        "too_few_pairs": errors.has_too_few_pairs,
        "too_slow": judged.level_of_p99 is Level.UNSAFE,
        "allowed_slower": judged.slower,
        **_counts(pairs),
        "p50_ms": _latency(judged.p50),
        "p99_ms": _latency(judged.p99),
    }


def _counts(pairs: Pairs) -> dict[str, Any]:
    results = {
        result: {"pairs": count, "is_new_error": is_new_error(result)}
        for result, count in sorted(pairs.results.items())
    }
    return {
        "classes": dict(sorted(pairs.classes.items())),
        "results": results,
        "uncompared": dict(sorted(pairs.uncompared.items())),
    }


def _latency(difference: Difference | None) -> dict[str, Any] | None:
    if difference is None:
        return None
    return {
        "primary": _bounded(difference.before),
        "shadow": _bounded(difference.after),
        "ratio": _finite(difference.ratio),
        "is_beyond_noise": difference.is_beyond_noise,
    }


def _bounded(bounded: Bounded) -> dict[str, Any]:
    return {"value": bounded.value, "low": bounded.low, "high": _finite(bounded.high)}


def _finite(number: float) -> float | None:
    """Return null for infinity, which JSON cannot hold: there is no upper bound."""
    return number if math.isfinite(number) else None

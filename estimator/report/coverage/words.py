"""Statuses, outcomes and options as a reader says them."""

from collections.abc import Iterable, Mapping

from estimator.migration.coverage.result import Group
from estimator.migration.coverage.suggestion import Suggestion
from estimator.migration.coverage.verdicts import missing_change
from estimator.report.yaml_text import to_yaml
from estimator.routing.decision import Decision, Outcome

MOST_STATUSES = 4
_ORDER = "the order of "
_OPTIONS = {
    "authority": "--authority HOST",
    "scheme": "--scheme https",
    "method": "a source that records the method",
}


def requests(count: int) -> str:
    """Return `1 request` or `1,234 requests`."""
    return f"{count:,} request{'' if count == 1 else 's'}"


def statuses(counts: Mapping[int, int]) -> str:
    """Return production's statuses, the most frequent first: `200 x 31, 304 x 2`."""
    if not counts:
        return "not recorded"
    shown = [f"{status} x {count:,}" for status, count in counts.items()][:MOST_STATUSES]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def where(group: Group) -> str:
    """Return host and path shape."""
    return f"{group.host or '(any host)'}{group.shape}"


def outcome(decision: Decision) -> str:
    """Return what a decision does as a part of a sentence: `forwarded to web.shop`."""
    if decision.outcome is Outcome.FORWARDED:
        return f"forwarded to {listed(dict.fromkeys(each.host for each in decision.destinations))}"
    if decision.outcome is Outcome.REDIRECTED:
        target = "" if decision.location is None else f" to {decision.location}"
        return f"redirected{target} ({decision.status})"
    if decision.outcome is Outcome.ANSWERED:
        return f"answered by the gateway itself ({decision.status})"
    if decision.outcome is Outcome.REJECTED:
        return f"rejected ({decision.status})"
    return decision.why


def short_outcome(decision: Decision) -> str:
    """Return the same for a column, without the Location of a redirect."""
    if decision.status is not None:
        return f"{decision.outcome} ({decision.status})"
    return outcome(decision)


def change(group: Group) -> str:
    """Return what becomes of a group; for the service of today, with the path that it would get."""
    text, before = short_outcome(group.decision), group.before
    if group.decision.outcome is not Outcome.FORWARDED or before is None:
        return text
    return f"{text} as {group.decision.target}" if missing_change(before, group.decision) else text


def deciding(depends_on: Iterable[str]) -> str:
    """Return the options that decide what nobody recorded: `header x-user`, `port 80 or 443`."""
    return listed(map(_option, depends_on))


def _option(name: str) -> str:
    kind, _, value = name.partition(" ")
    if kind in ("port", "gateway"):
        return f"--{name}"
    if kind == "header":
        return f"--header '{value}: VALUE'"
    if name.startswith(_ORDER):
        return f"one object in place of {name.removeprefix(_ORDER)}"
    return _OPTIONS.get(name, "a source that records the whole query")


def addition(suggestion: Suggestion) -> str:
    """Return what to do with the YAML of a suggestion."""
    place = f", {suggestion.where}" if suggestion.where else ""
    return f"Add to spec.{suggestion.key} of {suggestion.place.resource}{place}"


def yaml_of(suggestion: Suggestion) -> str:
    """Return the YAML to add, with what a reader must check as comments above it."""
    return to_yaml({suggestion.key: list(suggestion.items)}, suggestion.notes)


def listed(names: Iterable[str]) -> str:
    """Return `a, b and c`, and `nothing` for no names."""
    *first, last = [*names] or ["nothing"]
    return f"{', '.join(first)} and {last}" if first else last

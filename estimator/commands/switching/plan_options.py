"""The options that say when a switch happens, and which of its paths have snippets."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, TypeVar

import click

from estimator import units
from estimator.errors import InputError, Problem
from estimator.migration.order.moves import Move, Sites, moves_of
from estimator.migration.snippets.path import MovedPath
from estimator.migration.switch_plan.plan import Wanted
from estimator.migration.switch_plan.warm_up import warm_up
from estimator.model.policy import Policy
from estimator.observed.usage_file import parse_time
from estimator.series.rps import RpsSeries
from mirror.formats.access_log.times import zone_of
from mirror.formats.routes import route_tag

_Command = TypeVar("_Command", bound=Callable[..., Any])
Moves = tuple[Move, ...]

MOST_HOLD_S = 7 * 86_400
NOT_OF_A_DAY = ("horizon_months", "return_days", "max_surge_ratio", "downstream_rps")
"""Options of the policy that say nothing about one day: growth reaches to that day."""

_OPTIONS = (
    click.option(
        "--at",
        metavar="TIME",
        help="When the first step begins: Unix time, 2026-12-01T10:00+09:00, or 2026-12-01T10:00"
        " with --zone. [default: the working hours (Monday to Friday, 9:00 to 17:00) with the least"
        " load, in the week after the series]",
    ),
    click.option(
        "--zone",
        metavar="ZONE",
        help="Time zone of the plan, such as UTC, +09:00 or Europe/Berlin. [default: that of --at,"
        " otherwise UTC]",
    ),
    click.option(
        "--hold",
        default="30m",
        show_default=True,
        metavar="DURATION",
        help="How long each step is held.",
    ),
    click.option(
        "--already",
        multiple=True,
        metavar="ROUTES",
        help="With --paths: routes that the new side serves already. Their load is part of its"
        " replicas (repeatable).",
    ),
)
EVERYTHING = "/*"
"""The template of all paths."""
SECTIONS = dict.fromkeys(("at", "zone", "steps", "hold", "already"), "The day")
"""Heading in the help, by click's name of the option."""


def plan_options(command: _Command) -> _Command:
    """Add the options of the day to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_wanted(
    texts: Mapping[str, Any], percents: tuple[int, ...] | None, policy: Policy | None
) -> Wanted:
    """Return when the switch is wanted, in steps of these percentages.

    `texts` holds the options by click's name; steps and policy are None where they could not be
    read. Raises InputError with every option that cannot be used.
    """
    problems: list[Problem] = []

    def read(option: str, parse: Callable[[str], Any]) -> Any:
        try:
            return None if texts[option] is None else parse(texts[option].strip())
        except ValueError as error:
            problems.append(Problem(f"--{option}", str(error)))
            return None

    zone = read("zone", zone_of)
    at = read("at", lambda words: _time(words, zone))
    hold_s = read("hold", lambda words: _hold(words, policy, percents))
    served = _tags(texts["already"])
    moving = () if policy is None else policy.paths
    if served and policy is not None and not moving:
        problems.append(Problem("--already", "expected --paths beside it: all routes move"))
    problems += [
        Problem("--already", f"expected no route of --paths, got {route}")
        for route in sorted(set(served) & set(moving))
    ]
    if problems:
        raise InputError(problems)
    second, own_zone = at or (None, UTC)
    return Wanted(percents or (), hold_s, zone or own_zone, second, served)


def check_already(wanted: Wanted, series: RpsSeries) -> None:
    """Raise InputError for every route of --already that the series does not have."""
    routes = ", ".join(series.routes)
    problems = [
        Problem("--already", f"route {route} is not in the series; it has {routes}")
        for route in wanted.served
        if route not in series.routes
    ]
    if problems:
        raise InputError(problems)


def _tags(texts: Sequence[str]) -> tuple[str, ...]:
    paths = (path.strip() for words in texts for path in words.split(","))
    return tuple(dict.fromkeys(route_tag(path) for path in paths if path))


def read_moves(paths: Sequence[str], templates: Iterable[str], sites: Sites, phase: int) -> Moves:
    """Return how each path moves in this phase.

    `paths` are the texts of --paths, none of them for all; `templates` are those of the table: they
    give a path that is named by its tag. Raises InputError with every path that no snippet can be
    made of.
    """
    problems: list[Problem] = []
    moves = []
    for template in _templates(paths, templates):
        try:
            moves.append(moves_of(MovedPath.of(template), sites)[phase - 2])
        except ValueError as error:
            rule = f"--output can write no snippet of {template}: {error}"
            problems.append(Problem("--paths", rule))
    if problems:
        raise InputError(problems)
    return tuple(moves)


def _templates(paths: Sequence[str], templates: Iterable[str]) -> list[str]:
    """Return the templates of the paths, each once; a tag stands for the table's template."""
    by_tag = {route_tag(template): template for template in templates}
    chosen = [path.strip() for words in paths for path in words.split(",") if path.strip()]
    if not chosen:
        return [EVERYTHING]
    return list(dict.fromkeys(by_tag.get(route_tag(path), path) for path in chosen))


def _time(words: str, zone: tzinfo | None) -> tuple[int, tzinfo]:
    """Return the Unix time, and the zone that the words state."""
    try:
        moment = datetime.fromisoformat(words)
    except ValueError:
        return int(parse_time(words)), UTC
    if moment.tzinfo is None:
        if zone is None:
            raise ValueError(
                f"expected an offset from UTC, as in {words}+09:00, or --zone beside {words!r}"
            )
        moment = moment.replace(tzinfo=zone)
    assert moment.tzinfo is not None
    return int(parse_time(f"{moment.timestamp()}")), moment.tzinfo


def _hold(words: str, policy: Policy | None, percents: tuple[int, ...] | None) -> int:
    hold_s = units.parse_duration(words)
    if hold_s > MOST_HOLD_S:
        raise ValueError(f"expected at most {units.format_duration(MOST_HOLD_S)}, got {words}")
    if policy is not None and percents is not None and len(percents) > 1:
        lead_s = warm_up(percents[0], 0, 0.0, policy).lead_s
        if hold_s < lead_s:
            raise ValueError(
                f"expected at least {units.format_duration(lead_s)}, got {words}: the warm-up of a"
                " step passes while the step before it is held"
            )
    return hold_s

"""One command line option for every field of the model's Policy.

The sentence of an option, its default and the reason for it come from the Policy itself, so that
the help cannot say anything else than the report. Here stand only the option's name, how it is
written and how it is read. Every option is read as text and all of them are read before one is
complained about.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import click

from estimator import units
from estimator.commands import quantities
from estimator.commands.quantities import Bounds, Reader
from estimator.errors import InputError, Problem
from estimator.model.policy import OPTIONS, Policy
from mirror.formats.routes import route_tag

_Command = TypeVar("_Command", bound=Callable[..., Any])
_SHARE = Bounds(0, 1)
_MANY = 100_000


@dataclass(frozen=True, slots=True)
class PolicyOption:
    """How a field of the Policy is written on the command line."""

    field: str
    flag: str
    metavar: str
    read: Reader
    example: str = ""
    section: str = ""
    is_repeatable: bool = False


def _under(section: str, *options: PolicyOption) -> tuple[PolicyOption, ...]:
    return tuple(replace(option, section=section) for option in options)


def _paths(words: str) -> tuple[str, ...]:
    routes = tuple(route_tag(route.strip()) for route in words.split(",") if route.strip())
    if not routes:
        raise ValueError(f"expected routes such as /watch/{{id}}, got {words!r}")
    return routes


_EVIDENCE = _under(
    "Evidence and targets",
    PolicyOption(
        "target_utilisation",
        "--target-utilisation",
        "RATIO",
        quantities.ratio(Bounds(0, 1, is_low_open=True)),
        "60%",
    ),
    PolicyOption("min_replicas", "--min-replicas", "N", quantities.count(1, 10_000)),
    PolicyOption("slo_p99_ms", "--slo-p99", "TIME", quantities.milliseconds, "250ms"),
    PolicyOption("error_ratio_limit", "--error-limit", "RATIO", quantities.ratio(_SHARE), "0.1%"),
    PolicyOption("workers", "--workers", "N", quantities.count(1, 1024)),
    PolicyOption(
        "peak_connections",
        "--connections",
        "N",
        quantities.number(Bounds(0, 1e9, is_low_open=True)),
        "20000",
    ),
    PolicyOption(
        "confidence", "--confidence", "RATIO", quantities.ratio(Bounds(0.5, 0.999)), "95%"
    ),
    PolicyOption(
        "extrapolation_limit",
        "--extrapolation-limit",
        "FACTOR",
        quantities.factor(Bounds(1, 1.5)),
        "1.2x",
    ),
    PolicyOption(
        "assumed_margin", "--assumed-margin", "RATIO", quantities.ratio(Bounds(0, 5)), "30%"
    ),
)
_DEMAND = _under(
    "Demand",
    PolicyOption("growth_per_month", "--growth", "RATE", units.parse_growth, "3%/month"),
    PolicyOption("horizon_months", "--horizon", "MONTHS", quantities.number(Bounds(0, 120)), "6"),
    PolicyOption("event_factor", "--event", "FACTOR", units.parse_factor, "2.5x"),
    PolicyOption("return_days", "--return-level", "TIME", quantities.days, "365d"),
    PolicyOption("peak_window_s", "--peak-window", "TIME", quantities.seconds, "15s"),
    PolicyOption("averaging_s", "--averaging", "TIME", units.parse_duration, "60s"),
    PolicyOption(
        "dispersion",
        "--dispersion",
        "RATIO",
        quantities.number(Bounds(0, 10_000, is_low_open=True)),
        "1.7",
    ),
)
_FAILURE = _under(
    "Failure and updates",
    PolicyOption("imbalance", "--imbalance", "FACTOR", quantities.factor(Bounds(1, 10)), "1.4x"),
    PolicyOption("lose_pods", "--lose-pods", "N", quantities.count(0, 10_000)),
    PolicyOption("zones", "--zones", "N", quantities.count(1, 100), "3"),
    PolicyOption("max_surge_ratio", "--max-surge", "RATIO", quantities.ratio(_SHARE), "25%"),
    PolicyOption(
        "max_unavailable_ratio", "--max-unavailable", "RATIO", quantities.ratio(_SHARE), "10%"
    ),
)
_SCALING = _under(
    "Autoscaling",
    PolicyOption("pod_start_s", "--pod-start", "TIME", quantities.seconds, "90s"),
    PolicyOption("scrape_interval_s", "--scrape-interval", "TIME", quantities.seconds, "15s"),
    PolicyOption("hpa_min", "--hpa-min", "N", quantities.count(1, _MANY)),
    PolicyOption("hpa_max", "--hpa-max", "N", quantities.count(1, _MANY)),
)
_PHASES = _under(
    "Phases",
    PolicyOption("phase", "--phase", "2|3", quantities.count(2, 3)),
    PolicyOption("paths", "--paths", "ROUTES", _paths, "/watch/{id},/api/*", is_repeatable=True),
    PolicyOption(
        "downstream_rps",
        "--downstream",
        "NAME=RPS",
        quantities.named_rps,
        "watch=1200",
        is_repeatable=True,
    ),
)
POLICY_OPTIONS = (*_EVIDENCE, *_DEMAND, *_FAILURE, *_SCALING, *_PHASES)

SECTIONS = {one.field: one.section for one in POLICY_OPTIONS}
"""Heading in the help, by click's name of the option."""

_FIELDS = {one.name: one for one in fields(Policy)}
_DEFAULTS = Policy()


def policy_options(command: _Command) -> _Command:
    """Add every option of the policy to a command; it gets them as text, by field."""
    for one in reversed(POLICY_OPTIONS):
        told = str(_FIELDS[one.field].metadata["help"]).rstrip(".")
        example = f", such as {one.example}" if one.example else ""
        command = click.option(
            one.flag,
            one.field,
            metavar=one.metavar,
            multiple=one.is_repeatable,
            help=f"{told}{example}. [default: {_default(one)}]",
        )(command)
    return command


def read_policy(given: Mapping[str, Any]) -> Policy:
    """Return the policy of the options as click gave them: text, tuples of text, or None.

    Raises InputError with every option that cannot be read.
    """
    problems: list[Problem] = []
    chosen: dict[str, Any] = {}
    for one in POLICY_OPTIONS:
        words = given[one.field]
        if words is None or words == ():
            continue
        try:
            chosen[one.field] = _read(one, words)
        except ValueError as error:
            problems.append(Problem(one.flag, str(error)))
    problems += _contradictions(chosen)
    if problems:
        raise InputError(problems)
    return Policy(**chosen, defaulted=OPTIONS - set(chosen))


def _read(one: PolicyOption, words: Any) -> Any:
    if not one.is_repeatable:
        return one.read(words.strip())
    values = [one.read(each.strip()) for each in words]
    # Each use of --paths may name several.
    flat = [route for routes in values for route in routes] if one.field == "paths" else values
    return tuple(dict.fromkeys(flat))


def _contradictions(chosen: Mapping[str, Any]) -> list[Problem]:
    problems = []
    low, high = chosen.get("hpa_min"), chosen.get("hpa_max")
    if low is not None and high is not None and low > high:
        problems.append(Problem("--hpa-min", f"expected at most --hpa-max {high}, got {low}"))
    surge = chosen.get("max_surge_ratio", _DEFAULTS.max_surge_ratio)
    unavailable = chosen.get("max_unavailable_ratio", _DEFAULTS.max_unavailable_ratio)
    if surge == unavailable == 0:
        rule = "expected more than 0 where --max-unavailable is 0: no rolling update could begin"
        problems.append(Problem("--max-surge", rule))
    return problems


def _default(one: PolicyOption) -> str:
    """Return the default as it would be written, or in words where it is no value."""
    default = getattr(_DEFAULTS, one.field)
    if default in (None, ()):
        return str(_FIELDS[one.field].metadata["reason"])
    if one.metavar == "TIME":
        return units.format_duration(int(default))
    return f"{default:g}" + ("x" if one.metavar == "FACTOR" else "")

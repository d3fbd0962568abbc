"""One command-line option for every field of the model's Policy.

The help of an option, its default and the reason come from the Policy itself, so that help and
report agree. This module defines only the name of each option, its notation and its parser. All
options are parsed before any problem is reported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import click

from estimator import units
from estimator.commands import quantities
from estimator.commands.quantities import Bounds, Reader
from estimator.errors import InputError, Problem
from estimator.model.policy import OPTIONS, RESERVES, Policy
from mirror.formats.routes import route_tag

_Command = TypeVar("_Command", bound=Callable[..., Any])
_SHARE = Bounds(0, 1)
_MANY = 100_000


@dataclass(frozen=True, slots=True)
class PolicyOption:
    """The command-line option of a field of the Policy."""

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


def _one_of(*allowed: str) -> Reader:
    def read(words: str) -> str:
        if words not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}, got {words!r}")
        return words

    return read


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
    PolicyOption("reserve", "--reserve", "WORD", _one_of(*RESERVES), "lean"),
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
    PolicyOption("hpa_metric", "--hpa-metric", "pod|container", _one_of("pod", "container")),
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

SECTIONS = {option.field: option.section for option in POLICY_OPTIONS}
"""Heading in the help, by click's name of the option."""

_FIELDS = {field.name: field for field in fields(Policy)}
_DEFAULTS = Policy()


def policy_options(command: _Command) -> _Command:
    """Add every option of the policy to a command, which gets their texts by field."""
    return policy_options_but()(command)


def policy_options_but(*left_out: str) -> Callable[[_Command], _Command]:
    """Return what adds the options of the policy without those of some fields."""

    def add(command: _Command) -> _Command:
        for option in reversed(POLICY_OPTIONS):
            if option.field not in left_out:
                command = _added(option, command)
        return command

    return add


def _added(option: PolicyOption, command: _Command) -> _Command:
    sentence = str(_FIELDS[option.field].metadata["help"]).rstrip(".")
    example = f", such as {option.example}" if option.example else ""
    return click.option(
        option.flag,
        option.field,
        metavar=option.metavar,
        multiple=option.is_repeatable,
        help=f"{sentence}{example}. [default: {_default(option)}]",
    )(command)


def read_policy(texts: Mapping[str, Any]) -> Policy:
    """Return the policy; `texts` holds a text, a tuple of texts or None by field, as click gives
    it. A field that is not among them has its default.

    Raises InputError with every option that cannot be parsed.
    """
    problems: list[Problem] = []
    chosen: dict[str, Any] = {}
    for option in POLICY_OPTIONS:
        words = texts.get(option.field)
        if words is None or words == ():
            continue
        try:
            chosen[option.field] = _read(option, words)
        except ValueError as error:
            problems.append(Problem(option.flag, str(error)))
    problems += _contradictions(chosen)
    if problems:
        raise InputError(problems)
    of_reserve = RESERVES[chosen.get("reserve", _DEFAULTS.reserve)]
    preset = {name: value for name, (value, _) in of_reserve.items()}
    return Policy(**{**preset, **chosen}, defaulted=OPTIONS - set(chosen))


def _read(option: PolicyOption, words: Any) -> Any:
    if not option.is_repeatable:
        return option.read(words.strip())
    values = [option.read(text.strip()) for text in words]
    # Each use of --paths may name several routes.
    flat = [route for routes in values for route in routes] if option.field == "paths" else values
    return tuple(dict.fromkeys(flat))


def _contradictions(chosen: Mapping[str, Any]) -> list[Problem]:
    problems = []
    low, high = chosen.get("hpa_min"), chosen.get("hpa_max")
    if low is not None and high is not None and low > high:
        problems.append(Problem("--hpa-min", f"expected at most --hpa-max {high}, got {low}"))
    surge = chosen.get("max_surge_ratio", _DEFAULTS.max_surge_ratio)
    unavailable = chosen.get("max_unavailable_ratio", _DEFAULTS.max_unavailable_ratio)
    if surge == unavailable == 0:
        rule = "expected more than 0 where --max-unavailable is 0: no rolling update could start"
        problems.append(Problem("--max-surge", rule))
    return problems


def _default(option: PolicyOption) -> str:
    """Return the default in the notation of the option, or its reason where it is no value."""
    default = getattr(_DEFAULTS, option.field)
    if default in (None, ()):
        return str(_FIELDS[option.field].metadata["reason"])
    if option.metavar == "TIME":
        return units.format_duration(int(default))
    if isinstance(default, str):
        return default
    return f"{default:g}" + ("x" if option.metavar == "FACTOR" else "")

"""The options about new routes: which gateway gets the requests, and what their source lacks."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from estimator.errors import Problem
from estimator.migration.coverage.assumptions import Assumed
from estimator.routing.files import Routes, read_routes
from estimator.routing.paths import Normalization

_Command = TypeVar("_Command", bound=Callable[..., Any])

_GATEWAY_OPTIONS = (
    click.option(
        "--gateway",
        metavar="NAME",
        help="The gateway to judge, as NAME or NAMESPACE/NAME. [default: all in the files]",
    ),
    click.option(
        "--port",
        type=click.IntRange(1, 65_535),
        metavar="N",
        help="The port of the gateway that requests reach. [default: all]",
    ),
    click.option(
        "--normalize",
        type=click.Choice([mode.value for mode in Normalization]),
        default=Normalization.BASE.value,
        show_default="BASE, as in Istio",
        help="The mesh's pathNormalization.",
    ),
)
OF_GATEWAY = ("gateway", "port", "normalize")
"""Click's names of these options."""
_ASSUMPTION_OPTIONS = (
    click.option(
        "--header",
        multiple=True,
        metavar="'NAME: VALUE'",
        help="A header of all requests, where their source does not record it. Repeatable.",
    ),
    click.option(
        "--authority",
        metavar="HOST",
        default="",
        help="The host of all requests whose source records none.",
    ),
    click.option(
        "--scheme",
        type=click.Choice(["http", "https"]),
        help="The scheme of all requests whose source records none.",
    ),
)
OF_ASSUMPTIONS = ("header", "authority", "scheme")
"""Click's names of these options."""


def gateway_options(command: _Command) -> _Command:
    """Add the options that choose a gateway to a command."""
    for option in reversed(_GATEWAY_OPTIONS):
        command = option(command)
    return command


def assumption_options(command: _Command) -> _Command:
    """Add the options that say what a source does not record to a command."""
    for option in reversed(_ASSUMPTION_OPTIONS):
        command = option(command)
    return command


def read_new_routes(paths: Sequence[Path], options: Mapping[str, Any]) -> Routes:
    """Return what the files say about the gateway of the options. Raises InputError."""
    mode = Normalization(options["normalize"])
    return read_routes(paths, options["gateway"], options["port"], mode)


def read_assumed(options: Mapping[str, Any], problems: list[Problem]) -> Assumed:
    """Return what the options say about all requests; add what is wrong to `problems`."""
    headers = {}
    for words in options["header"]:
        name, colon, value = words.partition(":")
        if not colon or not name.strip():
            rule = f"expected 'NAME: VALUE' such as 'x-user: 7', got {words!r}"
            problems.append(Problem("--header", rule))
        headers[name.strip().lower()] = value.strip()
    return Assumed(headers, options["authority"], options["scheme"])

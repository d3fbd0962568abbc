"""The options that say where each phase sends requests, and what divides them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from estimator.commands.sources import flag_of
from estimator.errors import InputError, Problem
from estimator.migration.order.moves import PERCENTS, Front, Routing, Sites
from estimator.migration.snippets.step import Attachment, Backend
from estimator.routing.table import RouteTable

_Command = TypeVar("_Command", bound=Callable[..., Any])
_OPTIONS = (
    click.option(
        "--front",
        type=click.Choice([front.value for front in Front]),
        default=Front.APACHE.value,
        show_default=True,
        help="What divides requests between phase 1 and 2.",
    ),
    click.option(
        "--routing",
        type=click.Choice([routing.value for routing in Routing]),
        default=Routing.VIRTUAL_SERVICE.value,
        show_default=True,
        help="What divides requests between phase 2 and 3.",
    ),
    click.option(
        "--swarm",
        default="127.0.0.1:8080",
        show_default=True,
        metavar="HOST:PORT",
        help="Phase 1: what the front sends requests to today.",
    ),
    click.option(
        "--ingressgateway",
        default="127.0.0.1:30081",
        show_default=True,
        metavar="HOST:PORT",
        help="Phase 2: the gateway as the front reaches it; never the NodePort of the mirror.",
    ),
    click.option(
        "--app-on-swarm",
        default="app-on-swarm:80",
        show_default=True,
        metavar="HOST:PORT",
        help="Phase 2: the application on Swarm as the gateway reaches it.",
    ),
    click.option(
        "--app",
        default="app:80",
        show_default=True,
        metavar="HOST:PORT",
        help="Phase 3: the application on Kubernetes, where no other option names a path's own.",
    ),
    click.option(
        "--namespace",
        default="default",
        metavar="NAME",
        show_default=True,
        help="Namespace of the objects that the steps apply.",
    ),
    click.option(
        "--host", multiple=True, metavar="NAME", help="A host of the HTTPRoutes; repeatable."
    ),
    click.option(
        "--steps",
        default=",".join(map(str, PERCENTS)),
        show_default=True,
        metavar="PERCENT,...",
        help="Shares of a path's requests, step by step.",
    ),
)

NAMES = ("front", "routing", "swarm", "ingressgateway", "app_on_swarm", "app", "namespace", "host")
"""Click's names of the options that only a snippet shows."""
SECTIONS = dict.fromkeys((*NAMES, "steps"), "Steps")
"""Heading in the help, by click's name of the option."""


def site_options(command: _Command) -> _Command:
    """Add the options of the sites and of the steps to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def sites_of(options: Mapping[str, Any], new_routes: Sequence[RouteTable]) -> Sites:
    """Return the sites; HTTPRoutes are attached to the first gateway of `new_routes`.

    Raises InputError with every problem.
    """
    problems: list[Problem] = []
    backends: dict[str, Backend] = {}
    for name in ("swarm", "ingressgateway", "app_on_swarm", "app"):
        try:
            backends[name] = Backend.of(options[name])
        except ValueError as error:
            problems.append(Problem(flag_of(name), str(error)))
    gateway = {}
    if new_routes:
        first = new_routes[0]
        gateway = {"gateway": first.gateway, "gateway_namespace": first.namespace}
    attachment = Attachment()
    try:
        attachment = Attachment(options["namespace"], hosts=options["host"], **gateway)
    except ValueError as error:
        problems.append(Problem("--namespace, --host", str(error)))
    words = options["steps"].split(",")
    percents = tuple(int(word) for word in words if word.isascii() and word.isdecimal())
    is_rising = all(low < high for low, high in zip((0, *percents), percents, strict=False))
    if len(percents) != len(words) or not is_rising or percents[-1] > 100:
        rule = "expected rising whole percentages up to 100, such as 5,50,100"
        problems.append(Problem("--steps", f"{rule}, got {options['steps']!r}"))
    if problems:
        raise InputError(problems)
    return Sites(
        backends["swarm"],
        backends["ingressgateway"],
        backends["app_on_swarm"],
        backends["app"],
        attachment,
        Front(options["front"]),
        Routing(options["routing"]),
        percents,
    )

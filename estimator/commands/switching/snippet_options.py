"""The options that name both sides of a switch, for the snippets of every step."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

import click

from estimator.errors import InputError, Problem
from estimator.migration.order.moves import Front, Move, Routing, Sites, moves_of
from estimator.migration.snippets.path import MovedPath
from estimator.migration.snippets.step import Attachment, Backend
from mirror.formats.routes import route_tag

_Command = TypeVar("_Command", bound=Callable[..., Any])

EVERYTHING = "/*"
"""The template of all paths."""
_PROGRAMS = (*(front.value for front in Front), *(routing.value for routing in Routing))
_BESIDE_PROGRAM = ("old", "new")
_OF_OBJECTS = ("namespace", "gateway", "host")
_OPTIONS = (
    click.option(
        "--program",
        type=click.Choice(_PROGRAMS),
        help="What divides the requests between both sides; needs --old, --new and --output.",
    ),
    click.option(
        "--old",
        metavar="HOST:PORT",
        help="Where requests go today, as the program reaches it.",
    ),
    click.option(
        "--new", metavar="HOST:PORT", help="The new side, likewise: a gateway, or a Service."
    ),
    click.option(
        "--namespace",
        metavar="NAME",
        help="Namespace of the VirtualService or HTTPRoute. [default: default]",
    ),
    click.option(
        "--gateway",
        metavar="NAMESPACE/NAME",
        help="Gateway of an HTTPRoute. [default: istio-system/istio-ingressgateway]",
    ),
    click.option("--host", multiple=True, metavar="NAME", help="Host of an HTTPRoute; repeatable."),
)
SECTIONS = dict.fromkeys(("program", *_BESIDE_PROGRAM, *_OF_OBJECTS), "Snippets of the steps")
"""Heading in the help, by click's name of the option."""


def snippet_options(command: _Command) -> _Command:
    """Add the options of the snippets to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_snippet_options(options: Mapping[str, Any]) -> None:
    """Raise click.UsageError where options of snippets stand without those that they need."""
    if options["program"] is None:
        useless = [name for name in (*_BESIDE_PROGRAM, *_OF_OBJECTS) if options[name]]
        if useless:
            raise click.UsageError(f"--{useless[0]} is for a --program.")
        return
    missing = [name for name in (*_BESIDE_PROGRAM, "output") if options[name] is None]
    if missing:
        raise click.UsageError(f"--program needs --{missing[0]}.")
    if options["program"] != Routing.HTTP_ROUTE and (options["gateway"] or options["host"]):
        raise click.UsageError("--gateway and --host are for --program http-route.")


def read_moves(
    options: Mapping[str, Any], templates: Iterable[str], percents: tuple[int, ...]
) -> tuple[Move, ...]:
    """Return how each path moves; nothing without --program.

    `templates` are those of the table: they give a path that --paths names by its tag. Raises
    InputError with every option and path that no snippet can be made of.
    """
    if options["program"] is None:
        return ()
    problems: list[Problem] = []

    def read(option: str, parse: Callable[[], Any]) -> Any:
        try:
            return parse()
        except ValueError as error:
            problems.append(Problem(option, str(error)))
            return None

    old = read("--old", lambda: Backend.of(options["old"]))
    new = read("--new", lambda: Backend.of(options["new"]))
    attachment = read("--namespace, --gateway or --host", lambda: _attachment(options))
    paths = [
        read("--paths", partial(MovedPath.of, template))
        for template in _templates(options["paths"], templates)
    ]
    if problems:
        raise InputError(problems)
    program = options["program"]
    is_front = program in list(Front)
    sites = Sites(
        swarm=old,
        gateway=new,
        swarm_service=old,
        service=new,
        attachment=attachment,
        front=Front(program) if is_front else Front.APACHE,
        routing=Routing.VIRTUAL_SERVICE if is_front else Routing(program),
        percents=percents,
    )
    try:
        return tuple(moves_of(path, sites)[0 if is_front else 1] for path in paths)
    except ValueError as error:
        raise InputError([Problem("--old or --new", str(error))]) from error


def _attachment(options: Mapping[str, Any]) -> Attachment:
    usual = Attachment()
    namespace, _, name = (options["gateway"] or "").partition("/")
    if options["gateway"] and not name:
        raise ValueError(f"expected NAMESPACE/NAME, got {options['gateway']!r}")
    return Attachment(
        namespace=options["namespace"] or usual.namespace,
        gateway=name or usual.gateway,
        gateway_namespace=namespace or usual.gateway_namespace,
        hosts=tuple(options["host"]),
    )


def _templates(named: tuple[str, ...], templates: Iterable[str]) -> list[str]:
    """Return the templates of the paths, each once; a tag stands for the table's template."""
    by_tag = {route_tag(template): template for template in templates}
    chosen = [path.strip() for words in named for path in words.split(",") if path.strip()]
    if not chosen:
        return [EVERYTHING]
    return list(dict.fromkeys(by_tag.get(route_tag(path), path) for path in chosen))

"""How a component that is new to a table is described: by options, else from what was measured.

Without options a component is a pod, or a gateway where its name says so; all routes reach it, and
its requests are the highest measured amounts. The table names both as assumed, because they decide
the replica count.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from estimator import units
from estimator.errors import InputError, Problem
from estimator.series.rps import ALL_ROUTES
from estimator.table.load_points import Component, Kind, LoadPoint, Resources
from mirror.formats.routes import route_tag

CPU_STEP_MILLICORES = 10
MEMORY_STEP_BYTES = 2**20

_Command = TypeVar("_Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--kind", type=click.Choice([kind.value for kind in Kind]), help="Kind of a new component."
    ),
    click.option(
        "--route",
        "routes",
        multiple=True,
        metavar="TEMPLATE",
        help="A route of a new component, such as '/api/*', `other` or `*`; repeatable.",
    ),
    click.option(
        "--request",
        "requests",
        multiple=True,
        metavar="CONTAINER=CPU,MEMORY",
        help="Kubernetes request of a container of a new component; repeatable.",
    ),
)


def component_options(command: _Command) -> _Command:
    """Add the options that describe a new component to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Description:
    """What the options say of a new component; empty if they say nothing."""

    kind: Kind | None
    templates: tuple[str, ...]
    requests: dict[str, Resources]

    @property
    def is_empty(self) -> bool:
        return self.kind is None and not self.templates and not self.requests


def description_of(kind: str | None, routes: Sequence[str], requests: Sequence[str]) -> Description:
    """Return what the options say. Raises InputError that lists everything malformed."""
    problems = [
        Problem("--route", f'expected a template such as /api/*, "other" or "*", got {route!r}')
        for route in routes
        if route not in (ALL_ROUTES, "other") and not route.startswith("/")
    ]
    amounts: dict[str, Resources] = {}
    for text in requests:
        container, _, values = text.partition("=")
        cpu, _, memory = values.partition(",")
        try:
            amounts[container] = Resources(units.parse_cpu(cpu), units.parse_memory(memory))
        except ValueError as error:
            problems.append(Problem("--request", f"{error}, in {text!r}"))
    if problems:
        raise InputError(problems)
    return Description(Kind(kind) if kind else None, tuple(routes), amounts)


def new_component(name: str, description: Description, points: Sequence[LoadPoint]) -> Component:
    """Return a component with these rows, described by the options or by default."""
    kind = Kind.GATEWAY if "gateway" in name else Kind.POD
    templates = description.templates or (ALL_ROUTES,)
    tags = tuple(
        template if template == ALL_ROUTES else route_tag(template) for template in templates
    )
    stated = {"requests": bool(description.requests), "routes": bool(description.templates)}
    return Component(
        name,
        description.kind or kind,
        tags,
        description.requests or _highest(points),
        tuple(points),
        templates,
        tuple(key for key, is_stated in stated.items() if not is_stated),
    )


def _highest(points: Sequence[LoadPoint]) -> dict[str, Resources]:
    """Return the highest measured amounts by container, rounded up to whole 10m and MiB."""
    containers = sorted({container for point in points for container in point.usage})
    requests = {}
    for container in containers:
        used = [point.usage[container] for point in points if container in point.usage]
        millicores = max(resources.cpu_millicores for resources in used)
        memory_bytes = max(resources.memory_bytes for resources in used)
        requests[container] = Resources(
            float(max(1, math.ceil(millicores / CPU_STEP_MILLICORES)) * CPU_STEP_MILLICORES),
            max(1, math.ceil(memory_bytes / MEMORY_STEP_BYTES)) * MEMORY_STEP_BYTES,
        )
    return requests

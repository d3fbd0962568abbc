"""A table as a plain document (docs/formats.md), to components and back.

Both file formats meet here: YAML is this document, CSV is turned into it. The shapes below are the
format: keys, types, and what a message says was expected. Reading what was written gives the same
table again, to the last digit.
"""

from dataclasses import replace
from typing import Annotated, Any

import msgspec

from estimator import units
from estimator.series.rps import ALL_ROUTES, route_tag
from estimator.table.fields import Place, read_fields, shown
from estimator.table.load_points import Component
from estimator.table.rows import Kind, LoadPoint, Loop, Resources

Mapping = dict[Any, Any]

_Name = Annotated[str, msgspec.Meta(min_length=1, description="a name")]
_Containers = Annotated[
    Mapping, msgspec.Meta(min_length=1, description="a mapping of containers to cpu and memory")
]
_Amount = Annotated[float, msgspec.Meta(ge=0, description="a number of at least 0")]
_Ratio = Annotated[float, msgspec.Meta(ge=0, le=1, description="a number from 0 to 1")]
_Count = Annotated[int, msgspec.Meta(ge=1, description="a whole number of at least 1")]
_Length = Annotated[float, msgspec.Meta(gt=0, description="a number of seconds above 0")]
_Cpus = Annotated[Mapping, msgspec.Meta(description="a mapping of containers to cpu")]
_Counts = Annotated[Mapping, msgspec.Meta(description="a mapping of containers to whole numbers")]


class _File(msgspec.Struct):
    components: Annotated[
        list[Any], msgspec.Meta(min_length=1, description="a list of at least one component")
    ]


class _Component(msgspec.Struct):
    name: _Name
    kind: Annotated[Kind, msgspec.Meta(description="pod or gateway")]
    routes: Annotated[
        list[str], msgspec.Meta(min_length=1, description='a list of routes, or ["*"] for all')
    ]
    requests: _Containers
    points: Annotated[list[Any], msgspec.Meta(description="a list of measured rows")]


class _Point(msgspec.Struct, omit_defaults=True):
    replicas: _Count
    rps: _Amount
    usage: _Containers
    rps_target: _Amount | None = None
    connections: _Count | None = None
    duration_s: _Length | None = None
    tool: _Name | None = None
    loop: Annotated[Loop, msgspec.Meta(description="open or closed")] | None = None
    p50_ms: _Amount | None = None
    p99_ms: _Amount | None = None
    error_ratio: _Ratio | None = None
    cpu_max: _Cpus | None = None
    cpu_limit: _Cpus | None = None
    workers: _Counts | None = None


class _Resources(msgspec.Struct):
    # Anything goes here: units.py says what is wrong with it.
    cpu: Annotated[Any, msgspec.Meta(description="cpu such as 500m, 1 or 0.5")]
    memory: Annotated[Any, msgspec.Meta(description="memory such as 256Mi, 1Gi or 500M")]


_PLAIN = ("rps_target", "connections", "duration_s", "tool", "loop", "p50_ms", "p99_ms")
"""Optional keys of a row that are called the same in a load point and need no conversion."""


def to_components(document: object, place: Place) -> tuple[Component, ...]:
    """Return the components that are well-formed; every problem is reported to `place`."""
    given = read_fields(document, _File, place)
    names: list[str] = []
    components = []
    for number, raw in enumerate(given.get("components", []), start=1):
        name = raw.get("name") if isinstance(raw, dict) else None
        # A component whose name is the problem is told by its number.
        label = name if isinstance(name, str) and name else f"number {number}"
        here = replace(place, component=label, line=place.marks.line(raw))
        if label in names:
            line = place.marks.line(raw, "name")
            here.report("name", "is the name of an earlier component", line)
        names.append(label)
        component = _component(raw, here)
        if component is not None:
            components.append(component)
    return tuple(components)


def _component(raw: object, place: Place) -> Component | None:
    before = len(place.problems)
    given = read_fields(raw, _Component, place)
    tags = _routes(given.get("routes", []), replace(place, line=place.marks.line(raw, "routes")))
    requests = _containers(given.get("requests", {}), replace(place, prefix="requests"))
    for container, amount in requests.items():
        if amount.cpu_millicores == 0:
            line = place.marks.line(given["requests"], container)
            rule = "expected more than 0: utilisation is of it"
            place.report(f"requests.{container}.cpu", rule, line)
    names = frozenset(str(container) for container in given.get("requests", {}))
    points = [
        point
        for row, raw_point in enumerate(given.get("points", []), start=1)
        if (point := _point(raw_point, row, names, place)) is not None
    ]
    if len(place.problems) > before:
        return None
    return Component(
        given["name"], given["kind"], tags, requests, tuple(points), tuple(given["routes"])
    )


def _routes(templates: list[str], place: Place) -> tuple[str, ...]:
    tags: list[str] = []
    for template in templates:
        tag = template if template == ALL_ROUTES else route_tag(template)
        if template not in (ALL_ROUTES, "other") and not template.startswith("/"):
            rule = f'expected a template such as /api/*, "other" or "*", got {shown(template)}'
            place.report("routes", rule)
        elif tag in tags:
            place.report("routes", f"{shown(template)} has the same tag as one before it: {tag}")
        tags.append(tag)
    return tuple(tags)


def _point(raw: object, row: int, names: frozenset[str], place: Place) -> LoadPoint | None:
    """Read one row of a component whose requests name these containers."""
    marks = place.marks
    here = replace(place, row=row, line=marks.line(raw) or place.line)
    before = len(place.problems)
    given = read_fields(raw, _Point, here)
    usage = _containers(given.get("usage", {}), replace(here, prefix="usage"))
    if "usage" in given and names:
        measured = {str(container) for container in given["usage"]}
        for container in sorted(measured - names):
            line = marks.line(given["usage"], container)
            here.report(f"usage.{container}", "is not among the component's requests", line)
        for container in sorted(names - measured):
            rule = "missing; every container with requests is measured"
            here.report(f"usage.{container}", rule, marks.line(raw, "usage"))
    per_container = {key: _of_containers(given, key, usage, here) for key in _CONVERSIONS}
    _contradictions(given, usage, per_container["cpu_max"], here)
    if len(place.problems) > before:
        return None
    return LoadPoint(
        row=row,
        replicas=given["replicas"],
        rps=given["rps"],
        usage=usage,
        error_ratio=given.get("error_ratio"),
        cpu_max_millicores=per_container["cpu_max"],
        cpu_limit_millicores=per_container["cpu_limit"],
        workers=per_container["workers"],
        **{key: given.get(key) for key in _PLAIN},
    )


def _workers(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"expected a whole number of at least 1, got {shown(value)}")
    return value


_CONVERSIONS: dict[str, Any] = {
    "cpu_max": units.parse_cpu,
    "cpu_limit": units.parse_cpu,
    "workers": _workers,
}


def _of_containers(given: Mapping, key: str, usage: Mapping, place: Place) -> Mapping:
    """Read a mapping of containers to single values."""
    raw = given.get(key) or {}
    result = {}
    for container, value in raw.items():
        line = place.marks.line(raw, str(container))
        path = f"{key}.{container}"
        if str(container) not in usage and "usage" in given:
            place.report(path, "is not among the containers of the row's usage", line)
        try:
            result[str(container)] = _CONVERSIONS[key](value)
        except ValueError as error:
            place.report(path, str(error), line)
        else:
            if result[str(container)] == 0:
                place.report(path, "expected more than 0", line)
    return result


def _contradictions(given: Mapping, usage: Mapping, highest: Mapping, place: Place) -> None:
    """Report values that are each possible and together are not."""
    low, high = given.get("p50_ms"), given.get("p99_ms")
    if low is not None and high is not None and high < low:
        place.report("p99_ms", f"expected at least p50_ms, {low:g}, got {high:g}")
    for container, cpu in highest.items():
        if container in usage and cpu < usage[container].cpu_millicores:
            mean = units.format_cpu(usage[container].cpu_millicores)
            rule = f"expected at least the mean, {mean}, got {units.format_cpu(cpu)}"
            place.report(f"cpu_max.{container}", rule)


def _containers(raw: Mapping, place: Place) -> dict[str, Resources]:
    result = {}
    for container, amounts in raw.items():
        line = place.marks.line(raw, str(container))
        here = replace(place, prefix=f"{place.prefix}.{container}", line=line or place.line)
        resources = read_resources(amounts, here)
        if resources is not None:
            result[str(container)] = resources
    return result


def read_resources(raw: object, place: Place) -> Resources | None:
    """Read a mapping of cpu and memory; None, and the problems reported, where one is wrong."""
    given = read_fields(raw, _Resources, place)
    parsed: dict[str, Any] = {}
    for key, parse in (("cpu", units.parse_cpu), ("memory", units.parse_memory)):
        if key in given:
            try:
                parsed[key] = parse(given[key])
            except ValueError as error:
                place.report(key, str(error), place.marks.line(raw, key))
    return Resources(parsed["cpu"], parsed["memory"]) if len(parsed) == 2 else None


def of_components(components: tuple[Component, ...]) -> Mapping:
    """Return the document of these components; `to_components` gives them back."""
    return {"components": [_document_of(component) for component in components]}


def _document_of(component: Component) -> Mapping:
    return {
        "name": component.name,
        "kind": component.kind.value,
        "routes": list(component.templates or component.routes),
        "requests": _amounts(component.requests),
        "points": [_row_of(point) for point in component.points],
    }


def _row_of(point: LoadPoint) -> Mapping:
    values: Mapping = {"replicas": point.replicas, "rps": point.rps}
    values |= {key: getattr(point, key) for key in (*_PLAIN, "error_ratio")}
    if point.loop is not None:
        values["loop"] = point.loop.value
    values["usage"] = _amounts(point.usage)
    for key, cpus in (
        ("cpu_max", point.cpu_max_millicores),
        ("cpu_limit", point.cpu_limit_millicores),
    ):
        values[key] = {container: units.exact_cpu(cpu) for container, cpu in cpus.items()} or None
    values["workers"] = dict(point.workers) or None
    return {key: value for key, value in values.items() if value is not None}


def _amounts(containers: Any) -> Mapping:
    return {
        container: {
            "cpu": units.exact_cpu(of.cpu_millicores),
            "memory": units.exact_memory(of.memory_bytes),
        }
        for container, of in containers.items()
    }

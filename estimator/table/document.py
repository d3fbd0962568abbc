"""Converts a table between a plain document (docs/formats.md) and components.

Both file formats meet here: a YAML file is this document, and a CSV file is turned into it. The
structs below define the format: keys, types, and what a message says was expected. A table that
is written and read again is the same, to the last digit.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import msgspec

from estimator import units
from estimator.series.rps import ALL_ROUTES
from estimator.table.fields import Place, read_fields, shown
from estimator.table.load_points import ASSUMABLE, Component
from estimator.table.plausibility import LEAST_MEMORY_BYTES, MOST_CORES
from estimator.table.rows import Kind, LoadPoint, Loop, Resources
from mirror.formats.routes import route_tag

MOST_COMPONENTS = 1_000
"""Each takes about 15 ms to check, and its lines in the report."""
MOST_ROWS = 30_000
"""Most rows of all components together; that many take about 15 s to check."""

_Document = dict[Any, Any]

_Name = Annotated[str, msgspec.Meta(min_length=1, description="a name")]
_Containers = Annotated[
    _Document, msgspec.Meta(min_length=1, description="a mapping of containers to cpu and memory")
]
_Amount = Annotated[float, msgspec.Meta(ge=0, description="a number of at least 0")]
_Ratio = Annotated[float, msgspec.Meta(ge=0, le=1, description="a number from 0 to 1")]
_Count = Annotated[int, msgspec.Meta(ge=1, description="a whole number of at least 1")]
_Length = Annotated[float, msgspec.Meta(gt=0, description="a number of seconds above 0")]
_Cpus = Annotated[_Document, msgspec.Meta(description="a mapping of containers to cpu")]
_Counts = Annotated[_Document, msgspec.Meta(description="a mapping of containers to whole numbers")]


class _TableFields(msgspec.Struct):
    components: Annotated[
        list[Any], msgspec.Meta(min_length=1, description="a list of at least one component")
    ]


class _ComponentFields(msgspec.Struct):
    name: _Name
    kind: Annotated[Kind, msgspec.Meta(description="pod or gateway")]
    routes: Annotated[
        list[str], msgspec.Meta(min_length=1, description='a list of routes, or ["*"] for all')
    ]
    requests: _Containers
    points: Annotated[list[Any], msgspec.Meta(description="a list of measured rows")]
    assumed: (
        Annotated[
            list[Literal["requests", "routes"]],
            msgspec.Meta(description=f"a list with {' or '.join(ASSUMABLE)}, or both"),
        ]
        | None
    ) = None


class _RowFields(msgspec.Struct, omit_defaults=True):
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


class _ResourceFields(msgspec.Struct):
    # Any value passes here: units.py says what is wrong with it.
    cpu: Annotated[Any, msgspec.Meta(description="cpu such as 500m, 1 or 0.5")]
    memory: Annotated[Any, msgspec.Meta(description="memory such as 256Mi, 1Gi or 500M")]


_UNCONVERTED = ("rps_target", "connections", "duration_s", "tool", "loop", "p50_ms", "p99_ms")
"""Optional keys of a row that have the same name and the same value in a load point."""


def to_components(document: object, place: Place) -> tuple[Component, ...]:
    """Return the well-formed components of a document; report every problem to `place`."""
    fields = read_fields(document, _TableFields, place)
    if (count := len(fields.get("components", []))) > MOST_COMPONENTS:
        rule = f"has {count:,} components, more than {MOST_COMPONENTS:,}, which is the limit"
        place.report("components", rule)
        return ()
    if (count := sum(map(_row_count, fields.get("components", [])))) > MOST_ROWS:
        rule = f"has {count:,} rows, more than {MOST_ROWS:,}, which is the limit"
        place.report("components", rule)
        return ()
    names: list[str] = []
    components = []
    for number, raw in enumerate(fields.get("components", []), start=1):
        name = raw.get("name") if isinstance(raw, dict) else None
        # A component without a usable name is reported by its number.
        label = name if isinstance(name, str) and name else f"number {number}"
        component_place = replace(place, component=label, line=place.marks.line(raw))
        if label in names:
            line = place.marks.line(raw, "name")
            component_place.report("name", "expected a name that no earlier component has", line)
        names.append(label)
        component = _component(raw, component_place)
        if component is not None:
            components.append(component)
    return tuple(components)


def _row_count(raw: object) -> int:
    points = raw.get("points") if isinstance(raw, dict) else None
    return len(points) if isinstance(points, list) else 0


def _component(raw: object, place: Place) -> Component | None:
    before = len(place.problems)
    fields = read_fields(raw, _ComponentFields, place)
    tags = _routes(fields.get("routes", []), replace(place, line=place.marks.line(raw, "routes")))
    requests = _containers(fields.get("requests", {}), replace(place, prefix="requests"))
    for container, amount in requests.items():
        if amount.cpu_millicores == 0:
            line = place.marks.line(fields["requests"], container)
            rule = "expected more than 0, because utilisation is a share of the request"
            place.report(f"requests.{container}.cpu", rule, line)
    names = frozenset(str(container) for container in fields.get("requests", {}))
    points = [
        point
        for row, raw_point in enumerate(fields.get("points", []), start=1)
        if (point := _point(raw_point, row, names, place)) is not None
    ]
    if len(place.problems) > before:
        return None
    return Component(
        fields["name"],
        fields["kind"],
        tags,
        requests,
        tuple(points),
        tuple(fields["routes"]),
        tuple(dict.fromkeys(fields.get("assumed") or ())),
    )


def _routes(templates: list[str], place: Place) -> tuple[str, ...]:
    tags: list[str] = []
    for template in templates:
        tag = template if template == ALL_ROUTES else route_tag(template)
        if template not in (ALL_ROUTES, "other") and not template.startswith("/"):
            rule = f'expected a template such as /api/*, "other" or "*", got {shown(template)}'
            place.report("routes", rule)
        elif tag in tags:
            rule = f"expected each tag once; {shown(template)} has the tag {tag} again"
            place.report("routes", rule)
        tags.append(tag)
    return tuple(tags)


def _point(raw: object, row: int, names: frozenset[str], place: Place) -> LoadPoint | None:
    """Read one row of a component that has requests for the containers `names`."""
    marks = place.marks
    row_place = replace(place, row=row, line=marks.line(raw) or place.line)
    before = len(place.problems)
    fields = read_fields(raw, _RowFields, row_place)
    usage = _containers(fields.get("usage", {}), replace(row_place, prefix="usage"))
    if "usage" in fields and names:
        measured = {str(container) for container in fields["usage"]}
        for container in sorted(measured - names):
            line = marks.line(fields["usage"], container)
            rule = f"unknown container; the component has requests for {', '.join(sorted(names))}"
            row_place.report(f"usage.{container}", rule, line)
        for container in sorted(names - measured):
            rule = "missing; expected the usage of every container that has requests"
            row_place.report(f"usage.{container}", rule, marks.line(raw, "usage"))
    per_container = {key: _by_container(fields, key, usage, row_place) for key in _CONVERSIONS}
    _report_contradictions(fields, usage, per_container["cpu_max"], row_place)
    if len(place.problems) > before:
        return None
    return LoadPoint(
        row=row,
        replicas=fields["replicas"],
        rps=fields["rps"],
        usage=usage,
        error_ratio=fields.get("error_ratio"),
        cpu_max_millicores=per_container["cpu_max"],
        cpu_limit_millicores=per_container["cpu_limit"],
        workers=per_container["workers"],
        **{key: fields.get(key) for key in _UNCONVERTED},
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


def _by_container(
    fields: _Document, key: str, usage: Mapping[str, Resources], place: Place
) -> dict[str, Any]:
    """Read a key of a row that maps containers to single values."""
    raw = fields.get(key) or {}
    values = {}
    for container, value in raw.items():
        line = place.marks.line(raw, str(container))
        path = f"{key}.{container}"
        if str(container) not in usage and "usage" in fields:
            place.report(path, "unknown container; expected one of the row's usage", line)
        try:
            values[str(container)] = _CONVERSIONS[key](value)
        except ValueError as error:
            place.report(path, str(error), line)
        else:
            # A highest sample of 0 was measured where no request came; a limit of 0 is a slip.
            if values[str(container)] == 0 and key != "cpu_max":
                place.report(path, f"expected more than 0, got {shown(value)}", line)
    return values


def _report_contradictions(
    fields: _Document, usage: Mapping[str, Resources], cpu_max: Mapping[str, float], place: Place
) -> None:
    """Report values that are each possible but cannot be true together."""
    p50_ms, p99_ms = fields.get("p50_ms"), fields.get("p99_ms")
    if p50_ms is not None and p99_ms is not None and p99_ms < p50_ms:
        place.report("p99_ms", f"expected at least p50_ms, {p50_ms:g}, got {p99_ms:g}")
    for container, cpu in cpu_max.items():
        if container in usage and cpu < usage[container].cpu_millicores:
            mean = units.format_cpu(usage[container].cpu_millicores)
            rule = f"expected at least the mean, {mean}, got {units.format_cpu(cpu)}"
            place.report(f"cpu_max.{container}", rule)


def _containers(raw: _Document, place: Place) -> dict[str, Resources]:
    containers = {}
    for container, amounts in raw.items():
        line = place.marks.line(raw, str(container))
        prefix = f"{place.prefix}.{container}"
        resources = read_resources(amounts, replace(place, prefix=prefix, line=line or place.line))
        if resources is not None:
            containers[str(container)] = resources
            _report_impossible(resources, replace(place, prefix=prefix, line=line or place.line))
    return containers


def _report_impossible(amount: Resources, place: Place) -> None:
    """Report what no container can have; the likely slip is a missing unit."""
    cores = amount.cpu_millicores / 1000
    if cores > MOST_CORES:
        rule = f"expected at most {MOST_CORES} cores in one container, got {cores:g}"
        place.report("cpu", f"{rule}; if millicores were meant, write {cores:g}m")
    if 0 < amount.memory_bytes < LEAST_MEMORY_BYTES:
        least = units.format_memory(LEAST_MEMORY_BYTES)
        rule = f"expected at least {least}, got {amount.memory_bytes} bytes"
        place.report("memory", f"{rule}; if MiB were meant, write {amount.memory_bytes}Mi")


def read_resources(raw: object, place: Place) -> Resources | None:
    """Return a mapping of cpu and memory as an amount; None, with reports, where one is wrong."""
    fields = read_fields(raw, _ResourceFields, place)
    amounts: dict[str, Any] = {}
    for key, parse in (("cpu", units.parse_cpu), ("memory", units.parse_memory)):
        if key in fields:
            try:
                amounts[key] = parse(fields[key])
            except ValueError as error:
                place.report(key, str(error), place.marks.line(raw, key))
    return Resources(amounts["cpu"], amounts["memory"]) if len(amounts) == 2 else None


def of_components(components: tuple[Component, ...]) -> _Document:
    """Return the document of these components, which `to_components` turns back into them."""
    return {
        "components": [
            {
                "name": component.name,
                "kind": component.kind.value,
                "routes": list(component.templates or component.routes),
                **({"assumed": list(component.assumed)} if component.assumed else {}),
                "requests": _amounts(component.requests),
                "points": [_row(point) for point in component.points],
            }
            for component in components
        ]
    }


def _row(point: LoadPoint) -> _Document:
    values: _Document = {"replicas": point.replicas, "rps": point.rps}
    values |= {key: getattr(point, key) for key in (*_UNCONVERTED, "error_ratio")}
    if point.loop is not None:
        values["loop"] = point.loop.value
    values["usage"] = _amounts(point.usage)
    values["cpu_max"] = _cpus(point.cpu_max_millicores)
    values["cpu_limit"] = _cpus(point.cpu_limit_millicores)
    values["workers"] = dict(point.workers) or None
    return {key: value for key, value in values.items() if value is not None}


def _amounts(containers: Mapping[str, Resources]) -> _Document:
    return {
        container: {
            "cpu": units.exact_cpu(amount.cpu_millicores),
            "memory": units.exact_memory(amount.memory_bytes),
        }
        for container, amount in containers.items()
    }


def _cpus(containers: Mapping[str, float]) -> _Document | None:
    return {container: units.exact_cpu(cpu) for container, cpu in containers.items()} or None

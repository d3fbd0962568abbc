"""The correspondence table as YAML (docs/formats.md), read strictly.

The walk converts every key by itself, so that one run names every problem: file, component, row,
key and what was expected. A value is never repaired or guessed.
"""

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import msgspec
import yaml

from estimator import units
from estimator.errors import InputError, Problem
from estimator.series.rps import ALL_ROUTES, route_tag
from estimator.table.load_points import Component, Kind, LoadPoint, Resources, Table

EXAMPLE = Path(__file__).parent.parent / "example_table.yaml"

_Name = Annotated[str, msgspec.Meta(min_length=1, description="a name")]
_Mapping = dict[Any, Any]
_Containers = Annotated[
    _Mapping, msgspec.Meta(min_length=1, description="a mapping of containers to cpu and memory")
]


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


class _Point(msgspec.Struct):
    replicas: Annotated[int, msgspec.Meta(ge=1, description="a whole number of at least 1")]
    rps: Annotated[float, msgspec.Meta(ge=0, description="a number of at least 0")]
    usage: _Containers
    p99_ms: Annotated[float, msgspec.Meta(ge=0, description="a number of at least 0")] | None = None
    error_ratio: (
        Annotated[float, msgspec.Meta(ge=0, le=1, description="a number from 0 to 1")] | None
    ) = None


class _Resources(msgspec.Struct):
    # Anything goes here: units.py says what is wrong with it.
    cpu: Annotated[Any, msgspec.Meta(description="cpu such as 500m, 1 or 0.5")]
    memory: Annotated[Any, msgspec.Meta(description="memory such as 256Mi, 1Gi or 500M")]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk stands, and the one list of problems it adds to."""

    problems: list[Problem]
    source: str
    component: str | None = None
    row: int | None = None
    prefix: str = ""

    def report(self, key: str, rule: str) -> None:
        path = ".".join(part for part in (self.prefix, key) if part)
        self.problems.append(Problem(self.source, rule, self.component, self.row, path or None))


def read_table(path: Path) -> Table:
    """Read a table. Raises InputError with every problem that it has.

    A component without rows is well-formed here; sizing refuses it.
    """
    place = _Place([], "example table" if path == EXAMPLE else str(path))
    given = _fields(_load(path, place), _File, place)
    names: list[str] = []
    components = []
    for number, raw in enumerate(given.get("components", []), start=1):
        name = raw.get("name") if isinstance(raw, dict) else None
        # A component whose name is the problem is told by its number.
        label = name if isinstance(name, str) and name else f"number {number}"
        here = replace(place, component=label)
        if label in names:
            here.report("name", "is the name of an earlier component")
        names.append(label)
        component = _component(raw, here)
        if component is not None:
            components.append(component)
    if place.problems:
        raise InputError(place.problems)
    return Table(place.source, tuple(components), is_example=path == EXAMPLE)


def _load(path: Path, place: _Place) -> object:
    try:
        text = path.read_text(encoding="utf-8")
        loader = _UniqueKeyLoader(text)
        try:
            document = loader.get_single_data()
        finally:
            loader.dispose()
    except FileNotFoundError:
        place.report("", "no such file")
    except (OSError, UnicodeDecodeError) as error:
        place.report("", f"cannot be read: {error}")
    except (yaml.YAMLError, RecursionError) as error:
        place.report("", f"is not YAML: {' '.join(str(error).split())}")
    else:
        for line, key in loader.repeated_keys:
            place.report(str(key), f"is given twice in one mapping, again in line {line}")
        return document
    raise InputError(place.problems)


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader that remembers keys given twice; plain YAML silently takes the last."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.repeated_keys: list[tuple[int, Hashable]] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else id(key_node)
            if key in seen:
                self.repeated_keys.append((key_node.start_mark.line + 1, key))
            seen.add(key)
        return super().construct_mapping(node, deep)


_S = TypeVar("_S", bound=msgspec.Struct)


def _fields(raw: object, shape: type[_S], place: _Place) -> dict[str, Any]:
    """Return the keys of `raw` that are as `shape` says; report every one that is not."""
    fields = msgspec.structs.fields(shape)
    known = ", ".join(field.name for field in fields)
    if not isinstance(raw, dict):
        place.report("", f"expected a mapping with {known}, got {_shown(raw)}")
        return {}
    for key in sorted(str(key) for key in raw.keys() - {field.name for field in fields}):
        place.report(key, f"unknown key; the keys here are {known}")
    result = {}
    for field in fields:
        if field.name not in raw:
            if field.required:
                place.report(field.name, f"missing; expected {_expected(field.type)}")
            continue
        value = raw[field.name]
        try:
            converted = msgspec.convert(value, field.type)
        except msgspec.ValidationError:
            converted = math.nan
        # .inf is a float to YAML and to msgspec, and no measurement.
        if isinstance(converted, float) and not math.isfinite(converted):
            place.report(field.name, f"expected {_expected(field.type)}, got {_shown(value)}")
        else:
            result[field.name] = converted
    return result


def _expected(kind: Any) -> str:
    """Return the description that the type carries; the first one of a union."""
    for part in (kind, *get_args(kind)):
        for meta in getattr(part, "__metadata__", ()):
            if isinstance(meta, msgspec.Meta) and meta.description:
                return meta.description
    raise AssertionError(f"no description on {kind}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _component(raw: object, place: _Place) -> Component | None:
    before = len(place.problems)
    given = _fields(raw, _Component, place)
    routes = _routes(given.get("routes", []), place)
    requests = _containers(given.get("requests", {}), replace(place, prefix="requests"))
    for container, amount in requests.items():
        if amount.cpu_millicores == 0:
            place.report(f"requests.{container}.cpu", "expected more than 0: utilisation is of it")
    names = frozenset(str(container) for container in given.get("requests", {}))
    points = [
        point
        for row, raw_point in enumerate(given.get("points", []), start=1)
        if (point := _point(raw_point, row, names, place)) is not None
    ]
    if len(place.problems) > before:
        return None
    return Component(given["name"], given["kind"], routes, requests, tuple(points))


def _routes(templates: list[str], place: _Place) -> tuple[str, ...]:
    tags: list[str] = []
    for template in templates:
        tag = template if template == ALL_ROUTES else route_tag(template)
        if template not in (ALL_ROUTES, "other") and not template.startswith("/"):
            rule = f'expected a template such as /api/*, "other" or "*", got {_shown(template)}'
            place.report("routes", rule)
        elif tag in tags:
            place.report("routes", f"{_shown(template)} has the same tag as one before it: {tag}")
        tags.append(tag)
    return tuple(tags)


def _point(raw: object, row: int, names: frozenset[str], place: _Place) -> LoadPoint | None:
    """Read one row of a component whose requests name these containers."""
    here = replace(place, row=row)
    before = len(place.problems)
    given = _fields(raw, _Point, here)
    usage = _containers(given.get("usage", {}), replace(here, prefix="usage"))
    if "usage" in given and names:
        measured = {str(container) for container in given["usage"]}
        for container in sorted(measured - names):
            here.report(f"usage.{container}", "is not among the component's requests")
        for container in sorted(names - measured):
            here.report(f"usage.{container}", "missing; every container with requests is measured")
    if len(place.problems) > before:
        return None
    return LoadPoint(
        row=row,
        replicas=given["replicas"],
        rps=given["rps"],
        usage=usage,
        p99_ms=given.get("p99_ms"),
        error_ratio=given.get("error_ratio"),
    )


def _containers(raw: _Mapping, place: _Place) -> dict[str, Resources]:
    result = {}
    for container, amounts in raw.items():
        here = replace(place, prefix=f"{place.prefix}.{container}")
        given = _fields(amounts, _Resources, here)
        parsed: dict[str, Any] = {}
        for key, parse in (("cpu", units.parse_cpu), ("memory", units.parse_memory)):
            if key in given:
                try:
                    parsed[key] = parse(given[key])
                except ValueError as error:
                    here.report(key, str(error))
        if len(parsed) == 2:
            result[str(container)] = Resources(parsed["cpu"], parsed["memory"])
    return result

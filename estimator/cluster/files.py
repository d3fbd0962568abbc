"""Node pools, DaemonSets, zones and prices from a YAML file, read strictly.

The walk names every problem with file, line, key and what was expected. Allocatable capacity is
given, or computed by the provider's formula (model/nodes/packing.py): a pool states one of the two.
A price without its date and its source is refused: nobody could tell whether it still holds.
"""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import msgspec

from estimator import units
from estimator.errors import InputError
from estimator.model.nodes.packing import PROVIDERS, Cluster, DaemonSet, NodePool, allocatable
from estimator.table import yaml_file
from estimator.table.document import read_resources
from estimator.table.fields import Place, read_fields, shown
from estimator.table.load_points import Resources
from estimator.text_files import read_text

EXAMPLE = Path(__file__).parent / "example_nodes.yaml"

_Name = Annotated[str, msgspec.Meta(min_length=1, description="a name")]
_Words = Annotated[
    dict[str, str], msgspec.Meta(description="a mapping of labels to values, both text")
]
_Amount = Annotated[Any, msgspec.Meta(description="a mapping with cpu and memory")]


class _File(msgspec.Struct):
    pools: Annotated[
        list[Any], msgspec.Meta(min_length=1, description="a list of at least one node pool")
    ]
    zones: Annotated[int, msgspec.Meta(ge=1, le=20, description="a whole number from 1 to 20")] = 1
    currency: _Name = "USD"
    priced_on: Annotated[date, msgspec.Meta(description="a date such as 2026-11-01")] | None = None
    price_source: _Name | None = None
    daemon_sets: Annotated[list[Any], msgspec.Meta(description="a list of DaemonSets")] = []
    node_selectors: Annotated[
        dict[str, Any], msgspec.Meta(description="a mapping of components to labels")
    ] = {}


class _Pool(msgspec.Struct):
    name: _Name
    capacity: _Amount
    provider: Annotated[str, msgspec.Meta(description=f"one of {', '.join(PROVIDERS)}")] | None = (
        None
    )
    allocatable: _Amount | None = None
    max_pods: Annotated[
        int, msgspec.Meta(ge=1, le=1000, description="a whole number from 1 to 1000")
    ] = 110
    labels: _Words = {}
    price_per_hour: (
        Annotated[float, msgspec.Meta(ge=0, description="a number of at least 0")] | None
    ) = None


class _DaemonSet(msgspec.Struct):
    name: _Name
    requests: _Amount
    node_selector: _Words = {}


def read_cluster(path: Path) -> Cluster:
    """Read a node file. Raises InputError with every problem that it has."""
    place = Place([], "example nodes" if path == EXAMPLE else str(path))
    cluster = _cluster(yaml_file.parse(read_text(path), place), place, path == EXAMPLE)
    if cluster is None or place.problems:
        raise InputError(place.problems)
    return cluster


def _cluster(raw: object, place: Place, is_example: bool) -> Cluster | None:
    given = read_fields(raw, _File, place)
    pools = [
        _pool(one, replace(place, prefix=f"pools[{number}]"))
        for number, one in enumerate(given.get("pools", []), start=1)
    ]
    daemon_sets = [
        _daemon_set(one, replace(place, prefix=f"daemon_sets[{number}]"))
        for number, one in enumerate(given.get("daemon_sets", []), start=1)
    ]
    found = [pool for pool in pools if pool is not None]
    names = [pool.name for pool in found]
    for name in sorted({name for name in names if names.count(name) > 1}):
        place.report("pools", f"{name} is the name of two pools")
    selectors = _selectors(given.get("node_selectors", {}), found, place)
    is_priced = any(pool.price_per_hour is not None for pool in found)
    for key in ("priced_on", "price_source"):
        if is_priced and given.get(key) is None:
            place.report(key, "missing; prices need their date and their source")
    if place.problems:
        return None
    return Cluster(
        source=place.source,
        pools=tuple(found),
        daemon_sets=tuple(one for one in daemon_sets if one is not None),
        zones=given.get("zones", 1),
        node_selectors=selectors,
        currency=given.get("currency", "USD"),
        priced_on=given.get("priced_on"),
        price_source=given.get("price_source") or "",
        is_example=is_example,
    )


def _pool(raw: object, place: Place) -> NodePool | None:
    before = len(place.problems)
    given = read_fields(raw, _Pool, place)
    line = place.marks.line(raw)
    capacity = _resources(given.get("capacity"), replace(place, prefix=f"{place.prefix}.capacity"))
    provider, stated = given.get("provider"), given.get("allocatable")
    if (provider is None) == (stated is None):
        place.report("allocatable", "expected one of allocatable and provider", line)
    elif provider is not None and provider not in PROVIDERS:
        rule = f"expected one of {', '.join(PROVIDERS)}, got {shown(provider)}"
        place.report("provider", rule, place.marks.line(raw, "provider"))
    left = None
    if stated is not None:
        left = _resources(stated, replace(place, prefix=f"{place.prefix}.allocatable"))
    if len(place.problems) > before or capacity is None:
        return None
    max_pods = given.get("max_pods", 110)
    reason = "given"
    if provider is not None:
        left = allocatable(provider, capacity, max_pods)
        reason = f"by the formula of {provider} for {max_pods} pods"
    assert left is not None
    if left.cpu_millicores > capacity.cpu_millicores or left.memory_bytes > capacity.memory_bytes:
        place.report("allocatable", "is more than the capacity", line)
    return NodePool(
        name=given["name"],
        capacity=capacity,
        allocatable=left,
        allocatable_reason=(
            f"{units.format_cpu(left.cpu_millicores)} and {units.format_memory(left.memory_bytes)},"
            f" {reason}"
        ),
        max_pods=max_pods,
        labels=given.get("labels", {}),
        price_per_hour=given.get("price_per_hour"),
    )


def _daemon_set(raw: object, place: Place) -> DaemonSet | None:
    given = read_fields(raw, _DaemonSet, place)
    requests = _resources(given.get("requests"), replace(place, prefix=f"{place.prefix}.requests"))
    if requests is None or "name" not in given:
        return None
    return DaemonSet(given["name"], requests, given.get("node_selector", {}))


def _selectors(
    raw: dict[str, Any], pools: list[NodePool], place: Place
) -> dict[str, dict[str, str]]:
    result = {}
    for component, labels in raw.items():
        key = f"node_selectors.{component}"
        line = place.marks.line(raw, component)
        if not isinstance(labels, dict) or not all(
            isinstance(word, str) for pair in labels.items() for word in pair
        ):
            place.report(key, f"expected labels and their values, got {shown(labels)}", line)
        elif pools and not any(labels.items() <= pool.labels.items() for pool in pools):
            place.report(key, "matches the labels of no pool", line)
        else:
            result[component] = labels
    return result


def _resources(raw: object, place: Place) -> Resources | None:
    return None if raw is None else read_resources(raw, place)

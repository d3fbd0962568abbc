"""Reads node pools, DaemonSets, zones and prices strictly from a YAML file.

Every problem is reported with its file, line and key and with what was expected. A pool states
either its allocatable capacity or a provider, whose formula gives it (model/nodes/packing.py). A
price needs its date and its source, because nobody could tell otherwise whether it still holds.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from estimator import units
from estimator.errors import InputError
from estimator.model.nodes.capacity import PROVIDERS, Cluster, DaemonSet, NodePool, allocatable
from estimator.model.nodes.instance_types import max_pods_of
from estimator.table import yaml_file
from estimator.table.document import read_resources
from estimator.table.fields import Place, read_fields, shown
from estimator.table.load_points import Resources
from estimator.text_files import read_text

MAX_PODS = 110
"""Default of the kubelet, of GKE and, with overlay networks, of AKS."""

EXAMPLE = Path(__file__).parent / "example_nodes.yaml"

_Item = TypeVar("_Item", NodePool, DaemonSet)

_Name = Annotated[str, msgspec.Meta(min_length=1, description="a name")]
_Labels = Annotated[
    dict[str, str], msgspec.Meta(description="a mapping of labels to values, both text")
]
_Amount = Annotated[Any, msgspec.Meta(description="a mapping with cpu and memory")]


class _ClusterFields(msgspec.Struct):
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


class _PoolFields(msgspec.Struct):
    name: _Name
    capacity: _Amount
    provider: Annotated[str, msgspec.Meta(description=f"one of {', '.join(PROVIDERS)}")] | None = (
        None
    )
    allocatable: _Amount | None = None
    max_pods: (
        Annotated[int, msgspec.Meta(ge=1, le=1000, description="a whole number from 1 to 1000")]
        | None
    ) = None
    instance_type: _Name | None = None
    labels: _Labels = {}
    price_per_hour: (
        Annotated[float, msgspec.Meta(ge=0, description="a number of at least 0")] | None
    ) = None


class _DaemonSetFields(msgspec.Struct):
    name: _Name
    requests: _Amount
    node_selector: _Labels = {}


def read_cluster(path: Path) -> Cluster:
    """Return the cluster in a node file. Raises InputError with every problem of the file."""
    place = Place([], "example nodes" if path == EXAMPLE else str(path))
    cluster = _cluster(
        yaml_file.parse(read_text(path, yaml_file.LIMIT), place), place, path == EXAMPLE
    )
    if cluster is None or place.problems:
        raise InputError(place.problems)
    return cluster


def _cluster(raw: object, place: Place, is_example: bool) -> Cluster | None:
    fields = read_fields(raw, _ClusterFields, place)
    pools = _items(fields.get("pools", []), "pools", _pool, place)
    daemon_sets = _items(fields.get("daemon_sets", []), "daemon_sets", _daemon_set, place)
    names = [pool.name for pool in pools]
    for name in sorted({name for name in names if names.count(name) > 1}):
        place.report("pools", f"expected each name once, got {name} twice")
    selectors = _selectors(fields.get("node_selectors", {}), pools, place)
    is_priced = any(pool.price_per_hour is not None for pool in pools)
    for key in ("priced_on", "price_source"):
        if is_priced and fields.get(key) is None:
            place.report(key, "missing; prices need their date and their source")
    if place.problems:
        return None
    return Cluster(
        source=place.source,
        pools=tuple(pools),
        daemon_sets=tuple(daemon_sets),
        zones=fields.get("zones", 1),
        node_selectors=selectors,
        currency=fields.get("currency", "USD"),
        priced_on=fields.get("priced_on"),
        price_source=fields.get("price_source") or "",
        is_example=is_example,
    )


def _items(
    raws: list[Any], key: str, read: Callable[[object, Place], _Item | None], place: Place
) -> list[_Item]:
    """Return the well-formed items of a list; `read` reports the problems of the others."""
    items = (
        read(raw, replace(place, prefix=f"{key}[{number}]"))
        for number, raw in enumerate(raws, start=1)
    )
    return [item for item in items if item is not None]


def _pool(raw: object, place: Place) -> NodePool | None:
    before = len(place.problems)
    fields = read_fields(raw, _PoolFields, place)
    line = place.marks.line(raw)
    capacity = _resources(fields.get("capacity"), replace(place, prefix=f"{place.prefix}.capacity"))
    provider, stated = fields.get("provider"), fields.get("allocatable")
    if (provider is None) == (stated is None):
        place.report("allocatable", "expected either allocatable or provider", line)
    elif provider is not None and provider not in PROVIDERS:
        rule = f"expected one of {', '.join(PROVIDERS)}, got {shown(provider)}"
        place.report("provider", rule, place.marks.line(raw, "provider"))
    usable = _resources(stated, replace(place, prefix=f"{place.prefix}.allocatable"))
    if len(place.problems) > before or capacity is None:
        return None
    max_pods = _max_pods(fields)
    if max_pods is None:
        rule = (
            "expected max_pods, or a known instance_type: on EKS it is 29 for m5.large and 737 for"
            " m5.16xlarge (kubectl describe node shows it)"
        )
        place.report("max_pods", rule, line)
        return None
    reason = "given"
    if provider is not None:
        usable = allocatable(provider, capacity, max_pods)
        reason = f"by the formula of {provider} for {max_pods} pods"
    assert usable is not None
    if not _fits(usable, capacity):
        place.report("allocatable", "expected at most the capacity", line)
    return NodePool(
        name=fields["name"],
        capacity=capacity,
        allocatable=usable,
        allocatable_reason=(
            f"{units.format_cpu(usable.cpu_millicores)} and"
            f" {units.format_memory(usable.memory_bytes)}, {reason}"
        ),
        max_pods=max_pods,
        labels=fields.get("labels", {}),
        price_per_hour=fields.get("price_per_hour"),
    )


def _max_pods(fields: Mapping[str, Any]) -> int | None:
    """Return the pods of one node; None for an EKS node that does not say enough."""
    stated, provider = fields.get("max_pods"), fields.get("provider")
    if stated is not None:
        return int(stated)
    of_type = max_pods_of(fields.get("instance_type") or "")
    return of_type if of_type is not None or provider == "eks" else MAX_PODS


def _fits(amount: Resources, capacity: Resources) -> bool:
    return (
        amount.cpu_millicores <= capacity.cpu_millicores
        and amount.memory_bytes <= capacity.memory_bytes
    )


def _daemon_set(raw: object, place: Place) -> DaemonSet | None:
    fields = read_fields(raw, _DaemonSetFields, place)
    requests = _resources(fields.get("requests"), replace(place, prefix=f"{place.prefix}.requests"))
    if requests is None or "name" not in fields:
        return None
    return DaemonSet(fields["name"], requests, fields.get("node_selector", {}))


def _selectors(
    raw: dict[str, Any], pools: list[NodePool], place: Place
) -> dict[str, dict[str, str]]:
    selectors = {}
    for component, labels in raw.items():
        key = f"node_selectors.{component}"
        line = place.marks.line(raw, component)
        if not isinstance(labels, dict) or not all(
            isinstance(word, str) for pair in labels.items() for word in pair
        ):
            rule = f"expected a mapping of labels to values, both text, got {shown(labels)}"
            place.report(key, rule, line)
        elif pools and not any(labels.items() <= pool.labels.items() for pool in pools):
            place.report(key, f"expected labels of a pool, got {shown(labels)}", line)
        else:
            selectors[component] = labels
    return selectors


def _resources(raw: object, place: Place) -> Resources | None:
    return None if raw is None else read_resources(raw, place)

"""Differences between existing manifests and the projection, with the reasons of the projection.

The comparison covers every number for which `manifests.py` gives a reason, and nothing else:
labels, images and additions are the team's own. Values are compared by what they mean (meaning.py),
absent fields as their defaults (defaults.py), list items by their `name` or `type`. An object is
recognised by its purpose (an HPA by its target, a budget by its selector), not only by its name.
What scales or runs a component in another way is named where it is not compared. This module
computes no number of the projection.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from estimator.model.projection import ComponentProjection, Projection
from estimator.report.drift import meaning
from estimator.report.drift.defaults import PROXY, WORKLOADS, Elsewhere, completed
from estimator.report.manifest_files import read_manifests
from estimator.report.manifests import Manifest, manifests_of
from estimator.report.yaml_text import Why

_KEYS = ("name", "type", "topologyKey")
"""The keys that identify an item of a list, in this order of preference."""
_SHARES = {"maxSurge": True, "maxUnavailable": False}
"""Shares of the replicas in a rolling update, and whether Kubernetes rounds them up."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One field that differs from the projection."""

    resource: str
    """Kind and name: `HorizontalPodAutoscaler/api`."""
    field: str
    """`spec.minReplicas`, or empty if the whole object is missing."""
    has: str
    wants: str
    why: str
    file: str
    """The file that has it, or the directory that was searched."""
    too_small: bool = True
    """Whether it gives less than the projection wants, or endangers what it wants."""


@dataclass(frozen=True, slots=True)
class Drifts:
    """The result of a comparison; true if anything differs."""

    drifts: tuple[Drift, ...]
    compared: int
    """Number of compared fields."""
    unknown: tuple[str, ...] = field(default=())
    """Objects of the compared kinds that belong to no component of the table."""
    not_compared: tuple[str, ...] = field(default=())
    """What belongs to a component and is not compared, with the reason."""

    def __bool__(self) -> bool:
        return bool(self.drifts)


@dataclass(frozen=True, slots=True)
class Gate:
    """What counts as a difference."""

    tolerance: float = 0.0
    """Share of a wanted amount by which the existing one may differ."""
    only_too_small: bool = False


@dataclass(frozen=True, slots=True)
class _Existing:
    """An existing object with Kubernetes' defaults."""

    file: str
    kind: str
    tree: Mapping[str, Any]

    @property
    def label(self) -> str:
        return f"{self.kind}/{_at(self.tree, 'metadata', 'name')}"


EVERYTHING = Gate()


def compare(projection: Projection, directory: Path, gate: Gate = EVERYTHING) -> Drifts:
    """Return the differences of every manifest below the directory.

    Raises InputError with every file that is not valid YAML.
    """
    existing = _read(directory)
    manifests = list(manifests_of(projection))
    components = {component.name: component for component in projection.components}
    found: list[Drift] = []
    notes: list[str] = []
    compared = 0
    matched: set[int] = set()
    for manifest in manifests:
        component = components[manifest.component]
        matches = [item for item in existing if _is_for(item, manifest)]
        matched |= {id(item) for item in matches}
        others = [item for item in existing if _replaces(item, manifest)]
        notes += [f"{item.label} in {item.file}: {_OTHERS[item.kind]}" for item in others]
        if not matches and not others:
            label = f"{manifest.kind}/{_at(manifest.tree, 'metadata', 'name')}"
            why = f"component {manifest.component} needs it; --manifests writes {manifest.file}"
            # Without a rate limit there is no less capacity.
            too_small = manifest.kind != "EnvoyFilter"
            place = str(directory)
            found.append(Drift(label, "", "missing", "present", why, place, too_small))
        for item in matches:
            pairs, unread = _compared(manifest, item)
            compared += len(pairs)
            notes += unread
            found += _differences(item, pairs, component, gate)
            found += _strangers(manifest, item)
    found += _fixed_counts(components, existing)
    for item in existing:
        if (name := _scaled(item)) in components and components[name].hpa is None:
            matched.add(id(item))
            why = f"a fixed count of {components[name].replicas.value:g} is recommended"
            found.append(Drift(item.label, "", "present", "missing", why, item.file, False))
    kinds = {manifest.kind for manifest in manifests}
    unknown = tuple(
        f"{item.label} in {item.file}"
        for item in existing
        if item.kind in kinds and id(item) not in matched
    )
    drifts = tuple(drift for drift in found if drift.too_small or not gate.only_too_small)
    return Drifts(drifts, compared, unknown, tuple(dict.fromkeys(notes)))


def present_replicas(projection: Projection, directory: Path) -> dict[str, str]:
    """Return how many replicas the manifests give each component today: `4`, or `2 to 8`."""
    existing = _read(directory)
    today: dict[str, str] = {}
    for component in projection.components:
        for item in existing:
            spec = _at(item.tree, "spec")
            is_of_it = _at(item.tree, "metadata", "name") == component.name
            if item.kind in WORKLOADS and is_of_it:
                today.setdefault(component.name, str(_plain(_at(spec, "replicas"))))
            elif _scaled(item) == component.name:
                least = _plain(_at(spec, "minReplicas"))
                today[component.name] = f"{least} to {_at(spec, 'maxReplicas')}"
    return today


def _read(directory: Path) -> list[_Existing]:
    return [
        _Existing(item.file, str(item.tree["kind"]), completed(item.tree))
        for item in read_manifests(directory)
    ]


# --- which object is compared with which ---


def _is_for(existing: _Existing, manifest: Manifest) -> bool:
    """Say whether an existing object has the purpose of this manifest."""
    tree, name = existing.tree, manifest.component
    own_name = _at(tree, "metadata", "name")
    if manifest.kind == "Deployment":
        return existing.kind in WORKLOADS and bool(own_name == name)
    if existing.kind != manifest.kind:
        return False
    match manifest.kind:
        case "HorizontalPodAutoscaler":
            return _scaled(existing) == name
        case "PodDisruptionBudget":
            return name in (own_name, _at(tree, "spec", "selector", "matchLabels", "app"))
        case "EnvoyFilter":
            return bool(own_name == _at(manifest.tree, "metadata", "name"))
        case _:
            return bool(own_name == name)


_OTHERS = {
    "ScaledObject": "KEDA scales this component with an HPA of its own, which is not compared",
}
"""Kinds that do the work of a projected object in another way."""


def _replaces(existing: _Existing, manifest: Manifest) -> bool:
    if existing.kind == "ScaledObject" and manifest.kind == "HorizontalPodAutoscaler":
        return bool(_at(existing.tree, "spec", "scaleTargetRef", "name") == manifest.component)
    return False


def _scaled(existing: _Existing) -> str:
    """Return the component that an HPA scales; empty for other kinds."""
    if existing.kind != "HorizontalPodAutoscaler":
        return ""
    return str(_at(existing.tree, "spec", "scaleTargetRef", "name"))


# --- fields ---


@dataclass(frozen=True, slots=True)
class _Pair:
    path: tuple[str, ...]
    has: Any
    wants: Why


def _compared(manifest: Manifest, item: _Existing) -> tuple[list[_Pair], list[str]]:
    """Return the fields to compare, and what cannot be compared."""
    if manifest.kind == "PodDisruptionBudget":
        return [_budget(manifest.tree, item.tree)], []
    pairs = list(_pairs(manifest.tree, item.tree, ()))
    notes = []
    if manifest.kind == "Deployment" and item.kind != "Deployment":
        pairs = [pair for pair in pairs if "strategy" not in pair.path]
        notes.append(f"{item.label} in {item.file}: the update strategy of a {item.kind}")
        if _at(item.tree, "spec", "workloadRef") is not None:
            pairs = []
            notes.append(f"{item.label} in {item.file}: its pods, which workloadRef names")
    if manifest.kind == "HorizontalPodAutoscaler":
        wanted = {_key(metric) for metric in _at(manifest.tree, "spec", "metrics")}
        given = _at(item.tree, "spec", "metrics")
        metrics = [_key(metric) for metric in (given if isinstance(given, list) else [])]
        others = [name for name in metrics if name not in wanted]
        notes += [f"{item.label} in {item.file}: its metric {name}" for name in others]
        # Without the projected metric it scales by another one, unless that is only memory.
        if not wanted & set(metrics) and any(not name.startswith("Resource ") for name in others):
            pairs = [pair for pair in pairs if "metrics" not in pair.path]
    return pairs, notes


def _pairs(projected: Any, existing: Any, path: tuple[str, ...]) -> Iterator[_Pair]:
    """Yield path, existing value and wanted value of every value with a reason."""
    if isinstance(projected, Why):
        yield _Pair(path, existing, projected)
    elif isinstance(projected, Mapping):
        fields = existing if isinstance(existing, Mapping) else {}
        for key, value in projected.items():
            yield from _pairs(value, fields.get(key), (*path, key))
    elif isinstance(projected, list):
        items = existing if isinstance(existing, list) else []
        for index, value in enumerate(projected):
            key = _key(value)
            same = [item for item in items if key and _key(item) == key]
            fallback = items[index] if not key and index < len(items) else None
            label = f"[{key or index}]"
            yield from _pairs(value, same[0] if same else fallback, (*path, label))


def _budget(projected: Mapping[str, Any], existing: Mapping[str, Any]) -> _Pair:
    """Return both rules of a disruption budget, whichever field states them."""
    spec = projected["spec"]
    name = next(key for key in ("maxUnavailable", "minAvailable") if key in spec)
    rule = _at(existing, "spec")
    rules = {
        key: rule[key]
        for key in ("maxUnavailable", "minAvailable")
        if isinstance(rule, Mapping) and rule.get(key) is not None
    }
    return _Pair(("spec", name), rules or None, spec[name])


def _differences(
    item: _Existing, pairs: Sequence[_Pair], component: ComponentProjection, gate: Gate
) -> Iterator[Drift]:
    counts = [int(component.replicas.value)]
    if component.hpa is not None:
        counts.append(int(component.hpa.min_replicas.value))
    for pair in pairs:
        has, wants = _plain(pair.has), pair.wants.value
        name = pair.path[-1]
        if item.kind == "PodDisruptionBudget":
            wanted = {name: wants}
            evicted = [meaning.evicted(has or {}, count) for count in counts]
            allowed = [meaning.evicted(wanted, count) for count in counts]
            is_same = evicted == allowed
            too_small = any(
                many is None or few is None or many > few
                for many, few in zip(evicted, allowed, strict=True)
            )
        elif name in _SHARES and "rollingUpdate" in pair.path:
            is_same = str(has) == str(wants) or meaning.is_share_same(
                has, wants, counts, _SHARES[name]
            )
            too_small = meaning.is_too_small(pair.path, has, wants)
        else:
            is_same = meaning.is_same(has, wants, gate.tolerance)
            too_small = meaning.is_too_small(pair.path, has, wants)
        if not is_same:
            path, why = _join(pair.path), pair.wants.reason
            shown = _shown(pair.has), _shown(wants)
            yield Drift(item.label, path, *shown, why, item.file, too_small)


def _strangers(manifest: Manifest, existing: _Existing) -> Iterator[Drift]:
    """Yield containers that the table does not know: the utilisation of an HPA counts them, too."""
    if manifest.kind != "Deployment":
        return
    pod = _at(manifest.tree, "spec", "template", "spec")
    named = {
        _key(container)
        for key in ("containers", "initContainers")
        for container in _at(pod, key) or []
    }
    keys = ("spec", "template", "spec", "containers")
    containers = _at(existing.tree, *keys)
    for container in containers if isinstance(containers, list) else []:
        # A Deployment may list an injected proxy to customise it.
        if isinstance(container, Mapping) and _key(container) not in named | {PROXY}:
            path = _join((*keys, f"[{_key(container)}]"))
            why = "the table has no such container, and an HPA counts the requests of all of them"
            yield Drift(existing.label, path, "present", "measured", why, existing.file, False)


def _fixed_counts(
    components: Mapping[str, ComponentProjection], existing: Sequence[_Existing]
) -> Iterator[Drift]:
    """Yield each replica count that stands beside an autoscaler of the same component."""
    scaled = {_scaled(item) for item in existing}
    scaled |= {
        str(_at(item.tree, "spec", "scaleTargetRef", "name"))
        for item in existing
        if item.kind == "ScaledObject"
    }
    scaled |= {name for name, component in components.items() if component.hpa is not None}
    for item in existing:
        name = _at(item.tree, "metadata", "name")
        count = _at(item.tree, "spec", "replicas")
        is_given = count is not None and not isinstance(count, Elsewhere)
        if item.kind in WORKLOADS and name in components and name in scaled and is_given:
            why = f"an autoscaler decides it: each apply of this file sets it back to {count}"
            yield Drift(item.label, "spec.replicas", str(count), "nothing", why, item.file)


def _key(item: Any) -> str:
    """Return what identifies an item of a list; several metrics may be of type Resource."""
    if not isinstance(item, Mapping):
        return ""
    for kind in ("resource", "containerResource"):
        if isinstance(source := item.get(kind), Mapping):
            names = (item.get("type"), source.get("container"), source.get("name"))
            return " ".join(str(name) for name in names if name is not None)
    return next((str(item[key]) for key in _KEYS if key in item), "")


def _at(tree: Any, *keys: str) -> Any:
    for key in keys:
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(key)
    return tree


def _join(path: Sequence[str]) -> str:
    return ".".join(path).replace(".[", "[")


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Elsewhere) else value


def _shown(value: Any) -> str:
    if isinstance(value, Elsewhere):
        return f"{value.value} ({value.where})"
    if isinstance(value, dict):
        return ", ".join(f"{name} {rule}" for name, rule in value.items())
    return "nothing" if value is None else str(value)

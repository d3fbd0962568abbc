"""Differences between existing manifests and the projection, with the reasons of the projection.

The comparison covers every number for which `manifests.py` gives a reason, and nothing else:
labels, images and additions are the team's own. Amounts are compared by value (`1` equals `1000m`),
list items by their `name` or `type`. An object is recognised by its purpose (an HPA by its target,
a budget by its selector), not only by its name. This module computes no number.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from estimator import units
from estimator.model.projection import Projection
from estimator.report.blocks import Banner, Cell, Column, Document, Grid, Level, Listing, Section
from estimator.report.manifest_files import Existing, read_manifests
from estimator.report.manifests import Manifest, manifests_of
from estimator.report.yaml_text import Why

_KEYS = ("name", "type")
"""The keys that identify an item of a list, in this order of preference."""


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


@dataclass(frozen=True, slots=True)
class Drifts:
    """The result of a comparison; true if anything differs."""

    drifts: tuple[Drift, ...]
    compared: int
    """Number of compared fields."""
    unknown: tuple[str, ...] = field(default=())
    """Objects of the compared kinds that belong to no component of the table."""

    def __bool__(self) -> bool:
        return bool(self.drifts)


def compare(projection: Projection, directory: Path) -> Drifts:
    """Return the differences of every manifest below the directory.

    Raises InputError with every file that is not valid YAML.
    """
    existing = read_manifests(directory)
    manifests = list(manifests_of(projection))
    drifts: list[Drift] = []
    compared = 0
    matched: set[int] = set()
    for manifest in manifests:
        matches = [item for item in existing if _is_for(item.tree, manifest)]
        matched |= {id(item) for item in matches}
        if not matches:
            label = f"{manifest.kind}/{_at(manifest.tree, 'metadata', 'name')}"
            why = f"component {manifest.component} needs it; --manifests writes {manifest.file}"
            drifts.append(Drift(label, "", "missing", "present", why, str(directory)))
        for item in matches:
            pairs = list(_pairs(manifest.tree, item.tree, ()))
            compared += len(pairs)
            drifts += [
                Drift(_label(item), path, _shown(has), _shown(why.value), why.reason, item.file)
                for path, has, why in pairs
                if not _is_same(has, why.value)
            ]
            drifts += _strangers(manifest, item)
    kinds = {manifest.kind for manifest in manifests}
    unknown = tuple(
        f"{_label(item)} in {item.file}"
        for item in existing
        if item.tree.get("kind") in kinds and id(item) not in matched
    )
    return Drifts(tuple(drifts), compared, unknown)


def drift_document(result: Drifts, directory: str) -> Document:
    """Return the comparison as a document, for a terminal or Markdown: a table for each object."""
    count = len(result.drifts)
    banner = (
        Banner(Level.BAD, f"DRIFT: {count} difference{'' if count == 1 else 's'} in {directory}")
        if result
        else Banner(Level.OK, f"No drift: {result.compared} fields in {directory} are as projected")
    )
    by_object: dict[tuple[str, str], list[Drift]] = {}
    for drift in result.drifts:
        by_object.setdefault((drift.resource, drift.file), []).append(drift)
    columns = tuple(Column(title) for title in ("field", "has", "wants", "why"))
    sections = []
    for number, ((resource, file), drifts) in enumerate(by_object.items(), 1):
        rows = tuple(
            (Cell(drift.field or "the object"), Cell(drift.has), Cell(drift.wants), Cell(drift.why))
            for drift in drifts
        )
        grid = Grid(f"in {file}", columns, rows)
        sections.append(Section(f"object-{number}", resource, (grid,)))
    if result.unknown:
        listing = Listing(
            "Objects of no component in the table, not compared", result.unknown, Level.WARN
        )
        sections.append(Section("unknown", "Unknown", (listing,)))
    foot = "The exit code is 5 if anything differs."
    return Document("Drift of manifests", (banner,), tuple(sections), foot)


def drift_json(result: Drifts) -> str:
    """Return the comparison as JSON text (docs/formats.md, "Drift"); it ends in a newline."""
    data = {
        "format": "kagami-drift",
        "version": 1,
        "compared": result.compared,
        "drifts": [asdict(drift) for drift in result.drifts],
        "unknown": list(result.unknown),
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def drift_csv(result: Drifts) -> str:
    """Return the differences, one per line, with a header."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(Drift.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(drift) for drift in result.drifts)
    return stream.getvalue()


def _label(existing: Existing) -> str:
    return f"{existing.tree.get('kind')}/{_at(existing.tree, 'metadata', 'name')}"


def _is_for(tree: Mapping[str, Any], manifest: Manifest) -> bool:
    """Say whether an existing object has the purpose of this manifest."""
    if tree.get("kind") != manifest.kind:
        return False
    name = manifest.component
    match manifest.kind:
        case "HorizontalPodAutoscaler":
            return bool(_at(tree, "spec", "scaleTargetRef", "name") == name)
        case "PodDisruptionBudget":
            return name in (
                _at(tree, "metadata", "name"),
                _at(tree, "spec", "selector", "matchLabels", "app"),
            )
        case "EnvoyFilter":
            wants = _at(manifest.tree, "metadata", "name")
            return bool(_at(tree, "metadata", "name") == wants)
        case _:
            return bool(_at(tree, "metadata", "name") == name)


def _pairs(projected: Any, existing: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any, Why]]:
    """Yield path, existing value and wanted value of every value with a reason."""
    if isinstance(projected, Why):
        yield _join(path), existing, projected
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


def _strangers(manifest: Manifest, existing: Existing) -> Iterator[Drift]:
    """Yield containers that the table does not know: the utilisation of an HPA counts them, too."""
    if manifest.kind != "Deployment":
        return
    keys = ("spec", "template", "spec", "containers")
    named = {_key(container) for container in _at(manifest.tree, *keys) or []}
    for container in _at(existing.tree, *keys) or []:
        # A Deployment may list an injected proxy to customise it.
        if isinstance(container, Mapping) and _key(container) not in named | {"istio-proxy"}:
            path = _join((*keys, f"[{_key(container)}]"))
            why = "the table has no such container, and an HPA counts the requests of all of them"
            yield Drift(_label(existing), path, "present", "measured", why, existing.file)


def _key(item: Any) -> str:
    if not isinstance(item, Mapping):
        return ""
    return next((str(item[key]) for key in _KEYS if key in item), "")


def _at(tree: Any, *keys: str) -> Any:
    for key in keys:
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(key)
    return tree


def _join(path: Sequence[str]) -> str:
    return ".".join(path).replace(".[", "[")


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _is_same(has: Any, wants: Any) -> bool:
    if has is None or wants is None:
        return has is wants
    return str(has) == str(wants) or any(
        parsed is not None and parsed == other
        for parse in (units.parse_cpu, units.parse_memory, _seconds)
        for parsed, other in [(_parsed(parse, has), _parsed(parse, wants))]
    )


def _parsed(parse: Any, value: Any) -> float | None:
    try:
        return float(parse(value))
    except ValueError:
        return None


def _seconds(value: Any) -> float:
    """Return seconds: Envoy accepts `0.1s` and `0.100s` for the same duration."""
    words = str(value)
    return float(words.removesuffix("s") if words.endswith("s") else "")

"""Where existing manifests differ from what the projection asks for, and why they should not.

Compared is every number that `manifests.py` gives a reason for, and nothing else: labels, images
and whatever a team adds stay its own. Amounts are compared by value (`1` is `1000m`), list items by
their `name` or `type`. An object is found by what it is for (an HPA by its target, a budget by its
selector), not only by its name. Reads a directory; computes no number.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from estimator import units
from estimator.errors import InputError, Problem
from estimator.model.projection import Projection
from estimator.report.blocks import Banner, Cell, Column, Document, Grid, Level, Listing, Section
from estimator.report.manifests import Manifest, manifests_of
from estimator.report.yaml_text import Why

_KEYS = ("name", "type")
"""What tells the items of a list in a manifest apart, in this order."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One field that is not what the projection asks for."""

    resource: str
    """Kind and name: `HorizontalPodAutoscaler/api`."""
    field: str
    """`spec.minReplicas`, or empty where the whole object is missing."""
    has: str
    wants: str
    why: str
    file: str
    """Where it stands, or where it was looked for."""


@dataclass(frozen=True, slots=True)
class Drifts:
    """What a comparison found; true where something differs."""

    drifts: tuple[Drift, ...]
    compared: int
    """Fields that were looked at."""
    unknown: tuple[str, ...] = field(default=())
    """Objects of the kinds compared that belong to no component of the table."""

    def __bool__(self) -> bool:
        return bool(self.drifts)


@dataclass(frozen=True, slots=True)
class _Found:
    file: str
    tree: Mapping[str, Any]

    @property
    def label(self) -> str:
        return f"{self.tree.get('kind')}/{_at(self.tree, 'metadata', 'name')}"


def compare(projection: Projection, directory: Path) -> Drifts:
    """Return the differences of every manifest below the directory.

    Raises InputError with every file that is no YAML.
    """
    found = _read(directory)
    wanted = list(manifests_of(projection))
    drifts: list[Drift] = []
    compared = 0
    known: set[int] = set()
    for one in wanted:
        matches = [each for each in found if _is_for(each.tree, one)]
        known |= {id(each) for each in matches}
        if not matches:
            label = f"{one.kind}/{_at(one.tree, 'metadata', 'name')}"
            why = f"component {one.component} needs it; {one.file} of --manifests holds it"
            drifts.append(Drift(label, "", "missing", "present", why, str(directory)))
        for each in matches:
            pairs = list(_pairs(one.tree, each.tree, ()))
            compared += len(pairs)
            drifts += [
                Drift(each.label, path, _told(has), _told(why.value), why.reason, each.file)
                for path, has, why in pairs
                if not _is_same(has, why.value)
            ]
            drifts += _strangers(one, each)
    kinds = {one.kind for one in wanted}
    unknown = tuple(
        f"{one.label} in {one.file}"
        for one in found
        if one.tree.get("kind") in kinds and id(one) not in known
    )
    return Drifts(tuple(drifts), compared, unknown)


def drift_document(found: Drifts, directory: str) -> Document:
    """Return the comparison as a document, for a terminal or Markdown: a table for each object."""
    count = len(found.drifts)
    banner = (
        Banner(Level.BAD, f"DRIFT: {count} difference{'' if count == 1 else 's'} in {directory}")
        if found
        else Banner(Level.OK, f"No drift: {found.compared} fields in {directory} are as projected")
    )
    by_object: dict[tuple[str, str], list[Drift]] = {}
    for one in found.drifts:
        by_object.setdefault((one.resource, one.file), []).append(one)
    columns = tuple(Column(title) for title in ("field", "has", "wants", "why"))
    sections = []
    for number, ((resource, file), drifts) in enumerate(by_object.items(), 1):
        rows = tuple(
            (Cell(one.field or "the object"), Cell(one.has), Cell(one.wants), Cell(one.why))
            for one in drifts
        )
        grid = Grid(f"in {file}", columns, rows)
        sections.append(Section(f"object-{number}", resource, (grid,)))
    if found.unknown:
        listing = Listing("Of no component in the table, not compared", found.unknown, Level.WARN)
        sections.append(Section("unknown", "Unknown", (listing,)))
    foot = "Exit code 5 where anything differs."
    return Document("Drift of manifests", (banner,), tuple(sections), foot)


def drift_json(found: Drifts) -> str:
    """Return the comparison as JSON text (docs/formats.md, "Drift"); ends in a newline."""
    data = {
        "format": "kagami-drift",
        "version": 1,
        "compared": found.compared,
        "drifts": [asdict(one) for one in found.drifts],
        "unknown": list(found.unknown),
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def drift_csv(found: Drifts) -> str:
    """Return the differences, one a line, with a header."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(Drift.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(one) for one in found.drifts)
    return stream.getvalue()


def _read(directory: Path) -> list[_Found]:
    found: list[_Found] = []
    problems: list[Problem] = []
    paths = sorted(path for path in directory.rglob("*") if path.suffix in (".yaml", ".yml"))
    for path in paths:
        try:
            documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            mark = getattr(error, "problem_mark", None)
            line = "" if mark is None else f", line {mark.line + 1}"
            rule = f"is no YAML{line}; give rendered manifests, not templates"
            problems.append(Problem(str(path), rule))
            continue
        found += [_Found(str(path), tree) for document in documents for tree in _objects(document)]
    if problems:
        raise InputError(problems)
    return found


def _objects(document: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(document, Mapping):
        if str(document.get("kind", "")).endswith("List") and "items" in document:
            for item in document["items"] or []:
                yield from _objects(item)
        elif "kind" in document:
            yield document


def _is_for(tree: Mapping[str, Any], wanted: Manifest) -> bool:
    """Whether an object is the one that this component is to have."""
    if tree.get("kind") != wanted.kind:
        return False
    name = wanted.component
    match wanted.kind:
        case "HorizontalPodAutoscaler":
            return bool(_at(tree, "spec", "scaleTargetRef", "name") == name)
        case "PodDisruptionBudget":
            return name in (
                _at(tree, "metadata", "name"),
                _at(tree, "spec", "selector", "matchLabels", "app"),
            )
        case "EnvoyFilter":
            wants = _at(wanted.tree, "metadata", "name")
            return bool(_at(tree, "metadata", "name") == wants)
        case _:
            return bool(_at(tree, "metadata", "name") == name)


def _pairs(wanted: Any, existing: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any, Why]]:
    """Yield path, what is there and what is wanted, for every reasoned value."""
    if isinstance(wanted, Why):
        yield _join(path), existing, wanted
    elif isinstance(wanted, Mapping):
        fields = existing if isinstance(existing, Mapping) else {}
        for key, value in wanted.items():
            yield from _pairs(value, fields.get(key), (*path, key))
    elif isinstance(wanted, list):
        items = existing if isinstance(existing, list) else []
        for index, value in enumerate(wanted):
            key = _key(value)
            same = [one for one in items if key and _key(one) == key]
            fallback = items[index] if not key and index < len(items) else None
            label = f"[{key or index}]"
            yield from _pairs(value, same[0] if same else fallback, (*path, label))


def _strangers(wanted: Manifest, existing: _Found) -> Iterator[Drift]:
    """Containers that the table does not know: an HPA's utilisation counts them too."""
    if wanted.kind != "Deployment":
        return
    keys = ("spec", "template", "spec", "containers")
    known = {_key(one) for one in _at(wanted.tree, *keys) or []}
    for one in _at(existing.tree, *keys) or []:
        # An injected proxy may stand here to be customised.
        if isinstance(one, Mapping) and _key(one) not in known | {"istio-proxy"}:
            path = _join((*keys, f"[{_key(one)}]"))
            why = "the table has no such container, and an HPA counts the requests of all of them"
            yield Drift(existing.label, path, "present", "measured", why, existing.file)


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


def _told(value: Any) -> str:
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
    """Read `0.1s`, which Envoy also takes as `0.100s`."""
    words = str(value)
    return float(words.removesuffix("s") if words.endswith("s") else "")

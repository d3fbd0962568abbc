"""Reading the keys of a mapping strictly, with every problem at its place.

A walk over a document converts key by key; what is wrong is noted with file, line, component, row,
key and what was expected, and the walk goes on. A value is never repaired or guessed. The document
is plain Python; which file format it came from is known only to the `Marks` that it brought.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args

import msgspec

from estimator.errors import Problem

_S = TypeVar("_S", bound=msgspec.Struct)


@dataclass(slots=True)
class Marks:
    """In which line of the file each mapping, and each of its keys, stands.

    By identity: the mappings of a document live as long as it does, and equal ones are many.
    """

    _lines: dict[int, tuple[int, dict[str, int]]] = field(default_factory=dict)

    def note(self, mapping: object, line: int, keys: Mapping[str, int] | None = None) -> None:
        """Remember the line of a mapping that is new, and the lines of these keys of it."""
        self._lines.setdefault(id(mapping), (line, {}))[1].update(keys or {})

    def line(self, mapping: object, key: str | None = None) -> int | None:
        """Return the line of a key, or of the mapping where it has no such key."""
        if id(mapping) not in self._lines:
            return None
        line, keys = self._lines[id(mapping)]
        return keys.get(key, line) if key is not None else line


@dataclass(frozen=True, slots=True)
class Place:
    """Where the walk stands, and the one list of problems it adds to."""

    problems: list[Problem]
    source: str
    marks: Marks = field(default_factory=Marks)
    component: str | None = None
    row: int | None = None
    prefix: str = ""
    line: int | None = None

    def report(self, key: str, rule: str, line: int | None = None) -> None:
        path = ".".join(part for part in (self.prefix, key) if part)
        line = self.line if line is None else line
        source = self.source if line is None else f"{self.source}:{line}"
        self.problems.append(Problem(source, rule, self.component, self.row, path or None))


def read_fields(raw: object, shape: type[_S], place: Place) -> dict[str, Any]:
    """Return the keys of `raw` that are as `shape` says; report every one that is not."""
    fields = msgspec.structs.fields(shape)
    known = ", ".join(each.name for each in fields)
    if not isinstance(raw, dict):
        place.report("", f"expected a mapping with {known}, got {shown(raw)}")
        return {}

    def line(key: str | None = None) -> int | None:
        return place.marks.line(raw, key)

    for key in sorted(str(key) for key in raw.keys() - {each.name for each in fields}):
        place.report(key, f"unknown key; the keys here are {known}", line(key))
    result = {}
    for each in fields:
        if each.name not in raw:
            if each.required:
                place.report(each.name, f"missing; expected {_expected(each.type)}", line())
            continue
        value = raw[each.name]
        try:
            converted = msgspec.convert(value, each.type)
        except msgspec.ValidationError:
            converted = math.nan
        # .inf is a float to YAML and to msgspec, and no measurement.
        if isinstance(converted, float) and not math.isfinite(converted):
            rule = f"expected {_expected(each.type)}, got {shown(value)}"
            place.report(each.name, rule, line(each.name))
        else:
            # Containers stay the very objects whose lines are known; conversion copies them.
            result[each.name] = value if isinstance(converted, dict | list) else converted
    return result


def _expected(kind: Any) -> str:
    """Return the description that the type carries; the first one of a union."""
    for part in (kind, *get_args(kind)):
        for meta in getattr(part, "__metadata__", ()):
            if isinstance(meta, msgspec.Meta) and meta.description:
                return meta.description
    raise AssertionError(f"no description on {kind}")


def shown(value: object) -> str:
    """Return a value as a message shows it, never long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

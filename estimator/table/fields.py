"""Reads the keys of a mapping strictly, and reports every problem at its place.

A walk over a document converts key by key. A wrong value is reported with its file, line,
component, row and key and with what was expected, and the walk goes on. Invariant: no value is
repaired or guessed. The document is plain Python; only its `Marks` depend on the file format.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar, get_args

import msgspec

from estimator.errors import InputError, Problem

MOST_PROBLEMS = 1000
"""Most problems of a file that are listed."""

_S = TypeVar("_S", bound=msgspec.Struct)


@dataclass(slots=True)
class Marks:
    """The line of the file in which each mapping, and each of its keys, stands.

    Mappings are known by identity: they live as long as their document, and many are equal.
    """

    _lines: dict[int, tuple[int, dict[str, int]]] = field(default_factory=dict)

    def note(self, mapping: object, line: int, keys: Mapping[str, int] | None = None) -> None:
        """Remember the line of a mapping, unless it is known, and the lines of some of its keys."""
        self._lines.setdefault(id(mapping), (line, {}))[1].update(keys or {})

    def line(self, mapping: object, key: str | None = None) -> int | None:
        """Return the line of a key, or of its mapping where the key is absent; None if unknown."""
        if id(mapping) not in self._lines:
            return None
        line, keys = self._lines[id(mapping)]
        return keys.get(key, line) if key is not None else line


@dataclass(frozen=True, slots=True)
class Place:
    """Where the walk stands, and the one list of problems that it adds to."""

    problems: list[Problem]
    source: str
    marks: Marks = field(default_factory=Marks)
    component: str | None = None
    row: int | None = None
    prefix: str = ""
    line: int | None = None

    def report(self, key: str, rule: str, line: int | None = None) -> None:
        """Add a problem with `key`, which may be empty, in `line` or else in the place's line.

        Raises InputError after MOST_PROBLEMS of them.
        """
        path = ".".join(part for part in (self.prefix, key) if part)
        line = self.line if line is None else line
        source = self.source if line is None else f"{self.source}:{line}"
        self.problems.append(Problem(source, rule, self.component, self.row, path or None))
        if len(self.problems) >= MOST_PROBLEMS:
            # A file of another kind has problems everywhere, and the walk would never end.
            raise InputError([*self.problems, Problem(self.source, "more problems follow")])


def read_fields(raw: object, shape: type[_S], place: Place) -> dict[str, Any]:
    """Return the values in `raw` that `shape` allows, by key; report every other key to `place`.

    Every field of `shape` needs a `msgspec.Meta` with a description, which messages quote.
    """
    fields = _fields_of(shape)
    names = ", ".join(fields)
    if not isinstance(raw, dict):
        place.report("", f"expected a mapping with {names}, got {shown(raw)}")
        return {}
    for key in sorted(str(key) for key in raw.keys() - fields.keys()):
        place.report(key, f"unknown key; expected one of {names}", place.marks.line(raw, key))
    values = {}
    for key, info in fields.items():
        line = place.marks.line(raw, key)
        if key not in raw:
            if info.required:
                place.report(key, f"missing; expected {_expected(info.type)}", line)
            continue
        value = raw[key]
        try:
            converted = msgspec.convert(value, info.type)
        except msgspec.ValidationError:
            converted = math.nan
        # YAML and msgspec accept .inf as a float, but no measurement is infinite.
        if isinstance(converted, float) and not math.isfinite(converted):
            place.report(key, f"expected {_expected(info.type)}, got {shown(value)}", line)
        else:
            # Conversion copies mappings and lists; their lines are known only for the originals.
            values[key] = value if isinstance(converted, dict | list) else converted
    return values


@cache
def _fields_of(shape: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    """Return the fields of a struct by name; msgspec evaluates its annotations at each call."""
    return {info.name: info for info in msgspec.structs.fields(shape)}


def _expected(kind: Any) -> str:
    """Return the description of a type; of a union, the first description in it."""
    for part in (kind, *get_args(kind)):
        for meta in getattr(part, "__metadata__", ()):
            if isinstance(meta, msgspec.Meta) and meta.description:
                return meta.description
    raise AssertionError(f"no description on {kind}")


def shown(value: object) -> str:
    """Return a value as a message shows it, in at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

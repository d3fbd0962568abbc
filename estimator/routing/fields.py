"""A strict walk over the fields of a Kubernetes object: every value knows its file, line and path.

A reader asks a field for its keys and names those that it knows. Whatever else stands there is
reported with what was expected, and the walk goes on, so one run lists every problem of all files.
No value is repaired: a wrong one is reported and read as absent. A `null` is an absent field, as
for the API server.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from estimator.errors import InputError, Problem
from estimator.routing.rules import Place

MOST_PROBLEMS = 1000
"""Most problems that are listed."""
_MOST_SHOWN = 60
_TEMPLATE = "{{"


@dataclass(slots=True)
class Findings:
    """What a run over all files has found besides the objects."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    """Objects that do not route, by kind and apiVersion."""
    namespaces: set[str] = field(default_factory=set)
    """The namespaces of all objects that were read."""

    def report(self, source: str, rule: str, key: str | None = None) -> None:
        """Add a problem; `source` is a file, perhaps with `:line`.

        Raises InputError after MOST_PROBLEMS of them.
        """
        self.problems.append(Problem(source, rule, key=key))
        if len(self.problems) >= MOST_PROBLEMS:
            raise InputError([*self.problems, Problem(source, "more problems follow")])

    def warn(self, place: Place, text: str) -> None:
        """Add a warning about what stands at a place."""
        self.warnings.append(f"{place}: {text}")


@dataclass(frozen=True, slots=True)
class KeyLines:
    """The line of each mapping of a document, and of the keys that are written in it.

    Mappings are known by identity: they live as long as their document.
    """

    lines: dict[int, tuple[int, Mapping[str, int]]] = field(default_factory=dict)

    def note(self, mapping: dict[Any, Any], line: int, keys: Mapping[str, int]) -> None:
        """Remember a mapping; this is a Note of yaml_documents."""
        self.lines[id(mapping)] = (line, keys)

    def line_of(self, value: object, default: int) -> int:
        """Return the line of a mapping, or `default` for any other value."""
        return self.lines.get(id(value), (default, {}))[0]

    def line_of_key(self, mapping: object, key: str, default: int) -> int:
        """Return the line of a key; a key that another mapping merges has that of its mapping."""
        line, keys = self.lines.get(id(mapping), (default, {}))
        return keys.get(key, line)


@dataclass(frozen=True, slots=True)
class Owner:
    """The object that a field belongs to, and where what is found goes."""

    file: str
    kind: str
    namespace: str
    name: str
    key_lines: KeyLines
    findings: Findings


@dataclass(frozen=True, slots=True)
class Field:
    """One value of an object with its place."""

    owner: Owner
    value: Any
    line: int
    path: str = ""
    """Within `spec`: `http[2].match[0].uri`."""

    @property
    def place(self) -> Place:
        owner = self.owner
        return Place(owner.file, self.line, owner.kind, owner.namespace, owner.name, self.path)

    def report(self, rule: str) -> None:
        """Add a problem at this field. `rule` says what was expected and what is there."""
        place = self.place
        key = f"{place.resource}, {self.path}" if self.path else place.resource
        self.owner.findings.report(f"{place.file}:{place.line}", rule, key)

    def warn(self, text: str) -> None:
        """Add a warning at this field."""
        self.owner.findings.warn(self.place, text)

    def keys(self, *known: str) -> dict[str, "Field"]:
        """Return the fields of a mapping by key; report each key that is not `known`."""
        fields = self.entries()
        for key in [key for key in fields if key not in known]:
            fields.pop(key).report(f"unknown key; expected one of {', '.join(known)}")
        return fields

    def entries(self) -> dict[str, "Field"]:
        """Return the fields of a mapping whose keys are free, such as names of headers."""
        if not isinstance(self.value, dict):
            self.report(f"expected a mapping, got {shown(self.value)}")
            return {}
        return {
            str(key): self._child(value, f".{key}", self._line_of_key(str(key)))
            for key, value in self.value.items()
            if value is not None
        }

    def items(self) -> Iterator["Field"]:
        """Yield the fields of a list."""
        if not isinstance(self.value, list):
            self.report(f"expected a list, got {shown(self.value)}")
            return
        for number, value in enumerate(self.value):
            line = self.owner.key_lines.line_of(value, self.line)
            yield self._child(value, f"[{number}]", line)

    def text(self) -> str:
        """Return a text; report anything else, and a template, and return an empty text for it."""
        if not isinstance(self.value, str):
            self.report(f"expected a text, got {shown(self.value)}")
            return ""
        if _TEMPLATE in self.value:
            self.report(f"is a template that is not rendered: {shown(self.value)}")
            return ""
        return self.value

    def texts(self) -> tuple[str, ...]:
        """Return a list of texts."""
        return tuple(item.text() for item in self.items())

    def choice(self, *allowed: str) -> str:
        """Return a text that is one of `allowed`, or report it and return an empty text."""
        if not isinstance(self.value, str) or self.value not in allowed:
            self.report(f"expected one of {', '.join(allowed)}, got {shown(self.value)}")
            return ""
        return self.value

    def whole(self, least: int, most: int) -> int | None:
        """Return a whole number between these two, or report it and return None."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            rule = f"expected a whole number from {least} to {most}, got {shown(value)}"
            self.report(rule)
            return None
        return value

    def percentage(self) -> float:
        """Return a number from 0 to 100, or report it and return 0."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
            self.report(f"expected a number from 0 to 100, got {shown(value)}")
            return 0.0
        return float(value)

    def flag(self) -> bool:
        """Return true or false, or report anything else and return false."""
        if not isinstance(self.value, bool):
            self.report(f"expected true or false, got {shown(self.value)}")
            return False
        return self.value

    def _child(self, value: object, step: str, line: int) -> "Field":
        return Field(self.owner, value, line, (self.path + step).removeprefix("."))

    def _line_of_key(self, key: str) -> int:
        return self.owner.key_lines.line_of_key(self.value, key, self.line)


def shown(value: object) -> str:
    """Return a short form of a value for a message."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"

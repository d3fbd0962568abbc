"""The fields of an object of Gateway API, read as its schema (the CRD) reads them.

Every problem is reported with its file, line and key and with what was expected, and the walk goes
on. What the API server would refuse is a problem, an unknown key too; a key with null is absent.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from estimator.errors import Problem
from estimator.routing.rules import Place
from estimator.table.fields import Marks, shown

API_GROUP = "gateway.networking.k8s.io"
MOST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a text must look like."""

    expression: re.Pattern[str]
    expected: str
    most: int = 253
    """Most characters."""


_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
NAME = Pattern(re.compile(r".+", re.DOTALL), "a name of 1 to 253 characters")
NAMESPACE = Pattern(re.compile(_LABEL), "the name of a namespace", 63)
SECTION = Pattern(
    re.compile(rf"{_LABEL}(\.{_LABEL})*"), "a name of lower-case letters, digits, '-' and '.'"
)
HOSTNAME = Pattern(
    re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*"),
    "a lower-case hostname such as www.example.com or *.example.com",
)
PRECISE_HOSTNAME = Pattern(
    re.compile(rf"{_LABEL}(\.{_LABEL})*"), "a lower-case hostname without a wildcard"
)
GROUP = Pattern(re.compile(rf"({_LABEL}(\.{_LABEL})*)?"), "an API group, or an empty text")
KIND = Pattern(re.compile(r"[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?"), "a kind such as Service", 63)


@dataclass(frozen=True, slots=True)
class Source:
    """The object whose fields are read."""

    place: Place
    marks: Marks
    problems: list[Problem]
    warnings: list[str]
    """What is read and means something else than it seems to mean, each with file and line."""


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping within an object."""

    raw: dict[str, Any]
    path: str
    """From the top of the object: `spec.rules[0].matches[1]`, counted from 0 as Kubernetes does."""
    source: Source

    @property
    def place(self) -> Place:
        """Return where this mapping stands; the part of the place leaves `spec.` out."""
        of = self.source.place
        part = self.path.removeprefix("spec").removeprefix(".")
        return Place(of.file, self.line(), of.kind, of.namespace, of.name, part)

    def line(self, key: str = "") -> int:
        """Return the line of a key, or of the mapping where the key is empty or absent."""
        return self.source.marks.line(self.raw, key) or self.source.place.line

    def report(self, key: str, rule: str) -> None:
        """Report a problem of a key, or of the mapping where the key is empty."""
        where = f"{self.source.place.file}:{self.line(key.partition('[')[0])}"
        self.source.problems.append(Problem(where, rule, key=_joined(self.path, key)))

    def warn(self, key: str, sentence: str) -> None:
        """Note what a key, or the mapping where the key is empty, means against expectation."""
        place = self.place
        place = replace(place, line=self.line(key), part=_joined(place.part, key))
        self.source.warnings.append(f"{place}: {sentence}")

    def only(self, *keys: str) -> None:
        """Report every key that is not one of `keys`."""
        for key in self.raw:
            if key not in keys:
                self.report(str(key), f"unknown key; expected one of {', '.join(keys)}")

    def has(self, key: str) -> bool:
        return self.raw.get(key) is not None

    def text(
        self, key: str, form: Pattern, default: str | None = None, is_required: bool = False
    ) -> str | None:
        """Return a text of the given form; `default` where it is absent or wrong."""
        value = self._value(key, form.expected, is_required)
        if value is None:
            return default
        is_text = isinstance(value, str)
        if not is_text or not form.expression.fullmatch(value) or len(value) > form.most:
            self.report(key, f"expected {form.expected}, got {shown(value)}")
            return default
        return str(value)

    def choice(
        self,
        key: str,
        choices: Sequence[str],
        default: str | None = None,
        is_required: bool = False,
    ) -> str | None:
        """Return one of `choices`; `default` where it is absent, None where it is wrong."""
        expected = f"one of {', '.join(choices)}"
        value = self._value(key, expected, is_required)
        if value is None:
            return None if is_required else default
        if value not in choices:
            self.report(key, f"expected {expected}, got {shown(value)}")
            return None
        return str(value)

    def number(self, key: str, least: int, most: int, is_required: bool = False) -> int | None:
        """Return a whole number in the range, None where it is absent or wrong."""
        expected = f"a whole number from {least} to {most}"
        value = self._value(key, expected, is_required)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.report(key, f"expected {expected}, got {shown(value)}")
            return None
        return value

    def mapping(self, key: str, is_required: bool = False) -> "Fields | None":
        """Return the mapping of a key, None where it is absent or wrong."""
        value = self._value(key, "a mapping", is_required)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.report(key, f"expected a mapping, got {shown(value)}")
            return None
        return Fields(value, _joined(self.path, key), self.source)

    def mappings(self, key: str, most: int, is_required: bool = False) -> list["Fields"]:
        """Return the mappings of a list, with a problem for everything else in it."""
        found = []
        for number, value in enumerate(self._list(key, "mappings", most, is_required)):
            if isinstance(value, dict):
                found.append(Fields(value, _joined(self.path, f"{key}[{number}]"), self.source))
            else:
                self.report(f"{key}[{number}]", f"expected a mapping, got {shown(value)}")
        return found

    def texts(self, key: str, most: int, form: Pattern) -> Iterator[str]:
        """Yield the texts of a list, with a problem for everything else in it."""
        for number, value in enumerate(self._list(key, "texts", most, False)):
            if isinstance(value, str) and form.expression.fullmatch(value):
                yield value
            else:
                self.report(f"{key}[{number}]", f"expected {form.expected}, got {shown(value)}")

    def _list(self, key: str, what: str, most: int, is_required: bool) -> list[Any]:
        expected = f"a list of at most {most} {what}"
        value = self._value(key, expected, is_required)
        if value is None:
            return []
        if not isinstance(value, list):
            self.report(key, f"expected {expected}, got {shown(value)}")
            return []
        if len(value) > most:
            self.report(key, f"expected {expected}, got {len(value)}")
        return value

    def _value(self, key: str, expected: str, is_required: bool) -> Any:
        value = self.raw.get(key)
        if value is None and is_required:
            self.report(key, f"missing; expected {expected}")
        return value


def _joined(path: str, key: str) -> str:
    return ".".join(part for part in (path, key) if part)

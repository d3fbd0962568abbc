"""The mappings of an object of Gateway API, read as its schema (the CRD) reads them.

What the API server would refuse is reported: a key that is missing or unknown, a text of another
form, a list that is too long. What is wrong is read as absent, and the walk goes on.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from estimator.routing.fields import Field, shown
from estimator.routing.objects import KubernetesObject
from estimator.routing.rules import Place

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
class Fields:
    """A mapping within an object."""

    field: Field

    @property
    def place(self) -> Place:
        return self.field.place

    def only(self, *keys: str) -> None:
        """Report every key that is not one of `keys`."""
        self.field.keys(*keys)

    def names(self) -> list[str]:
        """Return the keys, where they are free."""
        return list(self.field.entries())

    def has(self, key: str) -> bool:
        return self._child(key) is not None

    def has_empty_list(self, key: str) -> bool:
        child = self._child(key)
        return child is not None and child.value == []

    def report(self, key: str, rule: str) -> None:
        """Report a problem of a key, or of the mapping where the key is empty."""
        self._at(key).report(rule)

    def warn(self, key: str, sentence: str) -> None:
        """Note what a key, or the mapping where the key is empty, means against expectation."""
        self._at(key).warn(sentence)

    def text(
        self, key: str, form: Pattern, default: str | None = None, is_required: bool = False
    ) -> str | None:
        """Return a text of the given form; `default` where it is absent or wrong."""
        child = self._child(key, form.expected if is_required else "")
        if child is None:
            return default
        return default if (text := _text(child, form)) is None else text

    def choice(
        self,
        key: str,
        choices: Sequence[str],
        default: str | None = None,
        is_required: bool = False,
    ) -> str | None:
        """Return one of `choices`; `default` where it is absent, None where it is wrong."""
        expected = f"one of {', '.join(choices)}"
        child = self._child(key, expected if is_required else "")
        if child is None:
            return default
        return child.choice(*choices) or None

    def number(self, key: str, least: int, most: int, is_required: bool = False) -> int | None:
        """Return a whole number in the range, None where it is absent or wrong."""
        expected = f"a whole number from {least} to {most}"
        child = self._child(key, expected if is_required else "")
        return None if child is None else child.whole(least, most)

    def mapping(self, key: str, is_required: bool = False) -> "Fields | None":
        """Return the mapping of a key, None where it is absent or wrong."""
        child = self._child(key, "a mapping" if is_required else "")
        return None if child is None else _mapping(child)

    def mappings(self, key: str, most: int, is_required: bool = False) -> list["Fields"]:
        """Return the mappings of a list, with a problem for everything else in it."""
        entries = (_mapping(item) for item in self._items(key, "mappings", most, is_required))
        return [entry for entry in entries if entry is not None]

    def texts(self, key: str, most: int, form: Pattern) -> Iterator[str]:
        """Yield the texts of a list, with a problem for everything else in it."""
        for item in self._items(key, "texts", most, False):
            text = _text(item, form)
            if text is not None:
                yield text

    def default(self, path: str) -> "Fields":
        """Return an empty mapping that the schema puts below this one."""
        return Fields(replace(self.field, value={}, path=path))

    def _items(self, key: str, what: str, most: int, is_required: bool) -> list[Field]:
        expected = f"a list of at most {most} {what}"
        child = self._child(key, expected if is_required else "")
        if child is None:
            return []
        items = list(child.items())
        if len(items) > most:
            child.report(f"expected {expected}, got {len(items)}")
        return items

    def _child(self, key: str, expected: str = "") -> Field | None:
        """Return a field; where it is absent, report what was expected, unless that is empty."""
        if self.field.value.get(key) is not None:
            return self.field.entries()[key]
        if expected:
            self._at(key).report(f"missing; expected {expected}")
        return None

    def _at(self, key: str) -> Field:
        """Return the field of a key, or where it would stand."""
        if not key:
            return self.field
        path = f"{self.field.path}.{key}".removeprefix(".")
        return self.field.entries().get(key) or replace(self.field, value=None, path=path)


def spec_of(resource: KubernetesObject) -> Fields:
    """Return the `spec` of an object; report where there is none."""
    if resource.body.value.get("spec") is None:
        resource.body.report("expected a spec")
    spec = _mapping(resource.spec)
    return Fields(replace(resource.spec, value={})) if spec is None else spec


def _mapping(field: Field) -> Fields | None:
    if isinstance(field.value, dict):
        return Fields(field)
    field.report(f"expected a mapping, got {shown(field.value)}")
    return None


def _text(field: Field, form: Pattern) -> str | None:
    """Return a text of the given form, or report it and return None."""
    text = field.text() if isinstance(field.value, str) else None
    if text is not None and text != field.value:
        return None  # a template, which is reported already
    if text is None or not form.expression.fullmatch(text) or len(text) > form.most:
        field.report(f"expected {form.expected}, got {shown(field.value)}")
        return None
    return text

"""Checks sections from YAML: optional ones, duplicates, and values that are no section."""

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from msgspec import Meta, ValidationError

from mirror.config_file import convert, problem, read_document, read_section
from mirror.errors import ConfigError
from mirror.spans import SpanUnit

Small = Annotated[int, Meta(le=9, description="a number up to 9")]


@dataclass(frozen=True)
class Inner:
    size: Small = 1


@dataclass(frozen=True)
class Outer:
    inner: Inner = Inner()
    maybe: Inner | None = None


def read(text: str) -> tuple[Any, list[str]]:
    problems: list[str] = []
    return read_section(Outer, read_document(text, "a.yaml"), "", problems), problems


def test_sections_have_their_defaults() -> None:
    assert read("{}") == (Outer(), [])


def test_an_optional_section_is_read_like_any_other() -> None:
    assert read("maybe: {size: 3}") == (Outer(maybe=Inner(3)), [])
    assert read("maybe: {}") == (Outer(maybe=Inner()), [])
    assert read("maybe: {size: 30}") == (None, ["maybe.size: expected a number up to 9, got 30"])


@pytest.mark.parametrize("name", ["inner", "maybe"])
def test_an_empty_section_is_filled_in_or_deleted(name: str) -> None:
    assert read(f"{name}:") == (None, [f"{name}: is empty; fill in its keys, or delete it"])


def test_a_span_is_a_number_of_its_unit() -> None:
    minutes = Annotated[float, Meta(le=9, description="minutes"), SpanUnit(60.0)]
    assert convert("90s", minutes) == convert(1.5, minutes) == convert("1.5", minutes | None) == 1.5
    for bad in ("soon", "10m", 10, -0.0):
        with pytest.raises(ValidationError):
            convert(bad, minutes)


def test_a_key_written_twice_names_its_line() -> None:
    with pytest.raises(ConfigError, match="line 2: the key 'size' appears twice"):
        read("inner: {size: 1,\n size: 2}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{a: &a {size: 3}, b: *a}", {"size": 3}),
        ("{a: &a {size: 3}, b: {<<: *a}}", {"size": 3}),
        ("{a: &a {size: 3}, b: {<<: *a, size: 4}}", {"size": 4}),
        ("{a: &a {size: 3}, b: {size: 4, <<: *a}}", {"size": 4}),
        ("{a: [&a {x: 1, y: 1}, &c {y: 2, z: 2}], b: {<<: [*a, *c]}}", {"x": 1, "y": 1, "z": 2}),
        # The merged mapping itself merges and overrides, and is built after the one that merges it.
        ("{a: {n: &a {<<: &c {x: 1}, x: 2}}, b: {<<: *a}}", {"x": 2}),
    ],
)
def test_anchors_are_merged_and_overridden(text: str, expected: dict[str, int]) -> None:
    assert read_document(text, "a.yaml")["b"] == expected


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a: &a {size: 3}\nb: {<<: *a, size: 4, size: 5}", "size"),
        ("a: &a {size: 3}\nb: {<<: *a, <<: *a}", "<<"),
        ("a: &a {x: 1}\nb: {<<: {y: 1, y: 2}}", "y"),
    ],
)
def test_a_merge_hides_no_duplicate(text: str, key: str) -> None:
    with pytest.raises(ConfigError, match=f"line 2: the key '{key}' appears twice"):
        read_document(text, "a.yaml")


def test_a_merge_of_what_is_no_mapping_is_refused() -> None:
    with pytest.raises(ConfigError, match="not valid YAML: .*expected a mapping"):
        read_document("a: {<<: 5}", "a.yaml")


def test_a_list_is_no_document() -> None:
    with pytest.raises(ConfigError, match="expected a mapping of keys"):
        read("- 1")


def test_no_message_shows_a_password() -> None:
    message = problem("shadow.url", "a URL", "http://me:secret@a.test:1")
    assert message == 'shadow.url: expected a URL, got "http://...@a.test:1"'

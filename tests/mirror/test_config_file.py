"""Checks sections from YAML: optional ones, duplicates, and values that are no section."""

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from msgspec import Meta

from mirror.config_file import problem, read_document, read_section
from mirror.errors import ConfigError

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
    assert read("maybe:") == (Outer(), [])
    assert read("maybe: {size: 30}") == (None, ["maybe.size: expected a number up to 9, got 30"])


def test_a_section_that_must_be_there_is_not_empty() -> None:
    assert read("inner:") == (None, ["inner: expected a mapping of keys, got null"])


def test_a_key_written_twice_names_its_line() -> None:
    with pytest.raises(ConfigError, match="line 2: the key 'size' appears twice"):
        read("inner: {size: 1,\n size: 2}")


def test_a_list_is_no_document() -> None:
    with pytest.raises(ConfigError, match="expected a mapping of keys"):
        read("- 1")


def test_no_message_shows_a_password() -> None:
    message = problem("shadow.url", "a URL", "http://me:secret@a.test:1")
    assert message == 'shadow.url: expected a URL, got "http://...@a.test:1"'

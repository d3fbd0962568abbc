"""Reads the text of a configuration file into sections (dataclasses) and reports every problem.

This module knows YAML, how the type of a key is checked and how a problem is worded;
mirror/config_sections.py defines the keys. Each leaf type carries a description of the values that
it accepts, and error messages quote that description.
"""

import difflib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from mirror.addresses import (
    Address,
    AgentAddress,
    LogAddress,
    SocketPath,
    TcpAddress,
    UnixAddress,
    Url,
    read_agent_address,
    read_listen_address,
    read_log_address,
    read_socket_path,
    read_tcp_address,
    read_url,
)
from mirror.errors import ConfigError, without_user
from mirror.formats import bounded_files, yaml_documents
from mirror.formats.bounded_files import BoundedFileError
from mirror.formats.yaml_documents import YamlError
from mirror.spans import SpanUnit, read_span_s

Note = TypeVar("Note")

_PARSERS: dict[Any, Callable[[object], Any]] = {
    Address: read_listen_address,
    AgentAddress | None: read_agent_address,
    LogAddress | None: read_log_address,
    SocketPath: read_socket_path,
    TcpAddress: read_tcp_address,
    Url: read_url,
    Url | None: read_url,
}


def read_text(path: str | os.PathLike[str]) -> str:
    """Return the text of the file at `path`; raises ConfigError if it cannot be read as UTF-8."""
    try:
        return bounded_files.read_text(path, yaml_documents.LIMIT)
    except BoundedFileError as error:
        raise ConfigError(str(path), [error.reason]) from error


def read_yaml(text: str, source: str) -> object:
    """Parse `text` as YAML; raises ConfigError, which names `source`, if it is not valid."""
    try:
        return yaml_documents.read_document(text)
    except YamlError as error:
        raise ConfigError(source, [f"not valid YAML: {error}"]) from error


def read_document(text: str, source: str) -> Mapping[Any, Any]:
    """Parse `text` as a YAML mapping; raises ConfigError, which names `source`, otherwise."""
    document = read_yaml(text, source)
    if not isinstance(document, Mapping):
        raise ConfigError(source, ["expected a mapping of keys such as `listen:` and `shadow:`"])
    return document


def read_section(section: type[Any], value: object, path: str, problems: list[str]) -> Any:
    """Build the dataclass `section` from the mapping `value` at key `path`.

    Appends every problem to `problems`, and returns None if there is one.
    """
    if not isinstance(value, Mapping):
        problems.append(problem(path, "a mapping of keys", value))
        return None
    prefix = f"{path}." if path else ""
    known = {item.name: item for item in fields(section)}
    removed: Mapping[str, str] = getattr(section, "REMOVED", {})
    before = len(problems)
    for key in value:
        if key in removed:
            problems.append(f"{prefix}{key}: {removed[key]}")
        elif key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            problems.append(f"{prefix}{key}: unknown key{hint}")
    values = {}
    for name, item in known.items():
        if name in value:
            values[name] = _read_field(item, value[name], prefix + name, problems)
        elif item.default is MISSING and item.default_factory is MISSING:
            problems.append(f"{prefix}{name}: is required and missing")
    return section(**values) if len(problems) == before else None


def _read_field(item: "Field[Any]", value: object, path: str, problems: list[str]) -> Any:
    kind: Any = item.type
    if get_origin(kind) is tuple:
        if "one_or_many" in item.metadata and not isinstance(value, list):
            return (_read_value(get_args(kind)[0], value, path, problems),)
        if not isinstance(value, list):
            problems.append(problem(path, "a list", value))
            return None
        return tuple(
            _read_value(get_args(kind)[0], entry, f"{path}[{index}]", problems)
            for index, entry in enumerate(value)
        )
    section = _section_of(kind)
    if section is not None:
        is_optional = (item.default, item.default_factory) != (MISSING, MISSING)
        if value is None and is_optional:
            problems.append(f"{path}: is empty; fill in its keys, or delete it")
            return None
        return read_section(section, value, path, problems)
    return _read_value(kind, value, path, problems)


def _read_value(kind: Any, value: object, path: str, problems: list[str]) -> Any:
    if kind in (Address, LogAddress | None) and isinstance(value, Mapping):
        return read_section(UnixAddress, value, path, problems)
    parser = _PARSERS.get(kind)
    try:
        return parser(value) if parser else convert(value, kind)
    except msgspec.ValidationError:
        problems.append(problem(path, _expected(kind), value))
    except ValueError as error:
        problems.append(problem(path, str(error), value))
    return None


def convert(value: object, kind: Any) -> Any:
    """Return `value` as the leaf type `kind`; raises msgspec.ValidationError if it is none.

    A number whose type has a SpanUnit may be written as a text such as `10m`.
    """
    span = _note(kind, SpanUnit)
    if span is not None and isinstance(value, str):
        try:
            value = read_span_s(value, span.unit_s) / span.unit_s
        except ValueError:
            raise msgspec.ValidationError from None
    if isinstance(value, float) and str(value) == "-0.0":
        raise msgspec.ValidationError  # it passes for 0, and would be shown as -0
    return msgspec.convert(value, kind)


def _section_of(kind: Any) -> type[Any] | None:
    """Return the dataclass of a section, or None; looks inside `X | None` too."""
    if kind in _PARSERS:
        return None
    for item in (kind, *get_args(kind)):
        if isinstance(item, type) and is_dataclass(item):
            return item
    return None


def problem(path: str, expected: str, value: object) -> str:
    """Return the message for a wrong value of one key; passwords in URLs are left out."""
    try:
        shown = json.dumps(value, default=str, ensure_ascii=False)
    except (TypeError, ValueError):  # a date as a key
        shown = repr(value)
    shown = without_user(shown)
    if len(shown) > 80:
        shown = shown[:77] + "..."
    return f"{path}: expected {expected}, got {shown}"


def _expected(kind: Any) -> str:
    """Return the description of a leaf type."""
    meta = _note(kind, msgspec.Meta)
    return "true or false" if meta is None else str(meta.description)


def _note(kind: Any, wanted: type[Note]) -> Note | None:
    """Return what an annotated type carries of the class `wanted`; looks inside `X | None` too."""
    for candidate in (kind, *get_args(kind)):
        for note in getattr(candidate, "__metadata__", ()):
            if isinstance(note, wanted):
                return note
    return None

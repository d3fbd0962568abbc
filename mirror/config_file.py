"""From the text of a configuration file to sections, which are dataclasses, with every problem.

Knows YAML, how a key's type is checked and how a problem is worded; mirror/config.py says which
keys there are. Each leaf type carries a description of what it expects, which is what a message
says.
"""

import difflib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import yaml

from mirror.addresses import (
    Address,
    AgentAddress,
    TcpAddress,
    UnixAddress,
    Url,
    read_agent_address,
    read_listen_address,
    read_tcp_address,
    read_url,
)
from mirror.errors import ConfigError, without_user

_PARSERS: dict[Any, Callable[[object], Any]] = {
    Address: read_listen_address,
    AgentAddress | None: read_agent_address,
    TcpAddress: read_tcp_address,
    Url: read_url,
    Url | None: read_url,
}


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key written twice, where YAML would let the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                line = node.value[index][0].start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: the key {key!r} stands twice")
        return super().construct_mapping(node, deep)


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of the configuration file at `path`; raises ConfigError."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [f"cannot be read: {error}"]) from error


def read_document(text: str, source: str) -> Mapping[Any, Any]:
    """The mapping that the YAML `text` is; raises ConfigError."""
    try:
        document = yaml.load(text, Loader=_StrictLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # A date such as 2020-99-99 is a ValueError, a thousand brackets a RecursionError.
        raise ConfigError(source, ["not valid YAML: " + " ".join(str(error).split())]) from error
    if not isinstance(document, Mapping):
        raise ConfigError(source, ["expected a mapping of keys such as `listen:` and `shadow:`"])
    return document


def read_section(section: type[Any], got: object, path: str, problems: list[str]) -> Any:
    """One dataclass from one mapping; None, and the problems noted, where anything is wrong."""
    if not isinstance(got, Mapping):
        problems.append(problem(path, "a mapping of keys", got))
        return None
    prefix = f"{path}." if path else ""
    known = {item.name: item for item in fields(section)}
    removed: Mapping[str, str] = getattr(section, "REMOVED", {})
    before = len(problems)
    for key in got:
        if key in removed:
            problems.append(f"{prefix}{key}: {removed[key]}")
        elif key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            problems.append(f"{prefix}{key}: unknown key{hint}")
    values = {}
    for name, item in known.items():
        if name in got:
            values[name] = _read_field(item, got[name], prefix + name, problems)
        elif item.default is MISSING and item.default_factory is MISSING:
            problems.append(f"{prefix}{name}: is required and missing")
    return section(**values) if len(problems) == before else None


def _read_field(item: "Field[Any]", got: object, path: str, problems: list[str]) -> Any:
    kind: Any = item.type
    if get_origin(kind) is tuple:
        if "one_or_many" in item.metadata and not isinstance(got, list):
            return (_read_value(get_args(kind)[0], got, path, problems),)
        if not isinstance(got, list):
            problems.append(problem(path, "a list", got))
            return None
        return tuple(
            _read_value(get_args(kind)[0], entry, f"{path}[{index}]", problems)
            for index, entry in enumerate(got)
        )
    section = _section_of(kind)
    if section is not None and not (got is None and item.default is None):
        return read_section(section, got, path, problems)
    return _read_value(kind, got, path, problems)


def _read_value(kind: Any, got: object, path: str, problems: list[str]) -> Any:
    if kind == Address and isinstance(got, Mapping):
        return read_section(UnixAddress, got, path, problems)
    parser = _PARSERS.get(kind)
    try:
        return parser(got) if parser else msgspec.convert(got, kind)
    except msgspec.ValidationError:
        problems.append(problem(path, _expected(kind), got))
    except ValueError as error:
        problems.append(problem(path, str(error), got))
    return None


def _section_of(kind: Any) -> type[Any] | None:
    """The dataclass of a section, also inside `X | None`."""
    if kind in _PARSERS:
        return None
    for item in (kind, *get_args(kind)):
        if isinstance(item, type) and is_dataclass(item):
            return item
    return None


def problem(path: str, expected: str, got: object) -> str:
    """What is wrong with the value of one key, in the words of every message."""
    try:
        shown = json.dumps(got, default=str, ensure_ascii=False)
    except (TypeError, ValueError):  # a date as a key, a list that holds itself
        shown = repr(got)
    shown = without_user(shown)
    if len(shown) > 80:
        shown = shown[:77] + "..."
    return f"{path}: expected {expected}, got {shown}"


def _expected(kind: Any) -> str:
    """The description of a leaf type, also inside `X | None`."""
    for candidate in (kind, *get_args(kind)):
        for meta in getattr(candidate, "__metadata__", ()):
            return str(meta.description)
    return "true or false"

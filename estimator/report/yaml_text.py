"""YAML with the reason of each number in a comment above it.

The input is a tree of dicts, lists and scalars in which `Why` attaches a reason to a value. Strings
other than plain words are written as JSON strings, which YAML reads unchanged whatever they
contain. A reason may come from a user's file, so a line break in it must not end its comment. This
module does not know what the tree describes.

ruamel.yaml does not replace it. Version 0.19.1 drops the comment of an omitted key at the end of a
mapping, writes `yes` without quotes, which a YAML 1.1 parser such as that of Kubernetes reads as a
boolean, and puts the comment of a list item's first key below its dash.
"""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*|\d+(?:m|Ki|Mi|Gi|%|s)")
_NOT_A_STRING = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
# Characters that JSON leaves as they are and YAML accepts only escaped.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Why:
    """A value with its reason; None stands for a key that is omitted on purpose."""

    value: str | int | float | None
    reason: str


def to_yaml(tree: Mapping[str, Any], head: Sequence[str] = ()) -> str:
    """Return one document with the `head` as its first comments; it ends in a newline."""
    lines = [line for words in head for line in _comment(words, "")]
    return "\n".join([*lines, *_mapping(tree, "")]) + "\n"


def plain(tree: Any) -> Any:
    """Return the tree as a YAML parser reads it back: without reasons and omitted keys."""
    if isinstance(tree, Why):
        return tree.value
    if isinstance(tree, Mapping):
        return {key: plain(value) for key, value in tree.items() if not _is_left_out(value)}
    if isinstance(tree, list):
        return [plain(item) for item in tree]
    return tree


def _mapping(tree: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in tree.items():
        name = f"{indent}{_scalar(key)}:"
        if isinstance(value, Why):
            yield from _comment(value.reason, indent)
            if value.value is None:
                yield f"{indent}# {key}: omitted"
            else:
                yield f"{name} {_scalar(value.value)}"
        elif isinstance(value, Mapping):
            yield name if value else f"{name} {{}}"
            yield from _mapping(value, f"{indent}  ")
        elif isinstance(value, list):
            yield name
            yield from _sequence(value, f"{indent}  ")
        else:
            yield f"{name} {_scalar(value)}"


def _sequence(items: list[Any], indent: str) -> Iterator[str]:
    for item in items:
        if isinstance(item, Mapping):
            lines = list(_mapping(item, f"{indent}  "))
            # The dash belongs to the first key; comments above it stay above the dash.
            first = next(n for n, line in enumerate(lines) if not line.lstrip().startswith("#"))
            lines[first] = f"{indent}- {lines[first].lstrip()}"
            yield from lines
        else:
            yield f"{indent}- {_scalar(item)}"


def _scalar(value: str | int | float) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    is_plain = _PLAIN.fullmatch(value) and value.lower() not in _NOT_A_STRING
    if is_plain:
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)


def _comment(words: str, indent: str) -> list[str]:
    return textwrap.wrap(
        " ".join("".join(char if char.isprintable() else " " for char in words).split()),
        _WIDTH,
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}# ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _is_left_out(value: Any) -> bool:
    return isinstance(value, Why) and value.value is None

"""Reads YAML with the line of every key, and writes YAML that people edit, a row in one line.

This module does not know what the keys mean.
"""

from typing import Any

import yaml

from estimator.errors import InputError
from estimator.table.fields import Place
from mirror.formats.yaml_documents import LIMIT, Duplicate, YamlError, read_document

__all__ = ["LIMIT", "Comments", "dump", "parse"]


def parse(text: str, place: Place) -> object:
    """Return the document of a YAML text; put the line of every key into `place.marks`.

    Reports keys given twice to `place`. Raises InputError if the text is not plain YAML.
    """

    def report(twice: Duplicate) -> None:
        rule = f"expected once in a mapping, first given in line {twice.first_line}"
        place.report(twice.key, rule, twice.line)

    try:
        return read_document(text, place.marks.note, report)
    except YamlError as error:
        place.report("", f"is not YAML: {error}")
        raise InputError(place.problems) from error


class _Flow(dict[Any, Any]):
    """A mapping that is written in one line."""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    _Flow,
    lambda dumper, data: dumper.represent_mapping(
        "tag:yaml.org,2002:map", data.items(), flow_style=True
    ),
)


Comments = dict[tuple[int, str | int], str]
"""Comments by place of the component, and key or place of the row."""


def dump(document: dict[str, Any], comments: Comments) -> str:
    """Return a table's document as YAML, with comments above their key or behind their row."""
    lines = ["components:"]
    for place, component in enumerate(document["components"]):
        prefix = "  - "
        for key, value in component.items():
            if (place, key) in comments:
                lines.append(f"    # {comments[place, key]}")
            if key == "points" and value:
                lines.append(f"{prefix}points:")
                for row, point in enumerate(value):
                    line = f"      - {_one_line(_Flow(point))}"
                    lines.append(line + _behind(comments.get((place, row))))
            else:
                lines.append(f"{prefix}{key}: {_one_line(value)}")
            prefix = "    "
    return "\n".join(lines) + "\n"


def _behind(comment: str | None) -> str:
    return "" if comment is None else f"  # {comment}"


def _one_line(value: object) -> str:
    if isinstance(value, dict):
        value = _Flow(value)
    # An infinite width keeps the dumper from folding lines.
    text = yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=True,
        sort_keys=False,
        width=float("inf"),
        allow_unicode=True,
    )
    return text.removesuffix("\n").removesuffix("\n...")

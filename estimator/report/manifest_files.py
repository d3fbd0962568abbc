"""The manifests below a directory, read with limits: what `--against` compares.

A directory that others fill is scanned, so nothing in it is trusted: links are not followed, only
regular files are read, and all of them together are bounded.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimator.errors import InputError, Problem
from mirror.formats.bounded_files import BoundedFileError, Limit, read_text
from mirror.formats.yaml_documents import LIMIT, YamlError, read_documents

MOST_FILES = 10_000
MOST_BYTES = 32 << 20
"""Most bytes of all files together."""


@dataclass(frozen=True, slots=True)
class Existing:
    """One object of a manifest."""

    file: str
    tree: Mapping[str, Any]


def read_manifests(directory: Path) -> list[Existing]:
    """Return the objects of every `.yaml` and `.yml` file; those of a List come one by one.

    Raises InputError with every file that cannot be read or is not valid YAML.
    """
    existing: list[Existing] = []
    problems: list[Problem] = []
    left = MOST_BYTES
    for path in _paths(directory):
        try:
            text = read_text(path, Limit(min(left, LIMIT.most_bytes)), follows_links=False)
            left -= len(text.encode())
            existing += [
                Existing(str(path), tree)
                for document in read_documents(text)
                for tree in _objects(document)
            ]
        except BoundedFileError as error:
            problems.append(Problem(str(path), error.reason))
        except YamlError as error:
            rule = f"is not valid YAML: {error}; expected rendered manifests, not templates"
            problems.append(Problem(str(path), rule))
    if problems:
        raise InputError(problems)
    return existing


def _paths(directory: Path) -> list[Path]:
    paths: list[Path] = []
    for folder, folders, names in os.walk(directory):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        manifests = [name for name in names if name.endswith((".yaml", ".yml"))]
        paths += [Path(folder, name) for name in (*links, *manifests)]
        if len(paths) > MOST_FILES:
            rule = f"has more than {MOST_FILES:,} manifests, which is the limit"
            raise InputError([Problem(str(directory), rule)])
    return sorted(paths)


def _objects(document: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(document, Mapping):
        if str(document.get("kind", "")).endswith("List") and "items" in document:
            items = document["items"]
            for item in items if isinstance(items, list) else []:
                yield from _objects(item)
        elif "kind" in document:
            yield document

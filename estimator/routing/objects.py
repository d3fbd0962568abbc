"""Kubernetes objects in YAML or JSON files and in the files below directories.

A file may hold several documents, and a document may be a List. Every object knows its file and
line. A template of Helm that was not rendered is no YAML and is named as such. A directory is
scanned for `.yaml`, `.yml` and `.json`; what is no object there is left out and named, links are
not followed, and everything together is bounded.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from estimator.errors import InputError
from estimator.routing.fields import Field, Findings, KeyLines, Owner, shown
from estimator.text_files import read_text
from mirror.formats.bounded_files import Limit
from mirror.formats.yaml_documents import LIMIT, Duplicate, YamlError, read_documents

MOST_FILES = 10_000
"""Most files below the directories of `--routes`."""
MOST_BYTES = 32 << 20
"""Most bytes of all files together."""
DEFAULT_NAMESPACE = "default"
"""The namespace of an object that names none, as for kubectl without a context of its own."""
_SUFFIXES = (".yaml", ".yml", ".json")
_KUSTOMIZATION = "kustomize.config.k8s.io"
"""The API group of kustomization files, which are no objects of a cluster."""
_KUSTOMIZATION_FILES = ("kustomization.yaml", "kustomization.yml")
_KEEPS_ROUTES = frozenset(
    {
        "apiVersion",
        "kind",
        "metadata",
        "resources",
        "bases",
        "commonAnnotations",
        "configMapGenerator",
        "secretGenerator",
        "generatorOptions",
        "images",
        "replicas",
        "sortOptions",
    }
)
"""The keys of a kustomization (api/types/kustomization.go) that leave the routing of the objects
in its resources as it is."""
_TEMPLATE = re.compile(r"(?m)^[^#\n]*\{\{")


@dataclass(frozen=True, slots=True)
class KubernetesObject:
    """One object, not yet understood."""

    group: str
    """`networking.istio.io`; empty for the core group."""
    version: str
    kind: str
    namespace: str
    name: str
    """Empty where it is absent, as with generateName."""
    created: str
    """metadata.creationTimestamp as the API server writes it; empty where it is not known."""
    annotations: dict[str, str]
    labels: dict[str, str]
    body: Field
    """The object itself, with `spec` as a key. Paths of fields begin below `spec`."""

    @property
    def spec(self) -> Field:
        """The specification; an empty mapping where it is absent."""
        value = self.body.value.get("spec")
        line = self.body.owner.key_lines.line_of_key(self.body.value, "spec", self.body.line)
        return Field(self.body.owner, {} if value is None else value, line)

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name


def read_objects(paths: Sequence[Path], findings: Findings) -> list[KubernetesObject]:
    """Return the objects of these files and directories in order; add every problem to `findings`.

    Raises InputError if a directory holds too many files, or after too many problems.
    """
    objects: list[KubernetesObject] = []
    left = MOST_BYTES
    for path in _files(paths, findings):
        is_scanned = path not in paths
        try:
            text = read_text(path, Limit(min(left, LIMIT.most_bytes)))
        except InputError as error:
            findings.problems += error.problems
            continue
        left -= len(text.encode())
        objects += objects_of(str(path), text, findings, is_scanned)
    return objects


def _files(paths: Sequence[Path], findings: Findings) -> Iterator[Path]:
    count = 0
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        before = count
        for folder, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                if not name.endswith(_SUFFIXES):
                    continue
                file = Path(folder, name)
                if file.is_symlink():
                    findings.report(str(file), "is a symbolic link, which is not followed here")
                    continue
                count += 1
                if count > MOST_FILES:
                    rule = f"has more than {MOST_FILES:,} files, which is the limit"
                    findings.report(str(path), rule)
                    return
                yield file
        if count == before:
            rule = f"holds no file that ends with {', '.join(_SUFFIXES)}"
            findings.report(str(path), rule)


def objects_of(
    file: str, text: str, findings: Findings, is_scanned: bool = False
) -> Iterator[KubernetesObject]:
    """Yield the objects of a text; add every problem to `findings`.

    `is_scanned` says that nobody named the file: it may hold something else than objects.
    """
    key_lines = KeyLines()

    def report(twice: Duplicate) -> None:
        rule = f"expected once in a mapping, first given in line {twice.first_line}"
        findings.report(f"{file}:{twice.line}", rule, twice.key)

    try:
        documents = read_documents(text, key_lines.note, report)
    except YamlError as error:
        if template := _TEMPLATE.search(text):
            line = text.count("\n", 0, template.end()) + 1
            rule = "is a template that is not rendered; expected the output of `helm template`"
            findings.report(f"{file}:{line}", rule)
        else:
            findings.report(file, f"is not YAML: {error}")
        return
    for document in documents:
        if document is None or _is_kustomization(file, document, key_lines, findings):
            continue
        if is_scanned and _is_other(document):
            line = key_lines.line_of(document, 1)
            findings.warnings.append(f"{file}:{line}: is no Kubernetes object, and is left out")
        else:
            yield from _unpacked(file, document, key_lines, findings)


def _is_other(document: object) -> bool:
    """Return whether a document is not even a broken object: values of a chart, or a patch."""
    return not isinstance(document, dict) or not {"kind", "metadata", "spec"} & document.keys()


def _is_kustomization(file: str, document: object, key_lines: KeyLines, findings: Findings) -> bool:
    """Return whether a document is a kustomization; report one that changes other objects."""
    if not isinstance(document, dict):
        return False
    is_named = os.path.basename(file) in _KUSTOMIZATION_FILES and "kind" not in document
    if not is_named and not str(document.get("apiVersion")).startswith(f"{_KUSTOMIZATION}/"):
        return False
    changes = [str(key) for key in document if key not in _KEEPS_ROUTES]
    if changes:
        line = key_lines.line_of(document, 1)
        rule = f"changes objects by {', '.join(changes)}; expected the output of `kustomize build`"
        findings.report(f"{file}:{line}", rule)
    return True


def _unpacked(
    file: str, document: object, key_lines: KeyLines, findings: Findings
) -> Iterator[KubernetesObject]:
    """Yield the object of a document, or those of a List one by one."""
    line = key_lines.line_of(document, 1)
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        findings.report(f"{file}:{line}", f"expected an object with kind, got {shown(document)}")
        return
    kind = document["kind"]
    if kind.endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            # kubectl leaves out kind and apiVersion of the items of a typed list.
            if isinstance(item, dict) and kind != "List":
                item.setdefault("kind", kind.removesuffix("List"))
                item.setdefault("apiVersion", document.get("apiVersion"))
            yield from _unpacked(file, item, key_lines, findings)
        return
    version = document.get("apiVersion")
    if not isinstance(version, str):
        findings.report(f"{file}:{line}", f"{kind}: expected apiVersion, got {shown(version)}")
        return
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name = metadata.get("name") or ""
    namespace = metadata.get("namespace") or DEFAULT_NAMESPACE
    if not isinstance(name, str) or not isinstance(namespace, str):
        rule = f"{kind}: expected metadata with name and namespace as texts, got {shown(metadata)}"
        findings.report(f"{file}:{line}", rule)
        return
    findings.namespaces.add(namespace)
    group, _, number = version.rpartition("/")
    yield KubernetesObject(
        group,
        number,
        kind,
        namespace,
        name,
        _timestamp(metadata.get("creationTimestamp")),
        _texts(metadata.get("annotations")),
        _texts(metadata.get("labels")),
        Field(Owner(file, kind, namespace, name, key_lines, findings), document, line),
    )


def _timestamp(value: object) -> str:
    # YAML reads a timestamp without quotes as a time.
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value if isinstance(value, str) else ""


def _texts(value: object) -> dict[str, str]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {str(key): str(text) for key, text in pairs}

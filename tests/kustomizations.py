"""Reads a kustomization as `kubectl kustomize` does, as far as deploy/kubernetes needs it.

tests/test_deploy_kubernetes.py compares it with kubectl where that is found. The names of generated
ConfigMaps have no hash here.
"""

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
KNOWN = {
    *("apiVersion", "kind", "namespace", "resources", "configMapGenerator", "images", "patches"),
    "components",
    "configurations",  # how names follow a prefix, which nothing here has
}
WITHOUT_NAMESPACE = ("Namespace",)


def build(folder: Path) -> list[Object]:
    """Return the objects that a kustomization makes."""
    return _build(folder, [])


def _build(folder: Path, objects: list[Object]) -> list[Object]:
    """Return the objects of a kustomization, added to those that a component is given."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    unknown = set(kustomization) - KNOWN
    assert not unknown, f"{folder}: this reader does not know {unknown}"
    for name in kustomization.get("resources", ()):
        path = folder / name
        if path.is_dir():
            objects += build(path.resolve())
        else:
            objects += [item for item in yaml.safe_load_all(path.read_text()) if item]
    for generator in kustomization.get("configMapGenerator", ()):
        _generate(folder, generator, objects)
    for name in kustomization.get("components", ()):
        objects = _build((folder / name).resolve(), objects)
    for patch in kustomization.get("patches", ()):
        text = (folder / patch["path"]).read_text() if "path" in patch else patch["patch"]
        change = yaml.safe_load(text)
        for item in objects:
            if not _is_target(item, patch["target"]):
                continue
            if isinstance(change, dict):
                _merge(item, {"spec": deepcopy(change["spec"])})
            else:
                for operation in deepcopy(change):
                    _apply(item, operation)
    for item in objects:
        if "namespace" in kustomization and item["kind"] not in WITHOUT_NAMESPACE:
            item["metadata"]["namespace"] = kustomization["namespace"]
        for image in kustomization.get("images", ()):
            _name_image(item, image)
    return objects


def _generate(folder: Path, generator: Object, objects: list[Object]) -> None:
    data = {}
    for entry in generator["files"]:
        key, _, name = entry.rpartition("=")
        data[key or Path(name).name] = (folder / name).read_text()
    if generator.get("behavior") == "merge":
        (item,) = (
            item
            for item in objects
            if (item["kind"], item["metadata"]["name"]) == ("ConfigMap", generator["name"])
        )
        item["data"] |= data
    else:
        name = generator["name"]
        objects.append(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        )


def _is_target(item: Object, target: Object) -> bool:
    metadata = item["metadata"]
    label, _, value = target.get("labelSelector", "").partition("=")
    return (
        re.fullmatch(target["kind"], item["kind"]) is not None
        and target.get("name", metadata["name"]) == metadata["name"]
        and metadata.get("labels", {}).get(label, "") == value
    )


def _merge(target: Object, patch: Object) -> None:
    """Apply a strategic merge patch whose lists add entries in front of those of the target."""
    for key, value in patch.items():
        if isinstance(value, dict):
            _merge(target.setdefault(key, {}), value)
        elif isinstance(value, list):
            names = {entry["name"] for entry in value}
            assert names.isdisjoint(entry["name"] for entry in target.get(key, ())), names
            target[key] = [*value, *target.get(key, ())]
        else:
            target[key] = value


def _apply(document: Any, operation: Object) -> None:
    """Apply one operation of RFC 6902; `-` is the end of a list."""
    action = operation["op"]
    if action == "move":
        value = _take(document, operation["from"])
        _apply(document, {"op": "add", "path": operation["path"], "value": value})
    elif action == "remove":
        _take(document, operation["path"])
    else:
        assert action in ("add", "replace", "test"), action
        parent, key = _parent(document, operation["path"])
        if action == "replace":
            assert key in parent, operation["path"]
            parent[key] = operation["value"]
        elif action == "test":
            assert parent[key] == operation["value"], operation["path"]
        elif isinstance(parent, list):
            parent.insert(len(parent) if key == "-" else int(key), operation["value"])
        else:
            parent[key] = operation["value"]


def _take(document: Any, path: str) -> Any:
    parent, key = _parent(document, path)
    return parent.pop(int(key) if isinstance(parent, list) else key)


def _parent(document: Any, path: str) -> tuple[Any, str]:
    *steps, key = (step.replace("~1", "/") for step in path.strip("/").split("/"))
    for step in steps:
        document = document[int(step) if isinstance(document, list) else step]
    return document, key


def _name_image(value: Any, image: Object) -> None:
    if isinstance(value, list):
        for entry in value:
            _name_image(entry, image)
    elif isinstance(value, dict):
        if str(value.get("image")).partition(":")[0] == image["name"]:
            value["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"
        for entry in value.values():
            _name_image(entry, image)

"""The fields of Istio's resources, as a generated model of its CRDs has them, are all known.

The published schemas of newer versions are compared in test_shared_data.py.
"""

from typing import Any

import pytest
import yaml
from cloudcoil.models.istio.networking.v1 import Gateway, VirtualService

from tests.estimator.routing.istio.conftest import problems_of

Schema = dict[str, Any]


def full(schema: Schema, root: Schema, name: str = "") -> object:
    """Return a value that has every field of a JSON schema."""
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    forms = [schema, *schema.get("anyOf", []), *schema.get("oneOf", [])]
    value: dict[str, object] = {}
    for form in forms:
        while "$ref" in form:
            form = root["$defs"][form["$ref"].rpartition("/")[2]]
        for key, part in form.get("properties", {}).items():
            value[key] = full(part, root, key)
        if isinstance(form.get("additionalProperties"), dict):
            value["x"] = full(form["additionalProperties"], root)
        if form.get("type") == "array":
            return [full(form["items"], root, name)]
    return value or "text"


@pytest.mark.parametrize("kind", [VirtualService, Gateway])
def test_every_field_of_the_crd_is_known(kind: Any) -> None:
    root = kind.model_json_schema()
    (spec,) = (
        part["$ref"].rpartition("/")[2]
        for part in root["properties"]["spec"].get("anyOf", [root["properties"]["spec"]])
        if "$ref" in part
    )
    tree = {
        "apiVersion": "networking.istio.io/v1",
        "kind": kind.__name__,
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": full(root["$defs"][spec], root),
    }
    said = problems_of(yaml.safe_dump(tree))
    assert said, "a text stands where a number should"
    assert [problem for problem in said if "unknown key" in problem] == []

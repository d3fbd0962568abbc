"""Objects of Gateway API from YAML texts, for the tests of their readers."""

from textwrap import dedent, indent
from typing import cast

from estimator.errors import Problem
from estimator.routing.decision import Decision
from estimator.routing.gateway_api.fields import Fields, Source
from estimator.routing.gateway_api.objects import Compiled, compile_objects
from estimator.routing.request import Request
from estimator.routing.rules import Place
from estimator.table.fields import Marks
from mirror.formats.yaml_documents import read_documents

GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  gatewayClassName: istio
  listeners:
  - {name: http, port: 80, protocol: HTTP}
"""


def objects(text: str) -> list[Fields]:
    """Return the objects of a YAML text, which all share one list of problems."""
    marks, problems = Marks(), list[Problem]()
    found = []
    for raw in read_documents(dedent(text), marks.note):
        document = cast(dict[str, dict[str, str]], raw)
        metadata = document.get("metadata", {})
        place = Place(
            "routes.yaml",
            marks.line(document) or 0,
            str(document.get("kind", "")),
            metadata.get("namespace", "default"),
            metadata.get("name", ""),
        )
        found.append(Fields(document, "", Source(place, marks, problems, [])))
    return found


def fields(text: str) -> Fields:
    """Return the one mapping of a YAML text."""
    (one,) = objects(text)
    return one


def problems_of(*several: Fields) -> list[str]:
    """Return the problems that readers reported."""
    return [str(problem) for one in several[:1] for problem in one.source.problems]


def compiled(text: str) -> Compiled:
    """Return what valid objects are compiled into."""
    some = objects(text)
    result = compile_objects(some)
    assert not problems_of(*some)
    return result


def decide(text: str, url: str, method: str = "GET", **headers: str) -> Decision:
    """Return what the one table of some objects makes of a request."""
    (table,) = compiled(text).tables
    return table.decide(request(url, method, **headers))


def request(url: str, method: str = "GET", **headers: str) -> Request:
    """Return a request to `host/path?query`; of a header x_y the name is x-y."""
    host, slash, target = url.partition("/")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(host, method, slash + target, named, "http")


def route(spec: str, name: str = "web", metadata: str = "") -> str:
    """Return an HTTPRoute of namespace shop, attached to Gateway web unless `spec` says to what."""
    parents = "" if "parentRefs" in spec else "parentRefs: [{name: web}]\n"
    return (
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
        f"metadata: {{name: {name}, namespace: shop, {metadata}}}\nspec:\n"
        f"{indent(parents + dedent(spec).lstrip(), '  ')}\n"
    )

"""Objects of Gateway API from YAML texts, for the tests of their readers."""

from textwrap import dedent, indent

from estimator.routing.decision import Decision
from estimator.routing.fields import Findings
from estimator.routing.gateway_api.fields import Fields, spec_of
from estimator.routing.gateway_api.objects import compile_objects
from estimator.routing.objects import KubernetesObject, objects_of
from estimator.routing.request import Request
from estimator.routing.table import RouteTable

API = "apiVersion: gateway.networking.k8s.io/v1\n"
GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  gatewayClassName: istio
  listeners:
  - {name: http, port: 80, protocol: HTTP}
"""


def objects(text: str) -> list[KubernetesObject]:
    """Return the objects of a YAML text; their findings are shared."""
    findings = Findings()
    found = list(objects_of("routes.yaml", dedent(text), findings))
    assert not findings.problems
    return found


def read_one(text: str) -> KubernetesObject:
    """Return the one object of a YAML text."""
    (one,) = objects(text)
    return one


def part(text: str) -> Fields:
    """Return the spec of an HTTPRoute web in namespace shop, given as YAML."""
    head = f"{API}kind: HTTPRoute\nmetadata: {{name: web}}\n"
    return spec_of(read_one(f"{head}spec:\n{indent(dedent(text), '  ')}"))


def problems_of(one: Fields | KubernetesObject) -> list[str]:
    """Return the problems that readers reported."""
    field = one.field if isinstance(one, Fields) else one.body
    return [str(problem) for problem in field.owner.findings.problems]


def warnings_of(one: Fields | KubernetesObject) -> list[str]:
    """Return the warnings of readers."""
    field = one.field if isinstance(one, Fields) else one.body
    return field.owner.findings.warnings


def compiled(text: str) -> tuple[tuple[RouteTable, ...], list[str]]:
    """Return what valid objects are compiled into, with warnings."""
    findings = Findings()
    tables = compile_objects(list(objects_of("routes.yaml", dedent(text), findings)), findings)
    assert not findings.problems
    return tables, findings.warnings


def decide(text: str, url: str, method: str = "GET", **headers: str) -> Decision:
    """Return what the one table of some objects makes of a request."""
    return table_of(text).decide(request(url, method, **headers))


def table_of(text: str) -> RouteTable:
    """Return the one table of some objects."""
    (table,) = compiled(text)[0]
    return table


def request(url: str, method: str = "GET", **headers: str) -> Request:
    """Return a request to `host/path?query`; of a header x_y the name is x-y."""
    host, slash, target = url.partition("/")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(host, method, slash + target, named, "http")


def route(spec: str, name: str = "web", metadata: str = "") -> str:
    """Return an HTTPRoute of namespace shop, attached to Gateway web unless `spec` says to what."""
    parents = "" if "parentRefs" in spec else "parentRefs: [{name: web}]\n"
    return (
        f"---\n{API}kind: HTTPRoute\n"
        f"metadata: {{name: {name}, namespace: shop, {metadata}}}\nspec:\n"
        f"{indent(parents + dedent(spec).lstrip(), '  ')}\n"
    )

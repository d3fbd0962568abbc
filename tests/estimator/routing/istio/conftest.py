"""Objects of Istio as texts, and what is made of them."""

from estimator.routing.decision import Decision
from estimator.routing.fields import Findings
from estimator.routing.istio.objects import compile_objects
from estimator.routing.objects import KubernetesObject, objects_of
from estimator.routing.request import Request
from estimator.routing.table import RouteTable

GATEWAY = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: edge}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, protocol: HTTP, name: http}
    hosts: ["*"]
"""


def service(
    http: str, name: str = "web", more: str = "gateways: [edge/gw]", host: str = "a.com"
) -> str:
    """Return a VirtualService of the namespace shop with these entries of `http`."""
    return f"""
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: shop}}
spec:
  hosts: ["{host}"]
  {more}
  http: {http}
"""


def to(name: str) -> str:
    return f"route: [{{destination: {{host: {name}}}}}]"


def objects(text: str) -> tuple[list[KubernetesObject], Findings]:
    findings = Findings()
    return list(objects_of("r.yaml", text, findings)), findings


def problems_of(text: str) -> list[str]:
    """Return the problems of a text, without file and line."""
    items, findings = objects(text)
    compile_objects(items)
    return [str(problem).split(": ", 1)[1] for problem in findings.problems]


def warnings_of(text: str) -> list[str]:
    items, findings = objects(text)
    compile_objects(items)
    assert findings.problems == []
    return findings.warnings


def tables_of(text: str) -> tuple[RouteTable, ...]:
    items, findings = objects(text)
    tables = compile_objects(items)
    assert [str(problem) for problem in findings.problems] == []
    return tables


def request(url: str, method: str = "GET", headers: dict[str, str] | None = None) -> Request:
    """Return a request with all headers known: `a.com/b?c`."""
    authority, slash, rest = url.partition("/")
    return Request(authority, method, slash + rest, {} if headers is None else headers)


def decide(text: str, url: str, headers: dict[str, str] | None = None) -> Decision:
    """Return what the only table of a text decides."""
    (table,) = tables_of(text)
    return table.decide(request(url, headers=headers))


def taker(decision: Decision) -> str:
    """Return the first destination of a decision, or its outcome."""
    return decision.destinations[0].host if decision.destinations else decision.outcome.value

"""Ingresses as texts, and what is made of them."""

from estimator.routing.decision import Decision
from estimator.routing.fields import Findings
from estimator.routing.ingress_nginx.ingresses import Ingress, read_ingress
from estimator.routing.ingress_nginx.routes import IngressRoutes
from estimator.routing.ingress_nginx.servers import compile_servers
from estimator.routing.objects import objects_of
from estimator.routing.request import Request


def path(value: str, service: str, path_type: str = "Prefix") -> str:
    """Return an entry of `paths`."""
    backend = f"{{service: {{name: {service}, port: {{number: 80}}}}}}"
    return f"{{path: '{value}', pathType: {path_type}, backend: {backend}}}"


def ingress(
    *paths: str,
    name: str = "web",
    host: str = "a.com",
    asked: dict[str, str] | None = None,
    more: str = "",
    created: str = "",
) -> str:
    """Return an Ingress of the namespace shop."""
    annotations = "".join(
        f"    nginx.ingress.kubernetes.io/{key}: '{value}'\n"
        for key, value in (asked or {}).items()
    )
    return f"""
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  namespace: shop
  {f"creationTimestamp: '{created}'" if created else ""}
  annotations:
    other: x
{annotations}
spec:
  ingressClassName: nginx
  {more}
  rules:
  - host: '{host}'
    http: {{paths: [{", ".join(paths)}]}}
"""


def ingresses_of(text: str) -> tuple[list[Ingress], Findings]:
    findings = Findings()
    return [read_ingress(item) for item in objects_of("i.yaml", text, findings)], findings


def routes_of(*texts: str) -> IngressRoutes:
    items, findings = ingresses_of("".join(texts))
    assert [str(problem) for problem in findings.problems] == []
    return IngressRoutes(*compile_servers(items))


def decide(routes: IngressRoutes, url: str, scheme: str | None = None) -> Decision:
    """Return what becomes of `a.com/b?c`."""
    authority, slash, rest = url.partition("/")
    return routes.decide(Request(authority, "GET", slash + rest, scheme=scheme))


def taker(routes: IngressRoutes, url: str) -> str:
    """Return `service target`, or status and Location."""
    decision = decide(routes, url, "http")
    if decision.destinations:
        return f"{decision.destinations[0].host.removesuffix('.shop')} {decision.target}"
    return f"{decision.status} {decision.location or ''}".strip()

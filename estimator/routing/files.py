"""Reads files and directories of Kubernetes objects into the route tables of their gateways.

Objects of Istio and of Gateway API may stand side by side. What routes and is not understood is a
problem; what does not route is left out and counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from estimator.errors import InputError
from estimator.routing.fields import Findings
from estimator.routing.gateway_api import objects as gateway_api
from estimator.routing.gateway_api.fields import API_GROUP
from estimator.routing.istio import envoy_filters
from estimator.routing.istio import objects as istio
from estimator.routing.objects import KubernetesObject, read_objects
from estimator.routing.paths import Normalization
from estimator.routing.table import RouteTable

_GROUPS = {
    "VirtualService": istio.GROUP,
    "HTTPRoute": API_GROUP,
    "Gateway": f"{istio.GROUP} or {API_GROUP}",
}
"""The API groups of kinds that route."""
_MOST_GOT = 5
"""Most reasons why files route nothing that are said."""


@dataclass(frozen=True, slots=True)
class Routes:
    """What the objects of some files say about routing."""

    tables: tuple[RouteTable, ...]
    """One for each port of each gateway that carries HTTP."""
    warnings: tuple[str, ...] = ()
    """What is read and may route otherwise than written, each with file and line."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Objects that do not route, counted by kind and apiVersion."""


def read_routes(
    paths: Sequence[Path],
    gateway: str | None = None,
    port: int | None = None,
    normalization: Normalization = Normalization.BASE,
) -> Routes:
    """Return the tables of the gateways in these files, or in the files below directories.

    `gateway` is `name` or `namespace/name`; None takes all gateways. `port` likewise.

    Raises InputError with every problem of every file: YAML that does not parse, a template that
    is not rendered, an unknown key of a field that routes, a regex that RE2 refuses, and a gateway
    or a port that does not exist.
    """
    findings = Findings()
    objects = read_objects(paths, findings)
    for item in objects:
        _check_read(item, findings)
    tables = (
        *istio.compile_objects(objects, port),
        *gateway_api.compile_objects(objects, findings, port),
    )
    if findings.problems:
        raise InputError(findings.problems)
    patches = tuple(envoy_filters.patches(objects))
    chosen = tuple(
        replace(
            table,
            normalization=normalization,
            not_understood=(*table.not_understood, *patches),
        )
        for table in tables
        if _is_named(table, gateway) and port in (None, table.port)
    )
    if not chosen:
        findings.report(", ".join(map(str, paths)), _missing(tables, findings, gateway, port))
        raise InputError(findings.problems)
    return Routes(chosen, tuple(findings.warnings), findings.left_out)


def _check_read(item: KubernetesObject, findings: Findings) -> None:
    """Count an object that does not route; report one that should, of an API that is not known."""
    if istio.is_read(item) or gateway_api.is_read(item):
        if not item.name:
            item.body.report("expected metadata with name")
        return
    version = f"{item.group}/{item.version}".removeprefix("/")
    if item.kind in _GROUPS:
        item.body.report(f"expected an apiVersion of {_GROUPS[item.kind]}, got {version}")
        return
    name = f"{item.kind} ({version})"
    findings.left_out[name] = findings.left_out.get(name, 0) + 1


def _is_named(table: RouteTable, gateway: str | None) -> bool:
    return gateway in (None, table.gateway, f"{table.namespace}/{table.gateway}")


def _missing(
    tables: Sequence[RouteTable], findings: Findings, gateway: str | None, port: int | None
) -> str:
    """Return why no table is left."""
    if not tables:
        rule = "expected a Gateway with a port for HTTP, or a VirtualService or HTTPRoute of one"
        others = [f"{count:,} {kind}" for kind, count in findings.left_out.items()]
        got = [*findings.warnings, *others]
        more = [f"{len(got) - _MOST_GOT:,} more"] if len(got) > _MOST_GOT else []
        return f"{rule}, got {'; '.join([*got[:_MOST_GOT], *more])}" if got else rule
    listed = ", ".join(f"{table.namespace}/{table.gateway} port {table.port}" for table in tables)
    wanted = [
        *([] if gateway is None else [f"gateway {gateway}"]),
        *([] if port is None else [f"port {port}"]),
    ]
    return f"expected one of {listed}, got {' and '.join(wanted)}"

"""The listeners of a Gateway of gateway.networking.k8s.io.

The schema is that of apis/v1/gateway_types.go of kubernetes-sigs/gateway-api.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from estimator.routing.gateway_api.fields import (
    API_GROUP,
    GROUP,
    HOSTNAME,
    KIND,
    MOST_PORT,
    NAME,
    SECTION,
    Fields,
    Pattern,
    spec_of,
)
from estimator.routing.gateway_api.namespaces import From, Namespaces, Operator, Requirement
from estimator.routing.istio.names import ANY, CLUSTER_DOMAIN
from estimator.routing.objects import KubernetesObject
from estimator.routing.rules import Place

_GATEWAY_KEYS = (
    "gatewayClassName",
    "listeners",
    "addresses",
    "infrastructure",
    "allowedListeners",
    "tls",
    "backendTLS",
    "defaultScope",
)
_MOST_LISTENERS = 64
_MOST_KINDS = 8
_MOST_ADDRESSES = 16
_MOST_REQUIREMENTS = 1000
_PROTOCOLS = ("HTTP", "HTTPS", "TLS", "TCP")
_PROTOCOL = Pattern(re.compile(r"[-a-zA-Z0-9./]+"), "a protocol such as HTTP or HTTPS", 255)
_ADDRESS_TYPE = Pattern(re.compile(r"[-a-zA-Z0-9./]+"), "a type of address")
_LABEL_VALUE = Pattern(re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?"), "a label", 63)


@dataclass(frozen=True, slots=True)
class Listener:
    """One listener."""

    place: Place
    name: str
    port: int
    protocol: str
    hostname: str
    """`*` for a listener without a hostname."""
    namespaces: Namespaces
    admits_http_routes: bool = True
    """False where `allowedRoutes.kinds` leaves HTTPRoute out."""

    @property
    def is_tls(self) -> bool:
        return self.protocol == "HTTPS"

    @property
    def carries_http(self) -> bool:
        """Return whether the Gateway sees HTTP here, which it routes by HTTPRoutes."""
        return self.protocol in ("HTTP", "HTTPS")


@dataclass(frozen=True, slots=True)
class Gateway:
    """A Gateway with its listeners in order of their names, in which istiod reads them."""

    place: Place
    listeners: tuple[Listener, ...]
    services: tuple[str, ...] = ()
    """The addresses that name a Service which exists already, and with it the Envoy behind it."""
    not_understood: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        return self.place.namespace, self.place.name


def read_gateway(resource: KubernetesObject, istio_classes: Collection[str]) -> Gateway:
    """Return a Gateway; report its problems.

    `istio_classes` are the names of the GatewayClasses that Istio serves.
    """
    spec = spec_of(resource)
    spec.only(*_GATEWAY_KEYS)
    name = spec.text("gatewayClassName", NAME, is_required=True)
    if name is not None and name not in istio_classes:
        spec.warn(
            "gatewayClassName", f"{name} is not a class of Istio; judged as Istio would route"
        )
    for key in ("allowedListeners", "defaultScope"):
        if spec.has(key):
            spec.warn(key, "is not judged; only the listeners of the Gateway itself are")
    entries = spec.mappings("listeners", _MOST_LISTENERS, is_required=True)
    if spec.has_empty_list("listeners"):
        spec.report("listeners", "expected at least one listener")
    listeners = [_listener(entry) for entry in entries]
    _check_distinct(entries, listeners)
    listeners.sort(key=lambda listener: listener.name)
    services = _services(spec, resource.namespace)
    return Gateway(resource.body.place, tuple(listeners), tuple(services))


def _services(spec: Fields, namespace: str) -> Iterator[str]:
    """Yield the addresses of type Hostname in full (`extractGatewayServices` of conversion.go)."""
    for entry in spec.mappings("addresses", _MOST_ADDRESSES):
        entry.only("type", "value")
        value = entry.text("value", NAME)
        if entry.text("type", _ADDRESS_TYPE, "IPAddress") == "Hostname" and value is not None:
            yield value if "." in value else f"{value}.{namespace}.svc.{CLUSTER_DOMAIN}"


def _listener(entry: Fields) -> Listener:
    entry.only("name", "hostname", "port", "protocol", "tls", "allowedRoutes")
    protocol = entry.text("protocol", _PROTOCOL, is_required=True) or ""
    if protocol.upper() != protocol and protocol.upper() in _PROTOCOLS:
        entry.warn("protocol", f"Istio knows {protocol.upper()} and not {protocol}")
    _check_tls(entry, protocol)
    namespaces, admits_http_routes = _allowed(entry)
    return Listener(
        entry.place,
        entry.text("name", SECTION, is_required=True) or "",
        entry.number("port", 1, MOST_PORT, is_required=True) or 0,
        protocol,
        entry.text("hostname", HOSTNAME) or ANY,
        namespaces,
        admits_http_routes,
    )


def _check_distinct(entries: Sequence[Fields], listeners: Sequence[Listener]) -> None:
    names: set[str] = set()
    ends: set[tuple[int, str, str]] = set()
    for entry, listener in zip(entries, listeners, strict=True):
        if listener.name in names:
            entry.report("name", f"expected each name once, got {listener.name} twice")
        end = (listener.port, listener.protocol, listener.hostname)
        if end in ends:
            entry.report("", "expected another port, protocol or hostname than a listener above")
        protocols = {protocol for port, protocol, _ in (*ends, end) if port == listener.port}
        if len(protocols) > 1 and protocols & {"HTTP", "TCP"}:
            entry.warn("port", "has listeners of another protocol, too, and Istio opens only one")
        names.add(listener.name)
        ends.add(end)


def _check_tls(entry: Fields, protocol: str) -> None:
    tls = entry.mapping("tls")
    if protocol in ("HTTP", "TCP", "UDP") and tls is not None:
        entry.report("tls", f"expected none with the protocol {protocol}")
    if protocol == "HTTPS" and tls is None:
        entry.warn("", "has no tls, without which no client reaches an HTTPS listener")
    if tls is not None and protocol == "HTTPS":
        tls.choice("mode", ("Terminate",))


def _allowed(entry: Fields) -> tuple[Namespaces, bool]:
    """Return the namespaces that a listener admits, and whether it admits HTTPRoutes."""
    allowed = entry.mapping("allowedRoutes")
    if allowed is None:
        return Namespaces(), True
    allowed.only("namespaces", "kinds")
    kinds = []
    for kind in allowed.mappings("kinds", _MOST_KINDS):
        kind.only("group", "kind")
        group = kind.text("group", GROUP, API_GROUP)
        kinds.append((group, kind.text("kind", KIND, is_required=True)))
    admits = not kinds or (API_GROUP, "HTTPRoute") in kinds
    namespaces = allowed.mapping("namespaces")
    if namespaces is None:
        return Namespaces(), admits
    namespaces.only("from", "selector")
    source = From(namespaces.choice("from", tuple(From), From.SAME) or From.SAME)
    return Namespaces(source, tuple(_requirements(namespaces))), admits


def _requirements(namespaces: Fields) -> Iterator[Requirement]:
    selector = namespaces.mapping("selector")
    if selector is None:
        return
    selector.only("matchLabels", "matchExpressions")
    if labels := selector.mapping("matchLabels"):
        for key in labels.names():
            value = labels.text(key, _LABEL_VALUE)
            yield Requirement(key, Operator.IN, (value or "",))
    for entry in selector.mappings("matchExpressions", _MOST_REQUIREMENTS):
        entry.only("key", "operator", "values")
        key = entry.text("key", NAME, is_required=True) or ""
        operator = entry.choice("operator", tuple(Operator), is_required=True)
        values = tuple(entry.texts("values", _MOST_REQUIREMENTS, _LABEL_VALUE))
        if operator is not None:
            yield Requirement(key, Operator(operator), values)

"""Names as Istio resolves them: hosts, wildcards, gateways and namespaces.

The rules are those of pkg/config/host (Name.SubsetOf, Names.Intersection, NamesForNamespace) and of
pilot/pkg/model/conversion.go and config.go (ResolveShortnameToFQDN, resolveGatewayName).
"""

import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator, Sequence

CLUSTER_DOMAIN = "cluster.local"
_SERVICE_SUFFIX = f".svc.{CLUSTER_DOMAIN}"
ANY = "*"
NO_HOSTNAME = "expected a hostname, perhaps with a leading *, and without a port"
MESH = "mesh"
"""The gateway that stands for all sidecars."""

_LABEL = "[A-Za-z0-9_](?:[-A-Za-z0-9_]*[A-Za-z0-9_])?"
_HOSTNAME = re.compile(rf"(?:\*\.|\*-)?{_LABEL}(?:\.{_LABEL})*\.?")


def is_subset(narrow: str, wide: str) -> bool:
    """Return whether each host that `narrow` names is one that `wide` names."""
    if narrow.startswith(ANY):
        return wide.startswith(ANY) and len(narrow) >= len(wide) and narrow.endswith(wide[1:])
    return narrow.endswith(wide[1:]) if wide.startswith(ANY) else narrow == wide


def intersection(hosts: Iterable[str], others: Sequence[str]) -> tuple[str, ...]:
    """Return the hosts that both lists name, each in its narrower form."""
    shared: dict[str, None] = {}
    for host in hosts:
        for other in others:
            if is_subset(host, other):
                shared[host] = None
            elif is_subset(other, host):
                shared[other] = None
    return tuple(shared)


def server_hosts(hosts: Sequence[str], namespace: str) -> tuple[str, ...]:
    """Return a server's hosts with `.` as its namespace and without `*/`, as istiod keeps them."""
    kept = []
    for host in hosts:
        owner, slash, name = host.partition("/")
        if slash and owner == ANY and name == ANY:
            return (ANY,)
        if not slash or owner == ANY:
            kept.append(name or host)
        else:
            kept.append(f"{namespace if owner == '.' else owner}/{name}")
    return tuple(kept)


def for_namespace(hosts: Iterable[str], namespace: str) -> Iterator[str]:
    """Yield the hosts of a server that VirtualServices of a namespace may use."""
    for host in hosts:
        owner, slash, name = host.partition("/")
        if not slash:
            yield host
        elif owner == namespace:
            yield name


def is_hostname(host: str) -> bool:
    """Return whether a text is a hostname, perhaps with a leading wildcard, or an IP address."""
    if host == ANY or _HOSTNAME.fullmatch(host):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def full_host(host: str, namespace: str) -> str:
    """Return the host of a VirtualService; a name without a dot is a Service of its namespace."""
    if "." in host or ":" in host or host in ("", ANY):
        return host
    return f"{host}.{namespace}{_SERVICE_SUFFIX}"


def service(host: str, namespace: str) -> str:
    """Return `name.namespace` for a Service of the cluster, and any other host unchanged."""
    full = full_host(host, namespace)
    return full.removesuffix(_SERVICE_SUFFIX)


def is_cut_short(host: str, namespaces: Collection[str]) -> bool:
    """Return whether a host looks like a Service and names none: `web.shop` or `web.shop.svc`.

    Istio completes only a name without a dot, so Envoy finds no cluster for such a destination and
    answers 503 (github.com/istio/istio/issues/6778).
    """
    _, _, rest = host.partition(".")
    return rest.removesuffix(".svc") in namespaces


def gateway_key(name: str, namespace: str) -> tuple[str, str]:
    """Return namespace and name of the Gateway that a VirtualService of `namespace` names."""
    owner, slash, rest = name.partition("/")
    if slash:
        return (namespace if owner == "." else owner), rest
    if "." in name:
        # The older form: name.namespace.svc.cluster.local.
        short, owner = name.split(".")[:2]
        return owner, short
    return namespace, name


def is_exported(export_to: Sequence[str], owner: str, namespace: str) -> bool:
    """Return whether an object of `owner` is visible in `namespace`; by default everywhere."""
    visible = {owner if name == "." else name for name in export_to} or {ANY}
    return ANY in visible or namespace in visible

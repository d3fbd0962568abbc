"""Hostnames of listeners and routes: which ones overlap, and which listener owns an overlap.

A hostname is exact, or a wildcard that stands for at least one character before its suffix, dots
included: `*.example.com` stands for a.example.com and a.b.example.com, and not for example.com. `*`
stands for a listener or a route without a hostname. Istio compares texts and not labels.
"""

from collections.abc import Iterable

from estimator.routing.istio.names import ANY, is_subset


def intersection(hostname: str, other: str) -> str | None:
    """Return the hostname of all hosts that both stand for; None if there are none."""
    if is_subset(hostname, other):
        return hostname
    return other if is_subset(other, hostname) else None


def is_isolated(route_host: str, listener: str, others: Iterable[str]) -> bool:
    """Return whether another listener owns every host that a route's hostname stands for.

    `others` are the hostnames of the other listeners with the same port and protocol. A route that
    is attached to a wide listener does not serve the hosts of a narrower one. The rule is that of
    Istio's `hostnameAllowedByIsolation` (pilot/pkg/config/kube/gateway/conversion.go): it applies
    to wildcards only, and it looks at the hostname of the route, not at the intersection.
    """
    if not listener.startswith(ANY):
        return False
    length = _length(listener)
    return any(
        other != listener and length <= _length(other) and is_subset(route_host, other)
        for other in others
    )


def _length(hostname: str) -> int:
    """Return the length by which Istio ranks listeners; one without a hostname has 0."""
    return 0 if hostname == ANY else len(hostname)

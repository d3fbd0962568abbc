"""EnvoyFilters that may change where requests go: they are named, and not judged.

An EnvoyFilter patches the configuration that istiod has made of VirtualServices and HTTPRoutes
(networking/v1alpha3/envoy_filter.proto). Patches of filters and those that only add rate limits or
headers to a route leave it where it goes.
"""

from collections.abc import Iterator, Sequence

from estimator.routing.objects import KubernetesObject

_ROUTE_PATCHES = ("ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE")
_DECIDING = frozenset(
    {
        "cluster",
        "cluster_header",
        "direct_response",
        "domains",
        "host_rewrite_literal",
        "match",
        "prefix_rewrite",
        "redirect",
        "regex_rewrite",
        "require_tls",
        "routes",
        "virtual_hosts",
        "weighted_clusters",
    }
)
"""Fields of Envoy's routes that decide where a request goes."""


def patches(objects: Sequence[KubernetesObject]) -> Iterator[str]:
    """Yield each patch that may change where requests go, as a sentence with file and line."""
    for item in objects:
        listed = item.spec.value.get("configPatches") if _is_read(item) else None
        for number, entry in enumerate(listed if isinstance(listed, list) else ()):
            applies = entry.get("applyTo") if isinstance(entry, dict) else None
            if applies in _ROUTE_PATCHES and _decides(entry.get("patch")):
                yield f"{item.body.place}: configPatches[{number}] patches {applies}"


def _is_read(item: KubernetesObject) -> bool:
    is_filter = (item.group, item.kind) == ("networking.istio.io", "EnvoyFilter")
    return is_filter and isinstance(item.spec.value, dict)


def _decides(patch: object) -> bool:
    if not isinstance(patch, dict) or patch.get("operation") != "MERGE":
        return True
    return not _DECIDING.isdisjoint(_keys(patch.get("value")))


def _keys(value: object) -> Iterator[str]:
    """Yield the keys of all mappings in a value, which yaml_documents has bounded."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield str(key)
            yield from _keys(part)
    elif isinstance(value, list):
        for part in value:
            yield from _keys(part)

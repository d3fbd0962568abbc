"""Matches of a root VirtualService merged with those of its delegate.

The rules are those of pilot/pkg/model/virtualservice.go: each match of the delegate is joined with
each match of the root that it does not contradict. A delegate's route one of whose matches
contradicts all of the root's is left out whole, and the rest of the delegate stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from estimator.routing.conditions import Kind, Text
from estimator.routing.istio.matches import Match


def merged_matches(root: Sequence[Match], delegate: Sequence[Match]) -> tuple[Match, ...] | None:
    """Return the matches of a delegate's route below a route of the root; None for a conflict."""
    if not root:
        return tuple(delegate)
    if not delegate:
        return tuple(root)
    merged: list[Match] = []
    for leaf in delegate:
        joined = [_joined(above, leaf) for above in root if not _contradict(above, leaf)]
        if not joined:
            return None
        merged += joined
    return tuple(merged)


def _joined(root: Match, leaf: Match) -> Match:
    return replace(
        leaf,
        uri=leaf.uri or root.uri,
        scheme=leaf.scheme or root.scheme,
        method=leaf.method or root.method,
        authority=leaf.authority or root.authority,
        headers={**root.headers, **leaf.headers},
        without_headers={**root.without_headers, **leaf.without_headers},
        query={**root.query, **leaf.query},
        port=leaf.port or root.port,
        gateways=leaf.gateways or root.gateways,
        source_labels={**root.source_labels, **leaf.source_labels},
        source_namespace=leaf.source_namespace or root.source_namespace,
    )


def _contradict(root: Match, leaf: Match) -> bool:
    pairs = [
        (root.uri, leaf.uri),
        (root.scheme, leaf.scheme),
        (root.method, leaf.method),
        (root.authority, leaf.authority),
        *_shared(root.headers, leaf.headers),
        *_shared(root.without_headers, leaf.without_headers),
        *_shared(root.query, leaf.query),
    ]
    labels = root.source_labels
    return (
        any(_texts_contradict(above, below) for above, below in pairs)
        or root.ignores_case != leaf.ignores_case
        or (root.port > 0 and leaf.port > 0 and root.port != leaf.port)
        or (root.source_namespace not in ("", leaf.source_namespace))
        or any(labels.get(name, value) != value for name, value in leaf.source_labels.items())
        or (bool(root.gateways) and not set(leaf.gateways) <= set(root.gateways))
    )


def _shared(root: Mapping[str, Text], leaf: Mapping[str, Text]) -> list[tuple[Text, Text]]:
    return [(root[name], text) for name, text in leaf.items() if name in root]


def _texts_contradict(root: Text | None, leaf: Text | None) -> bool:
    """Return whether a text of the delegate is not known to be within that of the root."""
    if root is None or leaf is None:
        return False
    # Only prefixes and exact texts can be compared. Istio counts a match without a value here, too.
    if root.kind is Kind.EXACT:
        return leaf.kind is not Kind.EXACT or leaf.value != root.value
    if root.kind is Kind.PREFIX:
        is_text = leaf.kind in (Kind.EXACT, Kind.PREFIX)
        return not is_text or not leaf.value.startswith(root.value)
    return True

"""Which VirtualServices istiod binds to a gateway, with the rules of their delegates in place.

Written from pilot/pkg/model/virtualservice.go of istio/istio, and imports nothing of the product.
"""

from collections.abc import Sequence

from tests.routing_referee.rule_sets import Object

SHARED_BY_DELEGATES = (
    *("rewrite", "directResponse", "timeout", "retries", "fault", "mirror", "headers"),
    "corsPolicy",
)


def bound_services(documents: Sequence[Object], gateway: str) -> list[Object]:
    """Return the VirtualServices of a gateway, with the rules of their delegates in place."""
    services = [document for document in documents if document["kind"] == "VirtualService"]
    delegates = {
        (service["metadata"]["namespace"], service["metadata"]["name"]): service
        for service in services
        if not service["spec"].get("hosts")
    }
    bound = []
    for service in services:
        namespace = service["metadata"]["namespace"]
        gateways = service["spec"].get("gateways") or ["mesh"]
        full = {
            reference if "/" in reference or reference == "mesh" else f"{namespace}/{reference}"
            for reference in gateways
        }
        owner = gateway.partition("/")[0]
        if gateway in full and service["spec"].get("hosts") and _is_exported(service, owner):
            bound.append(_with_delegates(service, delegates))
    return bound


def _is_exported(service: Object, namespace: str) -> bool:
    """Say whether a namespace sees an object; that of a gateway's Pods is the Gateway's here."""
    own = service["metadata"]["namespace"]
    spaces = [own if space == "." else space for space in service["spec"].get("exportTo", ["*"])]
    return "*" in spaces or namespace in spaces


def _with_delegates(service: Object, delegates: dict[tuple[str, str], Object]) -> Object:
    metadata = service["metadata"]
    own = metadata["namespace"]
    rules: list[Object] = []
    for index, rule in enumerate(service["spec"]["http"]):
        part = f"VirtualService {metadata['namespace']}/{metadata['name']}, http[{index}]"
        if "delegate" not in rule:
            matches = rule.get("match") or []
            ids = [f"{part}.match[{number}]" for number in range(len(matches))]
            rules.append(rule | {"ids": ids or [part], "namespace": own})
            continue
        reference = rule["delegate"]
        space = reference.get("namespace") or metadata["namespace"]
        delegate = delegates.get((space, reference["name"]))
        if delegate is not None and _is_exported(delegate, own):
            for number, leaf in enumerate(delegate["spec"]["http"]):
                leaf_part = f"VirtualService {space}/{reference['name']}, http[{number}]"
                if merged := _merged(rule, leaf, leaf_part):
                    rules.append(merged | {"namespace": space})
    return {"metadata": metadata, "spec": service["spec"] | {"http": rules}}


def _merged(root: Object, leaf: Object, part: str) -> Object | None:
    """Return a delegate's rule below its root's; None where their conditions conflict."""
    roots, leaves = root.get("match") or [], leaf.get("match") or []
    matches: list[Object] = []
    ids: list[str] = []
    if not roots or not leaves:
        matches = leaves or roots
        numbered = leaves if leaves else []
        ids = [f"{part}.match[{number}]" for number in range(len(numbered))] or [part] * max(
            1, len(matches)
        )
    else:
        for number, leaf_match in enumerate(leaves):
            fitting = [match for match in roots if not _conflicts(match, leaf_match)]
            if not fitting:
                return None
            for root_match in fitting:
                matches.append(_merged_match(root_match, leaf_match))
                ids.append(f"{part}.match[{number}]")
    inherited = {key: root[key] for key in SHARED_BY_DELEGATES if key in root}
    return inherited | leaf | {"match": matches, "ids": ids}


def _merged_match(root: Object, leaf: Object) -> Object:
    merged = dict(leaf)
    for key in ("uri", "scheme", "method", "authority", "port", "gateways"):
        if key not in merged and key in root:
            merged[key] = root[key]
    for key in ("headers", "withoutHeaders", "queryParams"):
        if key in root or key in leaf:
            merged[key] = root.get(key, {}) | leaf.get(key, {})
    return merged


def _conflicts(root: Object, leaf: Object) -> bool:
    for key in ("uri", "scheme", "method", "authority"):
        if _text_conflicts(root.get(key), leaf.get(key)):
            return True
    for key in ("headers", "withoutHeaders", "queryParams"):
        for name, text in leaf.get(key, {}).items():
            if _text_conflicts(root.get(key, {}).get(name), text):
                return True
    if root.get("ignoreUriCase", False) != leaf.get("ignoreUriCase", False):
        return True
    if root.get("port") and leaf.get("port") and root["port"] != leaf["port"]:
        return True
    if root.get("gateways") and leaf.get("gateways"):
        return len(root["gateways"]) < len(leaf["gateways"]) or not set(leaf["gateways"]) <= set(
            root["gateways"]
        )
    return False


def _text_conflicts(root: Object | None, leaf: Object | None) -> bool:
    if root is None or leaf is None:
        return False
    if root.get("regex") and any(leaf.values()):
        return True
    if leaf.get("regex") and any(root.values()):
        return True
    if exact := root.get("exact"):
        return bool(leaf.get("prefix")) or leaf.get("exact", "") != exact
    if (prefix := root.get("prefix")) and (text := leaf.get("prefix") or leaf.get("exact")):
        return not text.startswith(prefix)
    return True

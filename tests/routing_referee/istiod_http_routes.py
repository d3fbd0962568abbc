"""What istiod makes of HTTPRoute and Gateway objects: virtual hosts of Envoy.

istiod turns them into its own VirtualServices first, one for each listener and host, with the rules
of all HTTPRoutes in the order that Gateway API asks for (pilot/pkg/config/kube/gateway:
conversion.go, route_collections.go). This is written from those sources and imports nothing of the
product.
"""

from collections.abc import Iterator, Sequence

from tests.routing_referee.istiod import is_subset, virtual_hosts
from tests.routing_referee.rule_sets import Object, Translation

RANKS = {"exact": 3, "prefix": 2, "regex": 1}


def translate_http_routes(documents: Sequence[Object], port: int) -> Translation:
    """Return the virtual hosts of a port of the one Gateway among the objects."""
    gateway = next(document for document in documents if document["kind"] == "Gateway")
    namespace = gateway["metadata"]["namespace"]
    listeners = gateway["spec"]["listeners"]
    servers = []
    for listener in listeners:
        if listener["port"] == port:
            server = {"port": {"protocol": listener["protocol"]}, "gateway": listener["name"]}
            servers.append((server, _server_hosts(listener, namespace)))
    services = _services(documents, gateway)
    name = f"{namespace}/{gateway['metadata']['name']}"
    return virtual_hosts(services, servers, name, port, is_gateway_api=True)


def _server_hosts(listener: Object, namespace: str) -> list[str]:
    host = listener.get("hostname", "*")
    spaces = listener.get("allowedRoutes", {}).get("namespaces", {}).get("from", "Same")
    return [host] if spaces == "All" else [f"{namespace}/{host}"]


def _services(documents: Sequence[Object], gateway: Object) -> list[Object]:
    """Return one VirtualService for each listener and host, as the merge of all HTTPRoutes."""
    routes = [document for document in documents if document["kind"] == "HTTPRoute"]
    routes.sort(
        key=lambda route: (
            route["metadata"].get("creationTimestamp", ""),
            route["metadata"]["namespace"],
            route["metadata"]["name"],
        )
    )
    merged: dict[tuple[str, str], Object] = {}
    for route in routes:
        rules = list(_rules(route))
        hosts = route["spec"].get("hostnames") or ["*"]
        for listener in _parents(route, gateway):
            for host in hosts:
                if not _is_isolated(host, listener, gateway):
                    continue
                service = merged.setdefault(
                    (listener["name"], host),
                    {
                        "metadata": route["metadata"],
                        "gateway": listener["name"],
                        "spec": {"hosts": [host], "http": []},
                    },
                )
                service["spec"]["http"] += rules
    for service in merged.values():
        service["spec"]["http"].sort(key=_precedence)
    return list(merged.values())


def _parents(route: Object, gateway: Object) -> Iterator[Object]:
    """Yield the listeners that a route is attached to, once for each reference."""
    metadata = route["metadata"]
    for reference in route["spec"].get("parentRefs", ()):
        space = reference.get("namespace", metadata["namespace"])
        if (space, reference["name"]) != (
            gateway["metadata"]["namespace"],
            gateway["metadata"]["name"],
        ):
            continue
        for listener in gateway["spec"]["listeners"]:
            if reference.get("port", listener["port"]) != listener["port"]:
                continue
            if reference.get("sectionName", listener["name"]) != listener["name"]:
                continue
            kinds = listener.get("allowedRoutes", {}).get("kinds") or [{"kind": "HTTPRoute"}]
            if all(kind["kind"] != "HTTPRoute" for kind in kinds):
                continue
            spaces = listener.get("allowedRoutes", {}).get("namespaces", {}).get("from", "Same")
            if spaces == "Same" and metadata["namespace"] != gateway["metadata"]["namespace"]:
                continue
            hosts = route["spec"].get("hostnames") or ["*"]
            own = listener.get("hostname", "*")
            if any(is_subset(host, own) or is_subset(own, host) for host in hosts):
                yield listener


def _is_isolated(host: str, listener: Object, gateway: Object) -> bool:
    """Say whether a host belongs to this listener and to no more specific one of its port."""
    own = listener.get("hostname", "")
    if own and not own.startswith("*"):
        return True
    if own and not (is_subset(host, own) or is_subset(own, host)):
        return False
    banned = {
        other.get("hostname", "")
        for other in gateway["spec"]["listeners"]
        if other is not listener
        and (other["port"], other["protocol"]) == (listener["port"], listener["protocol"])
    } - {own}
    return not any(len(own) <= len(other) and is_subset(host, other) for other in banned)


def _rules(route: Object) -> Iterator[Object]:
    """Yield one rule of a VirtualService for each match of each rule."""
    metadata = route["metadata"]
    for index, rule in enumerate(route["spec"].get("rules") or [{}]):
        part = f"HTTPRoute {metadata['namespace']}/{metadata['name']}, rules[{index}]"
        # The API server writes these defaults into the object.
        matches = rule.get("matches") or [None]
        for number, match in enumerate(matches):
            rule_id = part if match is None else f"{part}.matches[{number}]"
            yield {"match": [_match(match or {})], "ids": [rule_id], **_action(rule, metadata)}


def _match(match: Object) -> Object:
    path = match.get("path") or {}
    value = path.get("value", "/")
    kind = path.get("type", "PathPrefix")
    if kind == "PathPrefix":
        uri = {"prefix": value if value == "/" else value.removesuffix("/")}
    else:
        uri = {"exact" if kind == "Exact" else "regex": value}
    found: Object = {"uri": uri}
    if "method" in match:
        found["method"] = {"exact": match["method"]}
    found["headers"] = _texts(match.get("headers", ()))
    found["queryParams"] = _texts(match.get("queryParams", ()))
    return found


def _texts(conditions: Sequence[Object]) -> Object:
    return {
        condition["name"]: {
            "regex" if condition.get("type") == "RegularExpression" else "exact": condition["value"]
        }
        for condition in conditions
    }


def _precedence(rule: Object) -> tuple[int, int, bool, int, int]:
    match = rule["match"][0]
    kind, value = next(iter(match["uri"].items()))
    return (
        -RANKS[kind],
        -len(value.encode()),
        "method" not in match,
        -len(match["headers"]),
        -len(match["queryParams"]),
    )


def _action(rule: Object, metadata: Object) -> Object:
    action: Object = {}
    for each in rule.get("filters", ()):
        if each["type"] == "RequestRedirect":
            action["redirect"] = _redirect(each["requestRedirect"])
        elif each["type"] == "URLRewrite":
            action["rewrite"] = _rewrite(each["urlRewrite"])
    backends = rule.get("backendRefs", ())
    weights = [backend.get("weight", 1) for backend in backends]
    if not sum(weights) and "redirect" not in action:
        return {"directResponse": {"status": 500}}
    action["route"] = [
        {
            "destination": {
                "host": f"{backend['name']}.{backend.get('namespace', metadata['namespace'])}",
                "port": {"number": backend["port"]},
            },
            "weight": weight,
        }
        for backend, weight in zip(backends, weights, strict=True)
        if weight
    ]
    return action


def _redirect(found: Object) -> Object:
    redirect: Object = {"redirectCode": found.get("statusCode", 302)}
    for key, name in (("hostname", "authority"), ("scheme", "scheme"), ("port", "port")):
        if key in found:
            redirect[name] = found[key]
    if "port" not in found and "scheme" not in found:
        redirect["derivePort"] = "FROM_REQUEST_PORT"
    path = found.get("path", {})
    if path.get("type") == "ReplaceFullPath":
        redirect["uri"] = path["replaceFullPath"]
    elif path.get("type") == "ReplacePrefixMatch":
        redirect["uri"] = "%PREFIX()%" + path["replacePrefixMatch"]
    return redirect


def _rewrite(found: Object) -> Object:
    rewrite: Object = {}
    path = found.get("path", {})
    if path.get("type") == "ReplacePrefixMatch":
        rewrite["uri"] = path["replacePrefixMatch"].removesuffix("/") or "/"
    elif path.get("type") == "ReplaceFullPath":
        rewrite["uriRegexRewrite"] = {"match": "/.*", "rewrite": path["replaceFullPath"]}
    if "hostname" in found:
        rewrite["authority"] = found["hostname"]
    return rewrite

"""What istiod makes of HTTPRoute and Gateway objects: virtual hosts of Envoy.

istiod turns them into its own VirtualServices first, one for each listener and host, with the rules
of all HTTPRoutes in the order that Gateway API asks for (pilot/pkg/config/kube/gateway:
conversion.go, route_collections.go). This is written from those sources and imports nothing of the
product.
"""

from collections.abc import Iterator, Sequence

from tests.routing_referee.istiod import is_subset, translated
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
            host = listener.get("hostname", "*")
            spaces = _admitted(listener, namespace, documents)
            # `~` is no namespace, but the name still chooses this listener for TLS.
            hosts = [host] if spaces is None else [f"{space}/{host}" for space in spaces or ["~"]]
            servers.append((server, hosts))
    routes = [document for document in documents if document["kind"] == "HTTPRoute"]
    services = _services(routes, documents, gateway)
    name = f"{namespace}/{gateway['metadata']['name']}"
    translation = translated(services, servers, name, port, is_gateway_api=True)
    # Several VirtualServices of one host are in the order of their oldest routes.
    translation.is_order_undefined = not all(
        "creationTimestamp" in route["metadata"] for route in routes
    )
    return translation


def _admitted(listener: Object, namespace: str, documents: Sequence[Object]) -> list[str] | None:
    """Return the namespaces whose routes a listener admits; None for all."""
    spaces = listener.get("allowedRoutes", {}).get("namespaces", {})
    if spaces.get("from", "Same") == "All":
        return None
    if spaces.get("from", "Same") == "Same":
        return [namespace]
    asked = spaces["selector"]["matchLabels"].items()
    return [
        document["metadata"]["name"]
        for document in documents
        if document["kind"] == "Namespace"
        and asked
        <= {
            **document["metadata"]["labels"],
            "kubernetes.io/metadata.name": document["metadata"]["name"],
        }.items()
    ]


def _services(
    routes: Sequence[Object], documents: Sequence[Object], gateway: Object
) -> list[Object]:
    """Return one VirtualService for each listener and host, as the merge of all HTTPRoutes.

    Routes that do not tell their age count from the last one to the first.
    """
    aged = [
        (
            route["metadata"].get("creationTimestamp", f"2026-01-{28 - index}"),
            route["metadata"]["namespace"],
            route["metadata"]["name"],
            route,
        )
        for index, route in enumerate(routes)
    ]
    merged: dict[tuple[str, str], Object] = {}
    ages: dict[tuple[str, str], str] = {}
    for age, _, _, route in sorted(aged, key=lambda item: item[:3]):
        rules = list(_rules(route))
        hosts = route["spec"].get("hostnames") or ["*"]
        for listener in _parents(route, gateway, documents):
            for host in hosts:
                if not _is_isolated(host, listener, gateway):
                    continue
                ages.setdefault((listener["name"], host), age)
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
    # Two of them may share a virtual host: a route without hosts, and one with the listener's. The
    # name of a merged VirtualService ends with its listener and its host.
    return [merged[key] for key in sorted(merged, key=lambda key: (ages[key], "~".join(key)))]


def _parents(route: Object, gateway: Object, documents: Sequence[Object]) -> Iterator[Object]:
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
            spaces = _admitted(listener, gateway["metadata"]["namespace"], documents)
            if spaces is not None and metadata["namespace"] not in spaces:
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
        elif each["type"] == "RequestHeaderModifier":
            action["headers"] = {
                "request": {
                    operation: {entry["name"]: entry["value"] for entry in entries}
                    for operation, entries in each["requestHeaderModifier"].items()
                }
            }
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
            "is_unknown": "kind" in backend,
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

"""What istiod makes of VirtualService and Gateway objects: virtual hosts of Envoy.

This is written from istiod's sources and imports nothing of the product, so that a wrong reading
of the objects there is not repeated here: pilot/pkg/networking/core/gateway.go (which rules a
virtual host of a port has), core/route/route.go (a rule as Envoy's route),
pkg/config/host/names.go (which hosts two lists share) of istio/istio.

Two things are added so that an answer tells what became of its request: each route names its rule
in the field x-rule, and each destination itself in x-destination.
"""

from collections.abc import Sequence

from tests.routing_referee.istiod_delegates import bound_services
from tests.routing_referee.rule_sets import Destination, Object, Translation

CLUSTER = "echo"
FAULT = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
REDIRECT_CODES = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}


def translate_virtual_services(documents: Sequence[Object], port: int) -> Translation:
    """Return the virtual hosts of a port of the one Gateway among the objects."""
    gateway = next(document for document in documents if document["kind"] == "Gateway")
    namespace = gateway["metadata"]["namespace"]
    name = f"{namespace}/{gateway['metadata']['name']}"
    services = bound_services(documents, name)
    servers = [
        (server, _sanitized(server["hosts"], namespace))
        for server in gateway["spec"]["servers"]
        if server["port"]["number"] == port
    ]
    has_ages = all("creationTimestamp" in service["metadata"] for service in services)
    if has_ages:
        services.sort(key=_age)
    translation = translated(services, servers, name, port, is_gateway_api=False)
    translation.is_order_undefined = translation.is_order_undefined and not has_ages
    return translation


def _age(service: Object) -> tuple[str, str, str]:
    """Return what sortConfigByCreationTime of pilot/pkg/model/config.go sorts by."""
    metadata = service["metadata"]
    return metadata["creationTimestamp"], metadata["name"], metadata["namespace"]


def _sanitized(hosts: Sequence[str], namespace: str) -> list[str]:
    """Return the hosts of a server with their namespaces as gateway.go keeps them."""
    if "*/*" in hosts:
        return ["*"]
    kept = []
    for host in hosts:
        space, _, name = host.rpartition("/")
        kept.append(f"{namespace}/{name}" if space == "." else name if space == "*" else host)
    return kept


def translated(
    services: Sequence[Object],
    servers: Sequence[tuple[Object, list[str]]],
    gateway: str,
    port: int,
    *,
    is_gateway_api: bool,
) -> Translation:
    """Return the route configurations of the servers of a port.

    `servers` are pairs of a server and its hosts. A service with a key `gateway` is bound to the
    server of that name only.
    """
    translation = Translation()
    for server, hosts in servers:
        if server["port"]["protocol"] == "HTTPS":
            names = [host.rpartition("/")[2] for host in hosts]
            translation.server_names |= dict.fromkeys(names, len(translation.configurations))
            _configure(translation, services, [(server, hosts)], (gateway, port), is_gateway_api)
    if not translation.configurations:
        translation.server_names["*"] = 0
        _configure(translation, services, servers, (gateway, port), is_gateway_api)
    return translation


def _configure(
    translation: Translation,
    services: Sequence[Object],
    servers: Sequence[tuple[Object, list[str]]],
    place: tuple[str, int],
    is_gateway_api: bool,
) -> None:
    """Add the virtual hosts of servers as one route configuration."""
    gateway, port = place
    hosts: dict[str, Object] = {}
    owners: dict[str, set[int]] = {}
    for server, server_hosts in servers:
        for service in services:
            if service.get("gateway", server.get("gateway")) != server.get("gateway"):
                continue
            allowed = _hosts_for(server_hosts, service["metadata"]["namespace"])
            shared = intersection(allowed, service["spec"]["hosts"])
            is_tls = server["port"]["protocol"] == "HTTPS"
            routes = _routes(service, gateway, port, is_tls, is_gateway_api, translation)
            for host in shared if routes else ():
                name = host.lower()
                entry = hosts.setdefault(name, {"name": name, "domains": [name], "routes": []})
                entry["routes"] += routes
                owners.setdefault(name, set()).add(id(service))
                if server.get("tls", {}).get("httpsRedirect"):
                    entry["require_tls"] = "ALL"
        if server.get("tls", {}).get("httpsRedirect"):
            for host in server_hosts:
                name = host.lower()
                if "/" in name:
                    # gateway.go leaves the namespace in the domain, which no request has.
                    continue
                entry = hosts.setdefault(name, {"name": name, "domains": [name], "routes": []})
                entry["require_tls"] = "ALL"
    if any(len(services) > 1 for services in owners.values()):
        translation.is_order_undefined = True
    for entry in hosts.values():
        entry["routes"].sort(key=_is_catch_all)
    translation.configurations.append(list(hosts.values()))


def _hosts_for(hosts: Sequence[str], namespace: str) -> list[str]:
    found = []
    for host in hosts:
        space, slash, name = host.rpartition("/")
        if not slash or space in (namespace, "*"):
            found.append(name)
    return found


def is_subset(name: str, other: str) -> bool:
    """Say whether every host of a name, which may start with `*`, is one of the other."""
    if other.startswith("*"):
        if name.startswith("*"):
            return len(name) >= len(other) and name[1:].endswith(other[1:])
        return name.endswith(other[1:])
    return name == other


def intersection(hosts: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the hosts that both lists cover."""
    shared: dict[str, None] = {}
    for host in hosts:
        for other in others:
            if is_subset(host, other):
                shared[host] = None
            elif is_subset(other, host):
                shared[other] = None
    return list(shared)


def _routes(
    service: Object,
    gateway: str,
    port: int,
    is_tls: bool,
    is_gateway_api: bool,
    translation: Translation,
) -> list[Object]:
    routes: list[Object] = []
    for rule in service["spec"]["http"]:
        for match, rule_id in zip(rule.get("match") or [None], rule["ids"], strict=True):
            if match and match.get("port", port) != port:
                continue
            if match and match.get("gateways") and gateway not in match["gateways"]:
                continue
            route = {"match": route_match(match or {}, is_gateway_api)}
            route["response_headers_to_add"] = [_field("x-rule", rule_id)]
            _act(route, rule, rule_id, (port, is_tls, is_gateway_api), translation)
            routes.append(route)
            if _is_catch_all(route):
                return routes
        if not rule.get("match"):
            return routes
    return routes


def _is_catch_all(route: Object) -> bool:
    match = route["match"]
    everything = match.get("prefix") == "/" or match.get("safe_regex", {}).get("regex") == ".*"
    return everything and not match.get("headers") and not match.get("query_parameters")


def _field(name: str, value: str) -> Object:
    # Envoy reads a per cent sign as the start of a variable.
    return {"header": {"key": name, "value": value.replace("%", "%%")}}


def route_match(match: Object, is_gateway_api: bool) -> Object:
    """Return Envoy's conditions for one match of a rule."""
    found: Object = {}
    uri = match.get("uri", {})
    if "exact" in uri:
        found["path"] = uri["exact"]
    elif "regex" in uri:
        found["safe_regex"] = {"regex": uri["regex"]}
    elif is_gateway_api and uri.get("prefix", "/") != "/":
        found["path_separated_prefix"] = uri["prefix"].removesuffix("/")
    else:
        found["prefix"] = uri.get("prefix", "/")
    found["case_sensitive"] = not match.get("ignoreUriCase", False)
    headers = [_named(name, text) for name, text in match.get("headers", {}).items()]
    for name, text in match.get("withoutHeaders", {}).items():
        header = _named(name, text) | {"invert_match": True}
        if "present_match" not in header:
            header["treat_missing_header_as_empty"] = True
        headers.append(header)
    headers += [
        _named(f":{key}", match[key]) for key in ("method", "authority", "scheme") if key in match
    ]
    found["headers"] = headers
    found["query_parameters"] = [
        _named(name, text) for name, text in match.get("queryParams", {}).items()
    ]
    return found


def _named(name: str, text: Object) -> Object:
    if not text or text.get("regex") == "*":
        return {"name": name, "present_match": True}
    (kind, value) = next(iter(text.items()))
    matcher = {"safe_regex": {"regex": value}} if kind == "regex" else {kind: value}
    return {"name": name, "string_match": matcher}


def _act(
    route: Object,
    rule: Object,
    rule_id: str,
    where: tuple[int, bool, bool],
    translation: Translation,
) -> None:
    """Add what a rule does to its route."""
    if "redirect" in rule:
        route["redirect"] = _redirect(rule["redirect"], where)
    elif "directResponse" in rule:
        route["direct_response"] = {"status": rule["directResponse"]["status"]}
    else:
        _forward(route, rule, rule_id, where[2], translation)
    abort = rule.get("fault", {}).get("abort")
    if abort:
        fault: Object = {"@type": FAULT, "abort": {"http_status": abort["httpStatus"]}}
        if "percentage" in abort:
            numerator = int(abort["percentage"].get("value", 0) * 10000)
            fault["abort"]["percentage"] = {"numerator": numerator, "denominator": "MILLION"}
        route["typed_per_filter_config"] = {"envoy.filters.http.fault": fault}
        translation.faults[abort["httpStatus"]] = rule_id


def _redirect(redirect: Object, where: tuple[int, bool, bool]) -> Object:
    port, is_tls, is_gateway_api = where
    uri = redirect.get("uri", "")
    found: Object = {"host_redirect": redirect.get("authority", ""), "path_redirect": uri}
    if is_gateway_api and uri.startswith("%PREFIX()%"):
        del found["path_redirect"]
        found["prefix_rewrite"] = uri.removeprefix("%PREFIX()%")
    if "prefixRewrite" in redirect:
        del found["path_redirect"]
        found["prefix_rewrite"] = redirect["prefixRewrite"]
    scheme = redirect.get("scheme", "")
    if scheme:
        found["scheme_redirect"] = scheme
    number = redirect.get("port", 0)
    if redirect.get("derivePort") == "FROM_REQUEST_PORT":
        number = port
    shown = scheme or ("https" if is_tls else "http")
    if (number, shown) not in ((80, "http"), (443, "https")):
        found["port_redirect"] = number
    found["response_code"] = REDIRECT_CODES[redirect.get("redirectCode", 301)]
    return found


def _forward(
    route: Object, rule: Object, rule_id: str, is_gateway_api: bool, translation: Translation
) -> None:
    action: Object = {"cluster": CLUSTER, "timeout": "0s"}
    authority = _authority_set(rule)
    rewrite = rule.get("rewrite", {})
    if pattern := rewrite.get("uriRegexRewrite"):
        action["regex_rewrite"] = {
            "pattern": {"regex": pattern["match"]},
            "substitution": pattern["rewrite"],
        }
    elif uri := rewrite.get("uri"):
        if is_gateway_api and uri == "/":
            prefix = quoted(route["match"].get("path_separated_prefix", ""))
            action["regex_rewrite"] = {
                "pattern": {"regex": f"^{prefix}(/?)(.*)"},
                "substitution": r"/\2",
            }
        else:
            action["prefix_rewrite"] = uri
    authority = rewrite.get("authority") or authority
    if len(rule["route"]) == 1:
        authority = authority or _authority_set(rule["route"][0])
    if authority:
        action["host_rewrite_literal"] = authority
    weighted = [
        (destination(entry["destination"], rule.get("namespace", "")), entry.get("weight", 0))
        for entry in rule["route"]
    ]
    if len(weighted) == 1:
        weighted = [(weighted[0][0], 1)]
    weighted = [(name, weight) for name, weight in weighted if weight]
    total = sum(weight for _, weight in weighted)
    shares: dict[str, float] = {}
    for name, weight in weighted:
        shares[str(name)] = shares.get(str(name), 0.0) + weight / total
    translation.shares[rule_id] = shares
    if is_gateway_api:
        action["cluster_not_found_response_code"] = "INTERNAL_SERVER_ERROR"
    if len(rule["route"]) == 1:
        if rule["route"][0].get("is_unknown"):
            action["cluster"] = "UnknownService"
        route["response_headers_to_add"].append(_field("x-destination", str(weighted[0][0])))
    else:
        del action["cluster"]
        clusters = [
            {
                "name": CLUSTER,
                "weight": weight,
                "response_headers_to_add": [_field("x-destination", str(name))],
            }
            for name, weight in weighted
        ]
        action["weighted_clusters"] = {"clusters": clusters}
    route["route"] = action


def _authority_set(rule: Object) -> str:
    request = rule.get("headers", {}).get("request", {})
    for operation in ("set", "add"):
        for name, value in request.get(operation, {}).items():
            if name.lower() in ("host", ":authority"):
                return str(value)
    return ""


def quoted(text: str) -> str:
    """Return a pattern for this text, as Go's regexp.QuoteMeta does."""
    return "".join(f"\\{char}" if char in r"\.+*?()|[]{}^$" else char for char in text)


def destination(entry: Object, namespace: str) -> Destination:
    """Return a destination of an object in a namespace.

    A host without a dot is a Service of that namespace (ResolveShortnameToFQDN). A Service is named
    here as the product names it, without the domain of the cluster.
    """
    host = entry["host"]
    host = f"{host}.{namespace}" if "." not in host else host.removesuffix(".svc.cluster.local")
    number = entry.get("port", {}).get("number")
    return Destination(host, number, entry.get("subset", ""))

"""Generates sets of Gateway API's HTTPRoute and Gateway objects whose rules overlap."""

from random import Random

from tests.routing_referee.rule_sets import (
    HEADERS,
    HOSTS,
    METHODS,
    PARAMETERS,
    PATH_PATTERNS,
    SERVICES,
    TEXT_PATTERNS,
    VALUES,
    WILDCARDS,
    Object,
    RuleSet,
    any_path,
    chance,
    some,
)
from tests.routing_referee.virtual_services import NORMALIZATIONS

NAMESPACES = ("shop", "edge", "edge")
API_METHODS = tuple(method for method in METHODS if method.isupper() and method != "PURGE")


def http_route_set(random: Random) -> RuleSet:
    """Return a gateway with one to three HTTPRoutes."""
    port = random.choice((80, 80, 8080, 443))
    documents = [_gateway(random, port)]
    for namespace, team in (("shop", "a"), ("edge", "b")):
        metadata = {"name": namespace, "labels": {"team": team}}
        documents.append({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    documents += [_route(random, number, port) for number in range(random.randint(1, 3))]
    if chance(random, 0.15):
        # As in files that were never applied: nobody knows which route is the oldest.
        for document in documents:
            if document["kind"] == "HTTPRoute" and chance(random, 0.7):
                del document["metadata"]["creationTimestamp"]
    scheme = "https" if port == 443 else "http"
    return RuleSet(documents, port, scheme, random.choice(NORMALIZATIONS))


def _object(kind: str, name: str, namespace: str, spec: Object) -> Object:
    metadata = {"name": name, "namespace": namespace}
    version = "gateway.networking.k8s.io/v1"
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _gateway(random: Random, port: int) -> Object:
    hosts = ["", *HOSTS, *WILDCARDS]
    count = random.choice((1, 1, 2, 3))
    listeners = [
        _listener(random, f"l{number}", port, host)
        for number, host in enumerate(random.sample(hosts, count))
    ]
    if all("hostname" in listener for listener in listeners) and chance(random, 0.5):
        del listeners[0]["hostname"]
    if chance(random, 0.2):
        listeners.append(_listener(random, "other", 9999, ""))
    return _object("Gateway", "gw", "edge", {"gatewayClassName": "istio", "listeners": listeners})


def _listener(random: Random, name: str, port: int, host: str) -> Object:
    listener: Object = {"name": name, "port": port, "protocol": "HTTP"}
    if port == 443:
        listener["protocol"] = "HTTPS"
        listener["tls"] = {"certificateRefs": [{"name": "cert"}]}
    if host:
        listener["hostname"] = host
    if chance(random, 0.8):
        spaces: Object = {"from": random.choice(("All", "All", "All", "Same", "Selector"))}
        if spaces["from"] == "Selector":
            labels = ({"team": "a"}, {"kubernetes.io/metadata.name": "shop"}, {"team": "c"})
            spaces["selector"] = {"matchLabels": random.choice(labels)}
        listener["allowedRoutes"] = {"namespaces": spaces}
    if chance(random, 0.05):
        kind = {"kind": random.choice(("HTTPRoute", "GRPCRoute"))}
        listener.setdefault("allowedRoutes", {})["kinds"] = [kind]
    return listener


def _route(random: Random, number: int, port: int) -> Object:
    namespace = random.choice(NAMESPACES)
    reference: Object = {"name": "gw"}
    if namespace != "edge" or chance(random, 0.5):
        reference["namespace"] = "edge"
    if chance(random, 0.2):
        reference["sectionName"] = random.choice(("l0", "l1", "other"))
    if chance(random, 0.1):
        reference["port"] = random.choice((port, 9999))
    reference |= random.choice(({}, {}, {"kind": "Gateway", "group": "gateway.networking.k8s.io"}))
    references = [reference]
    if reference.get("sectionName") == "l0" and chance(random, 0.5):
        references.append(reference | {"sectionName": "l1"})
    if chance(random, 0.1):
        references.append({"name": "elsewhere", "namespace": "edge"})
    spec: Object = {"parentRefs": references}
    if chance(random, 0.75):
        spec["hostnames"] = list(dict.fromkeys(some(random, (*HOSTS, *WILDCARDS), 3)))
    spec["rules"] = [_rule(random) for _ in range(random.choice((1, 2, 3, 4, 6)))]
    if chance(random, 0.02):
        del spec["rules"]
    route = _object("HTTPRoute", f"route{number}", namespace, spec)
    day = random.randint(1, 9)
    route["metadata"]["creationTimestamp"] = f"2026-01-0{day}T00:00:00Z"
    return route


def _rule(random: Random) -> Object:
    rule: Object = {}
    if chance(random, 0.93):
        rule["matches"] = [_match(random) for _ in range(random.choice((1, 1, 1, 2, 3)))]
    # Filters that replace a matched prefix are valid only where every path is a prefix.
    matches = rule.get("matches") or [{}]
    kinds = {match.get("path", {}).get("type", "PathPrefix") for match in matches}
    # The API server refuses the replacement of a prefix for several matches.
    has_prefix = kinds == {"PathPrefix"} and len(matches) == 1
    kind = random.choice(("forward",) * 4 + ("rewrite", "rewrite", "redirect"))
    if kind == "redirect":
        rule["filters"] = [
            {"type": "RequestRedirect", "requestRedirect": _redirect(random, has_prefix)}
        ]
        return rule
    if kind == "rewrite":
        rule["filters"] = [{"type": "URLRewrite", "urlRewrite": _rewrite(random, has_prefix)}]
    if chance(random, 0.05):
        backend = {"name": "web", "port": 80}
        mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": backend, "percent": 0}}
        rule.setdefault("filters", []).append(mirror)
    if chance(random, 0.05):
        name = random.choice(("Host", "x-added"))
        modifier = {random.choice(("set", "add")): [{"name": name, "value": "set.example.net"}]}
        each = {"type": "RequestHeaderModifier", "requestHeaderModifier": modifier}
        rule.setdefault("filters", []).append(each)
    if chance(random, 0.95):
        rule["backendRefs"] = _backends(random)
    return rule


def _match(random: Random) -> Object:
    match: Object = {}
    if chance(random, 0.9):
        kind = random.choice(("PathPrefix",) * 4 + ("Exact", "Exact", "RegularExpression"))
        value = any_path(random)
        if kind == "RegularExpression":
            value = random.choice(list(PATH_PATTERNS))
        # The API server refuses a path of these two kinds with an escaped or a doubled slash.
        match["path"] = {"type": kind, "value": value}
        if kind == "PathPrefix" and chance(random, 0.2):
            del match["path"]["type"]
    if chance(random, 0.2):
        match["method"] = random.choice(API_METHODS)
    if chance(random, 0.25):
        match["headers"] = [
            _named(random, name.title() if chance(random, 0.2) else name)
            for name in some(random, HEADERS, 2)
        ]
        if chance(random, 0.1):
            # Another case of one name: the specification counts the first one only.
            name = match["headers"][0]["name"].swapcase()
            match["headers"].append(_named(random, name))
    elif chance(random, 0.04):
        # Envoy finds the authority by this name, too.
        match["headers"] = [
            {"name": "Host", "value": random.choice((*HOSTS, "api.example.com:80"))}
        ]
    if chance(random, 0.25):
        match["queryParams"] = [_named(random, name) for name in some(random, PARAMETERS, 2)]
    return match


def _named(random: Random, name: str) -> Object:
    if chance(random, 0.3):
        patterns = [pattern for pattern in TEXT_PATTERNS if pattern != "*"]
        return {"name": name, "type": "RegularExpression", "value": random.choice(patterns)}
    named: Object = {"name": name, "value": random.choice([value for value in VALUES if value])}
    if chance(random, 0.5):
        named["type"] = "Exact"
    return named


def _backends(random: Random) -> list[Object]:
    backends = []
    for service in some(random, SERVICES, 1 if chance(random, 0.6) else 3):
        backend: Object = {"name": service, "port": random.choice((80, 8080))}
        if chance(random, 0.5):
            backend["weight"] = random.choice((0, 1, 10, 90))
        backends.append(backend)
    if len(backends) == 1 and chance(random, 0.03):
        backends[0] |= {"group": "example.com", "kind": "Bucket"}
    return backends


def _path_change(random: Random, has_prefix: bool) -> Object:
    if has_prefix and chance(random, 0.7):
        by = random.choice(("/", "/new", "/new/", "/a/b", "/a%20b", "", "new"))
        return {"type": "ReplacePrefixMatch", "replacePrefixMatch": by}
    return {
        "type": "ReplaceFullPath",
        "replaceFullPath": random.choice(("/", "/new", "/new/", "n")),
    }


def _rewrite(random: Random, has_prefix: bool) -> Object:
    rewrite: Object = {}
    if chance(random, 0.8):
        rewrite["path"] = _path_change(random, has_prefix)
    if not rewrite or chance(random, 0.3):
        rewrite["hostname"] = "new.example.net"
    return rewrite


def _redirect(random: Random, has_prefix: bool) -> Object:
    redirect: Object = {}
    if chance(random, 0.5):
        redirect["path"] = _path_change(random, has_prefix)
    if chance(random, 0.4):
        redirect["hostname"] = "new.example.net"
    if chance(random, 0.4):
        redirect["scheme"] = random.choice(("https", "http"))
    if chance(random, 0.3):
        redirect["port"] = random.choice((80, 443, 8443))
    if chance(random, 0.5):
        redirect["statusCode"] = random.choice((301, 302))
    return redirect

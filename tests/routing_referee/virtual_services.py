"""Generates sets of Istio's VirtualService and Gateway objects whose rules overlap."""

from random import Random
from typing import Any

from tests.routing_referee.istiod import translate_virtual_services
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

NORMALIZATIONS = ("BASE", "BASE", "NONE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES")
NAMESPACES = ("shop", "edge")
GATEWAY = "gw"
GATEWAY_NAMESPACE = "edge"


def virtual_service_set(random: Random) -> RuleSet:
    """Return a gateway with one to three VirtualServices."""
    port = random.choice((80, 80, 80, 8080, 443))
    documents: list[Object] = [_gateway(random, port)]
    statuses = iter(range(560, 599))
    for number in range(random.randint(1, 3)):
        objects = _virtual_service(random, number, port, statuses)
        # Two objects of one host are in the order of their age. Where one of them has delegates,
        # that differs between versions of istiod.
        is_clear = not translate_virtual_services([*documents, *objects], port).is_order_undefined
        is_simple = all(document["spec"].get("hosts") for document in [*documents[1:], *objects])
        if is_clear or (is_simple and chance(random, 0.15)):
            documents += objects
    if chance(random, 0.3):
        for document in documents:
            created = f"2026-01-0{random.randint(1, 9)}T00:00:00Z"
            document["metadata"]["creationTimestamp"] = created
    scheme = "https" if port == 443 else "http"
    return RuleSet(documents, port, scheme, random.choice(NORMALIZATIONS))


def _object(kind: str, name: str, namespace: str, spec: Object) -> Object:
    metadata = {"name": name, "namespace": namespace}
    version = "networking.istio.io/v1"
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _gateway(random: Random, port: int) -> Object:
    servers = [_server(random, port, "main")]
    if chance(random, 0.3):
        more = _server(random, port, "more")
        # Two servers for HTTPS may not claim one name.
        names = {host.rpartition("/")[2] for host in servers[0]["hosts"]}
        if port != 443 or not names & {host.rpartition("/")[2] for host in more["hosts"]}:
            servers.append(more)
    if chance(random, 0.3):
        servers.append(_server(random, 9999, "other"))
    return _object(
        "Gateway", GATEWAY, GATEWAY_NAMESPACE, {"selector": {"istio": "gw"}, "servers": servers}
    )


def _server(random: Random, port: int, name: str) -> Object:
    hosts = []
    for host in some(random, (*HOSTS, *WILDCARDS, *WILDCARDS, "*", "*", "*"), 2):
        spaces = ("", "", "", "", "*/", "./", "shop/", "edge/", "none/")
        hosts.append(random.choice(spaces) + host)
    server: Object = {"hosts": hosts}
    server["port"] = {"number": port, "name": name, "protocol": "HTTP"}
    if port == 443:
        server["port"]["protocol"] = "HTTPS"
        server["tls"] = {"mode": "SIMPLE", "credentialName": "cert"}
    elif chance(random, 0.05):
        server["tls"] = {"httpsRedirect": True}
    return server


def _virtual_service(random: Random, number: int, port: int, statuses: Any) -> list[Object]:
    namespace = random.choice(NAMESPACES)
    name = f"vs{number}"
    http, delegates = [], []
    for index in range(random.choice((1, 2, 3, 4, 5, 8))):
        rule = _rule(random, port, statuses)
        if chance(random, 0.08) and "match" in rule:
            delegate = f"{name}-delegate{index}"
            space = random.choice(NAMESPACES)
            rule = {"match": rule["match"], "delegate": {"name": delegate}}
            if space != namespace or chance(random, 0.5):
                rule["delegate"]["namespace"] = space
            if chance(random, 0.2):
                rule["rewrite"] = {"uri": "/root"}
            if chance(random, 0.1):
                rule["directResponse"] = {"status": 418}
            if not chance(random, 0.1):
                rules = [_rule(random, port, statuses) for _ in range(random.randint(1, 3))]
                _extend_paths(random, rules, rule["match"])
                delegates.append(_object("VirtualService", delegate, space, {"http": rules}))
        if chance(random, 0.2):
            rule["name"] = f"rule{index}"
        http.append(rule)
    spec: Object = {"hosts": _hosts(random), "http": http}
    bound = random.choice(("edge/gw",) * 12 + ("both", "short", "mesh", ""))
    if bound:
        reference = "gw" if namespace == GATEWAY_NAMESPACE and bound == "short" else "edge/gw"
        spec["gateways"] = {"both": ["mesh", reference], "mesh": ["mesh"]}.get(bound, [reference])
    services = [_object("VirtualService", name, namespace, spec), *delegates]
    for service in services:
        if chance(random, 0.1):
            choices = (["."], ["*"], ["shop"], ["edge", "shop"], ["edge"])
            service["spec"]["exportTo"] = random.choice(choices)
    return services


def _extend_paths(random: Random, rules: list[Object], roots: list[Object]) -> None:
    """Put most paths of a delegate below a path of its root, where they do not conflict."""
    prefixes = [match["uri"]["prefix"] for match in roots if "prefix" in match.get("uri", {})]
    for rule in rules:
        for match in rule.get("match", ()):
            if prefixes and "uri" in match and chance(random, 0.7):
                kind = random.choice(("exact", "prefix"))
                match["uri"] = {kind: random.choice(prefixes) + any_path(random, 1)}
                match.pop("ignoreUriCase", None)


def _hosts(random: Random) -> list[str]:
    hosts = some(random, (*HOSTS, *HOSTS, *WILDCARDS, "*"), 3)
    if chance(random, 0.1):
        hosts[0] = hosts[0].title()
    return list(dict.fromkeys(hosts))


def _rule(random: Random, port: int, statuses: Any) -> Object:
    rule: Object = {}
    if chance(random, 0.92):
        rule["match"] = [_match(random, port) for _ in range(random.choice((1, 1, 1, 2, 3)))]
    kind = random.choice(("route",) * 6 + ("redirect", "directResponse"))
    if kind == "redirect":
        rule["redirect"] = _redirect(random)
    elif kind == "directResponse":
        rule["directResponse"] = {"status": random.choice((200, 204, 403, 404, 410, 503))}
        if chance(random, 0.5):
            rule["directResponse"]["body"] = {"string": "no"}
    else:
        rule["route"] = _destinations(random)
        if chance(random, 0.35):
            rule["rewrite"] = _rewrite(random)
        if chance(random, 0.05):
            name = random.choice(("Host", ":authority", "x-added"))
            rule["headers"] = {"request": {"set": {name: "set.example.net"}}}
    if chance(random, 0.06) and (status := next(statuses, None)):
        abort: Object = {"httpStatus": status}
        if share := random.choice((None, {"value": 100}, {"value": 100.0}, {"value": 0})):
            abort["percentage"] = share
        rule["fault"] = {"abort": abort}
    if chance(random, 0.05):
        rule["timeout"] = "5s"
    return rule


def _text(random: Random, values: tuple[str, ...] = VALUES) -> Object:
    kind = random.choice(("exact", "exact", "prefix", "regex"))
    if chance(random, 0.03):
        return {"exact": ""}
    if kind == "regex":
        return {"regex": random.choice(list(TEXT_PATTERNS))}
    return {kind: random.choice([value for value in values if value])}


def _match(random: Random, port: int) -> Object:
    match: Object = {}
    if chance(random, 0.85):
        kind = random.choice(("prefix", "prefix", "prefix", "exact", "exact", "regex"))
        path = random.choice(list(PATH_PATTERNS)) if kind == "regex" else any_path(random)
        match["uri"] = {kind: path}
        if chance(random, 0.03):
            match["uri"] = random.choice(
                ({"exact": "/a?v=1"}, {"prefix": "foo"}, {"prefix": "/a%2"})
            )
        if chance(random, 0.15):
            match["ignoreUriCase"] = True
    if chance(random, 0.15):
        match["method"] = _text(random, METHODS)
        if "regex" in match["method"]:
            match["method"] = {"regex": random.choice(("GET|HEAD", "P.*", "(?i)get"))}
    if chance(random, 0.2):
        match["headers"] = {name: _named(random) for name in some(random, HEADERS, 2)}
    if chance(random, 0.12):
        match["withoutHeaders"] = {name: _named(random) for name in some(random, HEADERS, 2)}
    if chance(random, 0.2):
        match["queryParams"] = {name: _named(random) for name in some(random, PARAMETERS, 2)}
    if chance(random, 0.08):
        match["authority"] = random.choice(
            ({"exact": "www.example.com"}, {"prefix": "www."}, {"regex": r".*\.com(:\d+)?"})
        )
    if chance(random, 0.06):
        match["scheme"] = random.choice(({"exact": "http"}, {"exact": "https"}, {"prefix": "http"}))
    if chance(random, 0.06):
        match["port"] = random.choice((port, 9999))
    if chance(random, 0.06):
        match["gateways"] = random.choice((["edge/gw"], ["mesh"], ["mesh", "edge/gw"]))
    if chance(random, 0.1):
        match["name"] = "named"
    return match


def _named(random: Random) -> Object:
    return {} if chance(random, 0.15) else _text(random)


def _destinations(random: Random) -> list[Object]:
    destinations = []
    services = some(random, SERVICES, 1 if chance(random, 0.7) else 3)
    for service in services:
        suffix = random.choice(("", "", ".shop.svc.cluster.local", ".example.net"))
        destination: Object = {"host": service + suffix}
        if chance(random, 0.7):
            destination["port"] = {"number": random.choice((80, 8080))}
        if chance(random, 0.15):
            destination["subset"] = random.choice(("v1", "v2"))
        entry: Object = {"destination": destination}
        if len(services) > 1:
            entry["weight"] = random.choice((0, 1, 10, 50, 99))
        destinations.append(entry)
    if len(services) > 1 and not any(entry["weight"] for entry in destinations):
        destinations[0]["weight"] = 100
    if len(services) == 1 and chance(random, 0.05):
        destinations[0]["headers"] = {"request": {"set": {"host": "one.example.net"}}}
    if len(services) == 1 and chance(random, 0.1):
        destinations[0]["weight"] = random.choice((0, 7, 100))
    return destinations


def _rewrite(random: Random) -> Object:
    rewrite: Object = {}
    kind = random.choice(("uri", "uri", "regex", "authority"))
    if kind == "uri":
        rewrite["uri"] = random.choice(("/", "/new", "/new/", "/a/b", "new"))
    elif kind == "regex":
        pattern, by = random.choice(
            (
                *(("^/a/(.*)$", r"/\1"), ("/", "-"), ("a", "bb"), ("^/([^/]+)/([^/]+)", r"/\2/\1")),
                *(("x*", "-"), ("[ab]", r"_\0_"), ("(?i)foo|/$", "/"), ("^", "/p"), ("$", "/s")),
                *((".", "/"), ("(/a)?", r"/[\1]"), ("^/a", ""), ("/.*", "")),
            )
        )
        rewrite["uriRegexRewrite"] = {"match": pattern, "rewrite": by}
    if kind == "authority" or chance(random, 0.2):
        rewrite["authority"] = random.choice(("new.example.net", "new.example.net:8080"))
    return rewrite


def _redirect(random: Random) -> Object:
    redirect: Object = {}
    if chance(random, 0.6):
        redirect["uri"] = random.choice(("/new", "/", "/new?x=1", "/new/", "/a%20b", "new"))
    elif chance(random, 0.4):
        redirect["prefixRewrite"] = random.choice(("/new", "/", "/new/", "new"))
    if chance(random, 0.4) or not redirect:
        redirect["authority"] = random.choice(("new.example.net", "new.example.net:8080"))
    if chance(random, 0.3):
        redirect["scheme"] = random.choice(("https", "http"))
    if chance(random, 0.3):
        redirect["redirectCode"] = random.choice((301, 302, 303, 307, 308))
    if chance(random, 0.2):
        redirect["port"] = random.choice((80, 443, 8443))
    elif chance(random, 0.2):
        derived = random.choice(("FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"))
        redirect["derivePort"] = derived
    return redirect

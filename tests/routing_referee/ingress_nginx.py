"""The nginx configuration that ingress-nginx writes for Ingresses, as far as it routes.

A second reading of ingress-nginx, which shares no code with the product: controller.go
(createServers, getBackendServers), location.go (updateServerLocations) and template.go
(buildLocation, buildProxyPass, buildServerName) of ingress-nginx 1.11. Each set of Ingresses
listens on a socket of its own, so one nginx holds all of them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

PREFIX = "nginx.ingress.kubernetes.io/"
NOT_FOUND = "default-backend"


@dataclass
class Place:
    """A location, as the controller keeps it."""

    path: str
    kind: str
    backend: str
    asked: dict[str, str]
    is_default: bool

    @property
    def needs_rewrite(self) -> bool:
        return self.asked.get("rewrite-target", "") not in ("", self.path)

    @property
    def is_regex(self) -> bool:
        return self.needs_rewrite or self.asked.get("use-regex") == "true"


def _asked(document: dict[str, Any]) -> dict[str, str]:
    values = document["metadata"].get("annotations", {})
    return {key.removeprefix(PREFIX): value for key, value in values.items()}


def _servers(documents: list[dict[str, Any]]) -> tuple[dict[str, list[Place]], dict[str, str]]:
    """Return the locations by host, and the alias of each host that has one."""
    by_name = sorted(documents, key=lambda each: each["metadata"]["name"], reverse=True)
    ordered = sorted(by_name, key=lambda each: each["metadata"]["creationTimestamp"])
    servers = {"_": [Place("/", "Prefix", NOT_FOUND, {}, True)]}
    aliases: dict[str, str] = {}
    for document in ordered:
        spec, asked = document["spec"], _asked(document)
        backend = NOT_FOUND
        if "defaultBackend" in spec:
            backend = spec["defaultBackend"]["service"]["name"]
            first = servers["_"][0]
            if first.is_default and not spec.get("rules"):
                first.backend, first.is_default = backend, False
        for rule in spec.get("rules", []):
            host = rule.get("host", "_")
            servers.setdefault(host, [Place("/", "Prefix", backend, asked, True)])
            if "server-alias" in asked:
                aliases.setdefault(host, asked["server-alias"])
    for document in ordered:
        for rule in document["spec"].get("rules", []):
            places = servers[rule.get("host", "_")]
            for entry in rule["http"]["paths"]:
                _put(places, entry, _asked(document))
    for places in servers.values():
        places.sort(key=lambda each: each.path, reverse=True)
        places.sort(key=lambda each: len(each.path), reverse=True)
    return servers, {host: alias for host, alias in aliases.items() if alias not in servers}


def _put(places: list[Place], entry: dict[str, Any], asked: dict[str, str]) -> None:
    kind = "Exact" if entry["pathType"] == "Exact" else "Prefix"
    backend = entry["backend"]["service"]["name"]
    same = next((each for each in places if each.path == entry["path"]), None)
    if same is None or same.kind != kind:
        places.append(Place(entry["path"], kind, backend, asked, False))
    elif same.is_default:
        same.backend, same.asked, same.is_default = backend, asked, False


def _updated(places: list[Place]) -> list[Place]:
    exact = {each.path for each in places if each.kind == "Exact"}
    result = []
    for each in places:
        if each.path == "/" or each.kind == "Exact" or each.is_regex:
            result.append(each)
            continue
        slashed = each.path if each.path.endswith("/") else each.path + "/"
        result.append(Place(slashed, "Prefix", each.backend, each.asked, each.is_default))
        if each.path not in exact:
            result.append(Place(each.path, "Exact", each.backend, each.asked, each.is_default))
    return result


def _names(places: list[Place]) -> list[str]:
    if any(each.is_regex for each in places):
        return [f'~* "^{each.path}"' for each in places]
    return [f"= {each.path}" if each.kind == "Exact" else each.path for each in places]


def _location(name: str, place: Place, echo: Path) -> str:
    lines = []
    if "app-root" in place.asked:
        root = place.asked["app-root"]
        lines.append(f"if ($uri = /) {{ return 302 $scheme://$http_host{root}; }}")
    if "permanent-redirect" in place.asked:
        lines.append(f"return 301 {place.asked['permanent-redirect']};")
    target = place.asked.get("rewrite-target", "")
    if target not in ("", place.path):
        lines.append(f'rewrite "(?i){place.path}" {target} break;')
    if place.backend == NOT_FOUND:
        lines.append("proxy_set_header X-Service '';")
    else:
        lines.append(f"proxy_set_header X-Service {place.backend};")
    lines.append(f"proxy_pass http://unix:{echo}:;".replace(":;", ";"))
    return f"location {name} {{ port_in_redirect off; {' '.join(lines)} }}"


def _server_name(host: str) -> str:
    if not host.startswith("*"):
        return host
    rest = host.replace("*.", "", 1).replace(".", "\\.")
    return f'"~^(?<subdomain>[\\w-]+)\\.{rest}$"'


def translated(documents: list[dict[str, Any]], listen: Path, echo: Path) -> str | None:
    """Return the servers of a set; None where nginx would refuse them as duplicates."""
    servers, aliases = _servers(documents)
    blocks = []
    for host, unsorted in sorted(servers.items()):
        places = _updated(unsorted)
        names = _names(places)
        if not names[0].startswith("~") and len(set(names)) != len(names):
            return None
        pairs = zip(names, places, strict=True)
        body = "\n".join(_location(name, place, echo) for name, place in pairs)
        default = " default_server" if host == "_" else ""
        server_names = " ".join(filter(None, (_server_name(host), aliases.get(host))))
        blocks.append(
            f"server {{ listen unix:{listen}{default}; server_name {server_names};\n{body}\n}}"
        )
    return "\n".join(blocks)


def echo_server(listen: Path) -> str:
    """Return the server that stands for all services: it answers with what it received."""
    return f"""
    server {{
        listen unix:{listen};
        if ($http_x_service = "") {{ return 404; }}
        add_header X-Service $http_x_service always;
        add_header X-Target $request_uri always;
        return 200;
    }}
    """

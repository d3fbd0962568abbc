"""Files of Ingresses, and what ingress-nginx does with a request.

The verdict is a Decision, as that of the new routes. A request without TLS is redirected to https
only where its scheme is known. The nginx directives are those of rootfs/etc/nginx/template/
nginx.tmpl and of rootfs/etc/nginx/lua/lua_ingress.lua.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from estimator.errors import InputError
from estimator.routing.conditions import Conditions, Kind, Text
from estimator.routing.decision import Decision, Outcome
from estimator.routing.fields import Findings
from estimator.routing.ingress_nginx import regexes, uris
from estimator.routing.ingress_nginx.ingresses import EXACT, Ingress, read_ingress
from estimator.routing.ingress_nginx.locations import Found, Location
from estimator.routing.ingress_nginx.servers import CATCH_ALL, Server, compile_servers
from estimator.routing.objects import KubernetesObject, read_objects
from estimator.routing.request import Request, without_port
from estimator.routing.rules import Forward, Rule

GROUP, VERSION = "networking.k8s.io", "v1"
CONTROLLER = "k8s.io/ingress-nginx"
DEFAULT_CLASS = "nginx"
_CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_TLS_STATUS = 308
_ABSOLUTE = re.compile("(?i)https?://([^/?#]*)(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?![1-9])")
_SUBDOMAIN = re.compile(r"[\w-]+\Z", re.ASCII)
_KNOWN_VARIABLES = ("$request_uri", "$http_host", "$host", "$scheme")


@dataclass(frozen=True, slots=True)
class Taken:
    """How a request came to its location."""

    server: Server
    path: bytes
    """As nginx matches it."""
    query: bytes
    found: Found


@dataclass(frozen=True)
class IngressRoutes:
    """What some Ingresses together say about routing."""

    servers: tuple[Server, ...]
    warnings: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Objects that are no Ingress of ingress-nginx, by kind or class."""

    def decide(self, request: Request) -> Decision:
        """Return what becomes of a request."""
        request = _with_origin_form(request)
        if request.authority:
            return _decide(self.server_of(request.authority), request)
        candidates: list[Decision] = []
        for server in (None, *self.servers):
            candidates.append(_decide(server, request))
            if _effect(candidates[-1]) != _effect(candidates[0]):
                return Decision(
                    Outcome.UNDECIDED,
                    why="it depends on authority",
                    depends_on=("authority",),
                    candidates=tuple(candidates),
                )
        return replace(candidates[0], depends_on=("authority",))

    def taken(self, request: Request) -> Taken | None:
        """Return the location that takes a request, where that is known."""
        request = _with_origin_form(request)
        server = self.server_of(request.authority) if request.authority else None
        uri = uris.normalized(request.target)
        if server is None or server.unjudged or uri is None:
            return None
        found = server.locations.find(uri[0])
        return None if found is None else Taken(server, *uri, found)

    def server_of(self, authority: str) -> Server | None:
        """Return the server of an authority: by its name, by one more label, or for every host."""
        host = without_port(authority).lower().removesuffix(".")
        label, _, rest = host.partition(".")
        wildcard = f"*.{rest}" if _SUBDOMAIN.match(label) else host
        for name in (host, wildcard, CATCH_ALL):
            if name in self._by_name:
                return self._by_name[name]
        return None

    @cached_property
    def _by_name(self) -> dict[str, Server]:
        # The first server of a name has it.
        return {name: server for server in reversed(self.servers) for name in server.names}


def read_ingresses(paths: Sequence[Path]) -> IngressRoutes:
    """Return what the Ingresses in these files, or in the files below directories, say together.

    Raises InputError with every problem of every file, also where no Ingress of ingress-nginx is
    in them.
    """
    findings = Findings()
    objects = read_objects(paths, findings)
    classes = {DEFAULT_CLASS} | {
        item.name
        for item in objects
        if item.kind == "IngressClass" and item.spec.value.get("controller") == CONTROLLER
    }
    ingresses: list[Ingress] = []
    for item in objects:
        if item.kind == "Ingress" and (item.group, item.version) != (GROUP, VERSION):
            version = f"{item.group}/{item.version}".removeprefix("/")
            item.body.report(f"expected an apiVersion of {GROUP}/{VERSION}, got {version}")
        elif item.kind == "Ingress" and not item.name:
            item.body.report("expected metadata with name")
        elif item.kind == "Ingress" and _is_own(item, classes):
            ingresses.append(read_ingress(item))
        elif item.kind != "IngressClass":
            name = f"Ingress of class {_class(item)}" if item.kind == "Ingress" else item.kind
            findings.left_out[name] = findings.left_out.get(name, 0) + 1
    if not ingresses and not findings.problems:
        rule = f"expected an Ingress of class {' or '.join(sorted(classes))}"
        findings.report(", ".join(map(str, paths)), rule)
    if findings.problems:
        raise InputError(findings.problems)
    servers, warnings = compile_servers(ingresses)
    return IngressRoutes(servers, (*findings.warnings, *warnings), findings.left_out)


def _is_own(item: KubernetesObject, classes: set[str]) -> bool:
    name = _class(item)
    if not name:
        item.body.warn("names no class: ingress-nginx takes it only where its class is the default")
    return not name or name in classes


def _class(item: KubernetesObject) -> str:
    value = item.annotations.get(_CLASS_ANNOTATION) or item.spec.value.get("ingressClassName")
    return str(value or "")


def _with_origin_form(request: Request) -> Request:
    absolute = _ABSOLUTE.fullmatch(request.target)
    if absolute is None:
        return request
    target = absolute[2] if absolute[2].startswith("/") else f"/{absolute[2]}"
    return replace(request, authority=absolute[1] or request.authority, target=target)


def _effect(decision: Decision) -> tuple[object, ...]:
    return (decision.outcome, decision.destinations, decision.target, decision.status)


# --- the decision of a server ---


def _decide(server: Server | None, request: Request) -> Decision:
    uri = uris.normalized(request.target)
    if uri is None:
        return Decision(
            Outcome.REJECTED, why=f"nginx refuses the path {request.target}", status=400
        )
    if server is None:
        why = f"no Ingress has the host {request.authority or 'of this request'}"
        return Decision(Outcome.REJECTED, why=f"{why}: the default backend answers", status=404)
    if server.unjudged:
        return Decision(Outcome.UNDECIDED, why=server.unjudged, not_understood=(server.unjudged,))
    found = server.locations.find(uri[0])
    if found is None:
        why = f"no location of {server.name} takes it"
        return Decision(Outcome.REJECTED, why=why, status=404)
    taken = Taken(server, *uri, found)
    not_understood = (*server.not_understood, *found.location.not_understood)
    decision = (
        _preflight(taken, request) or _redirected(taken, request) or _forwarded(taken, request)
    )
    return replace(
        decision, not_understood=(*dict.fromkeys((*not_understood, *decision.not_understood)),)
    )


def rule_of(location: Location) -> Rule | None:
    """Return a location as a rule; None for the default backend."""
    if location.declared is None or location.service is None:
        return None
    kind = Kind.EXACT if location.declared.path_type == EXACT else Kind.SEGMENTS
    path = Text(kind, location.declared.path)
    return Rule(location.place, Conditions(path), Forward((location.service,)))


def _preflight(taken: Taken, request: Request) -> Decision | None:
    """Return the answer to OPTIONS where CORS is enabled (the template CORS of nginx.tmpl)."""
    location = taken.found.location
    is_asked = location.annotations.answers_preflights and request.method == "OPTIONS"
    if taken.found.adds_slash or not is_asked:
        return None
    return Decision(Outcome.ANSWERED, rule_of(location), "annotation enable-cors", status=204)


def _redirected(taken: Taken, request: Request) -> Decision | None:
    """Return the redirect that a location makes of a request instead of forwarding it."""
    location, asked = taken.found.location, taken.found.location.annotations
    if taken.found.adds_slash:
        query = f"?{taken.query.decode('utf-8', 'surrogateescape')}" if taken.query else ""
        why = f"nginx adds the slash of {location.path}"
        host = without_port(request.authority).lower()
        return _redirect(location, 301, why, _absolute(request.scheme, host, location.path + query))
    if asked.app_root and taken.path == b"/":
        where = _absolute(request.scheme, request.authority, asked.app_root)
        return _redirect(location, 302, "annotation app-root", where)
    if asked.redirect:
        where = _substituted(asked.redirect, request)
        return _redirect(location, asked.redirect_status, "annotation of a redirect", where)
    if re.match(r"https?://|\$scheme", asked.rewrite_target):
        return _redirect(location, 302, "annotation rewrite-target with a URL", None)
    has_tls = asked.force_ssl_redirect or (asked.ssl_redirect and taken.server.has_certificate)
    if has_tls and request.scheme == "http":
        target = request.target
        if not asked.preserve_trailing_slash:
            target = target.removesuffix("/")
        where = _absolute("https", without_port(request.authority), target)
        return _redirect(location, _TLS_STATUS, "ingress-nginx redirects to https", where)
    return None


def _absolute(scheme: str | None, host: str, target: str) -> str | None:
    return f"{scheme}://{host}{target}" if scheme and host else None


def _substituted(url: str, request: Request) -> str | None:
    """Return the URL of a redirect; None where it has a variable that is not known here."""
    host = without_port(request.authority).lower()
    values = (request.target, request.authority, host, request.scheme or "")
    for name, value in zip(_KNOWN_VARIABLES, values, strict=True):
        if value:
            url = url.replace(name, value)
    return None if "$" in url else url


def _redirect(location: Location, status: int, why: str, where: str | None) -> Decision:
    rule = rule_of(location)
    return Decision(Outcome.REDIRECTED, rule, why, status=status, location=where)


def _forwarded(taken: Taken, request: Request) -> Decision:
    location, asked = taken.found.location, taken.found.location.annotations
    if location.service is None:
        why = f"no path of {taken.server.name} takes it: the default backend answers"
        return Decision(Outcome.REJECTED, None, why, status=404)
    target = request.target
    doubts: tuple[str, ...] = ()
    if location.has_rewrite:
        if _VARIABLE.search(asked.rewrite_target):
            target = ""
            doubts = (
                f"{location.place}: rewrite-target {asked.rewrite_target} with a variable of nginx",
            )
        else:
            target = rewritten(taken, request.target)
            if not target:
                why = "nginx cannot forward the empty path that rewrite-target makes"
                return Decision(Outcome.ANSWERED, rule_of(location), why, status=500)
    return Decision(
        Outcome.FORWARDED,
        rule_of(location),
        destinations=(location.service,),
        authority=asked.upstream_vhost or request.authority,
        target=target,
        not_understood=doubts,
    )


def rewritten(taken: Taken, target: str) -> str:
    """Return path and query after `rewrite "(?i)path" rewrite-target break`; empty for no path.

    A target with a query keeps that of the request behind its own, unless it ends with `?`.
    """
    location = taken.found.location
    by = location.annotations.rewrite_target
    keeps_query = not by.endswith("?")
    new_path, _, new_query = by.removesuffix("?").partition("?")
    path = regexes.replaced(location.path, new_path, taken.path)
    if path is None:
        return target
    if not path:
        return ""
    is_escaped = "%" in target.partition("?")[0] or "+" in target.partition("?")[0]
    escape = uris.escaped_for_query if is_escaped else bytes
    query = regexes.replaced(location.path, new_query, taken.path, escape) or b""
    queries = (query, taken.query if keeps_query else b"")
    joined = b"&".join(filter(None, queries)).decode("utf-8", "surrogateescape")
    return uris.escaped(path) + (f"?{joined}" if joined else "")

r"""The filters of an HTTPRoute's rule: redirects, rewrites, and what is not judged.

The schema is that of apis/v1/httproute_types.go of kubernetes-sigs/gateway-api. Mirrors and changes
of headers do not route, except that a RequestHeaderModifier that sets Host changes the authority,
in Istio. Istio (`convertHTTPRoute` of pilot/pkg/config/kube/gateway/conversion.go, `ApplyRedirect`
and `applyHTTPRouteDestination` of pilot/pkg/networking/core/route/route.go) differs from the
specification, and is followed, where

- a PathPrefix of `/` is replaced by `/a`: `/b` becomes `/ab`, and not `/a/b`;
- a redirect replaces a prefix by `/a/`: `/x/b` becomes `/a//b`; and by an empty text: the path
  stays as it is;
- a filter has a type that Istio does not know: it leaves out the whole HTTPRoute. Which types that
  are depends on its version, so such a filter is not judged, and every rule of the route says so.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from estimator.routing.conditions import Kind, Text
from estimator.routing.gateway_api.fields import MOST_PORT, PRECISE_HOSTNAME, Fields, Pattern
from estimator.routing.gateway_api.matches import HEADER_NAME
from estimator.routing.rules import (
    PathChange,
    Redirect,
    ReplacePath,
    ReplacePrefix,
    ReplaceRegex,
)

_MOST_FILTERS = 16
_MOST_HEADERS = 16
_STATUSES = (301, 302, 303, 307, 308)
_STATUS = 302
_TEXT = Pattern(re.compile(r".*", re.DOTALL), "a text of at most 1024 characters", 1024)
_VALUE = Pattern(re.compile(r".+", re.DOTALL), "a text of 1 to 4096 characters", 4096)
_TYPE = Pattern(re.compile(r".+"), "a type of filter")

_FIELDS = {
    "RequestHeaderModifier": "requestHeaderModifier",
    "ResponseHeaderModifier": "responseHeaderModifier",
    "RequestMirror": "requestMirror",
    "RequestRedirect": "requestRedirect",
    "URLRewrite": "urlRewrite",
    "CORS": "cors",
    "ExternalAuth": "externalAuth",
    "ExtensionRef": "extensionRef",
}
"""The field of each type of filter."""
_REPEATABLE = ("RequestMirror", "ExtensionRef")
_OF_ISTIO = tuple(_FIELDS)[:6]
_OF_ISTIO_AT_BACKENDS = tuple(_FIELDS)[:2]


@dataclass(frozen=True, slots=True)
class PathModifier:
    """What a redirect or a rewrite makes of the path."""

    replaces_all: bool
    by: str

    def rewritten(self, path: Text) -> PathChange:
        """Return the change for requests that a match with this path takes."""
        if self.replaces_all:
            return ReplaceRegex("/.*", self.by)
        by = self.by.removesuffix("/") or "/"
        if by != "/":
            return ReplacePrefix(path.value, by)
        prefix = path.value if path.kind is Kind.SEGMENTS else ""
        return ReplaceRegex(f"^{re.escape(prefix)}(/?)(.*)", r"/\2")

    def redirected(self, path: Text) -> PathChange | None:
        """Return the same for the Location of a redirect; None where the path stays."""
        if not self.by:
            return None
        return ReplacePath(self.by) if self.replaces_all else ReplacePrefix(path.value, self.by)


@dataclass(frozen=True, slots=True)
class RedirectTo:
    """A redirect before the path of its match and the port of its listener are known."""

    status: int = _STATUS
    scheme: str = ""
    hostname: str = ""
    port: int | None = None
    path: PathModifier | None = None

    def of(self, path: Text, port: int, is_tls: bool) -> Redirect:
        """Return the redirect of a match with this path at a listener with this port.

        Without a port and a scheme, the Location gets the port of the listener. A port that its
        scheme implies is left out, and then Envoy keeps the one that the request names.
        """
        scheme = self.scheme or ("https" if is_tls else "http")
        chosen = self.port or (None if self.scheme else port)
        if (chosen, scheme) in ((80, "http"), (443, "https")):
            chosen = None
        change = None if self.path is None else self.path.redirected(path)
        return Redirect(self.status, self.scheme, self.hostname, chosen, change)


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of a rule or of a backend."""

    redirect: RedirectTo | None = None
    rewrite: PathModifier | None = None
    authority: str = ""
    """The Host that the backend gets; empty where it stays."""
    refused: tuple[str, ...] = ()
    """The filters for which Istio may leave out the whole route, each with file and line."""


def read_filters(owner: Fields, is_of_backend: bool = False) -> Filters:
    """Return the filters of a rule, or of a backend, where Istio knows fewer."""
    by_type: dict[str, Fields] = {}
    refused = []
    for entry in owner.mappings("filters", _MOST_FILTERS):
        kind = entry.text("type", _TYPE, is_required=True)
        if kind is None:
            continue
        if kind in _FIELDS:
            _check_fields(entry, kind)
        if kind in by_type and kind not in _REPEATABLE:
            entry.report("type", f"expected at most one filter of type {kind}")
        by_type.setdefault(kind, entry)
        if kind not in (_OF_ISTIO_AT_BACKENDS if is_of_backend else _OF_ISTIO):
            refused.append(
                f"{entry.place}: a filter of type {kind} is not judged here, and an Istio that does"
                " not know it leaves out the whole HTTPRoute"
            )
    if {"RequestRedirect", "URLRewrite"} <= by_type.keys():
        owner.report("filters", "expected RequestRedirect or URLRewrite, not both")
    if cors := by_type.get("CORS"):
        cors.warn("", "answers preflight requests itself; they are judged as any other request")
    authority, rewrite = _rewrite(by_type.get("URLRewrite"))
    return Filters(
        _redirect(by_type.get("RequestRedirect")),
        rewrite,
        authority or _authority(by_type.get("RequestHeaderModifier")),
        tuple(refused),
    )


def _check_fields(entry: Fields, kind: str) -> None:
    entry.only("type", *_FIELDS.values())
    own = _FIELDS[kind]
    if not entry.has(own):
        entry.report(own, f"missing; expected it with the type {kind}")
    for name in _FIELDS.values():
        if name != own and entry.has(name):
            entry.report(name, f"expected only {own} with the type {kind}")


def _rewrite(entry: Fields | None) -> tuple[str, PathModifier | None]:
    fields = entry and entry.mapping("urlRewrite")
    if fields is None:
        return "", None
    fields.only("hostname", "path")
    return fields.text("hostname", PRECISE_HOSTNAME, "") or "", _path_modifier(fields)


def _redirect(entry: Fields | None) -> RedirectTo | None:
    fields = entry and entry.mapping("requestRedirect")
    if fields is None:
        return None
    fields.only("scheme", "hostname", "path", "port", "statusCode")
    status = fields.number("statusCode", _STATUSES[0], _STATUSES[-1])
    if status is not None and status not in _STATUSES:
        fields.report("statusCode", f"expected one of {', '.join(map(str, _STATUSES))}")
    return RedirectTo(
        status or _STATUS,
        fields.choice("scheme", ("http", "https"), "") or "",
        fields.text("hostname", PRECISE_HOSTNAME, "") or "",
        fields.number("port", 1, MOST_PORT),
        _path_modifier(fields),
    )


def _path_modifier(owner: Fields) -> PathModifier | None:
    fields = owner.mapping("path")
    if fields is None:
        return None
    fields.only("type", "replaceFullPath", "replacePrefixMatch")
    kinds = {"ReplaceFullPath": "replaceFullPath", "ReplacePrefixMatch": "replacePrefixMatch"}
    kind = fields.choice("type", tuple(kinds), is_required=True)
    if kind is None:
        return None
    for name in kinds.values():
        if name != kinds[kind] and fields.has(name):
            fields.report(name, f"expected only {kinds[kind]} with the type {kind}")
    by = fields.text(kinds[kind], _TEXT, is_required=True)
    if by is None:
        return None
    if by and not by.startswith("/"):
        fields.warn(kinds[kind], "has no slash in front, so what it makes is no path")
    return PathModifier(kind == "ReplaceFullPath", by)


def _authority(entry: Fields | None) -> str:
    """Return the Host that a RequestHeaderModifier sets, or else adds, which is the same."""
    fields = entry and entry.mapping("requestHeaderModifier")
    if fields is None:
        return ""
    fields.only("set", "add", "remove")
    hosts = [value for key in ("set", "add") for value in _hosts(fields, key)]
    return hosts[0] if hosts else ""


def _hosts(fields: Fields, key: str) -> Iterator[str]:
    for header in fields.mappings(key, _MOST_HEADERS):
        header.only("name", "value")
        name = header.text("name", HEADER_NAME, is_required=True) or ""
        value = header.text("value", _VALUE, is_required=True) or ""
        if name.lower() == "host":
            yield value

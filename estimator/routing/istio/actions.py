"""What a route of a VirtualService does: redirect, direct response, destinations, rewrite, fault.

The semantics are those of pilot/pkg/networking/core/route/route.go (ApplyRedirect,
applyHTTPRouteDestination, TranslateFault). A mirror changes no verdict, and timeouts and retries do
not either, so they are not read. Nor is CORS: a preflight that it answers itself is not lost.
"""

from dataclasses import dataclass

from estimator.routing import patterns
from estimator.routing.conditions import Kind, Text
from estimator.routing.fields import Field
from estimator.routing.istio.matches import MOST_PORT, check_regex
from estimator.routing.istio.names import CLUSTER_DOMAIN, is_cut_short, service
from estimator.routing.patterns import PatternError
from estimator.routing.rules import (
    Action,
    Answer,
    Destination,
    Forward,
    PathChange,
    Redirect,
    ReplacePath,
    ReplacePrefix,
    ReplaceRegex,
)

_REDIRECT_CODES = (301, 302, 303, 307, 308)
_MOST_WEIGHT = 2**31 - 1
_AUTHORITY_HEADERS = (":authority", "host")


@dataclass(frozen=True, slots=True)
class RedirectTo:
    """A redirect before the port of its server is known."""

    status: int = 301
    scheme: str = ""
    authority: str = ""
    uri: str = ""
    prefix: str = ""
    port: int | None = None
    is_port_of_request: bool = False

    def of(self, path: Text, port: int, is_tls: bool) -> Redirect:
        """Return the redirect of a match with this path at a server with this port."""
        chosen = port if self.is_port_of_request else self.port
        scheme = self.scheme or ("https" if is_tls else "http")
        if (scheme, chosen) in (("http", 80), ("https", 443)):
            chosen = None
        change: PathChange | None = ReplacePath(self.uri) if self.uri else None
        if self.prefix:
            change = prefix_change(path, self.prefix)
        return Redirect(self.status, self.scheme, self.authority, chosen, change)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A rewrite before the path of its match is known."""

    uri: str = ""
    regex: ReplaceRegex | None = None
    authority: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a route does; a delegate's route takes from its root what it lacks itself."""

    redirect: RedirectTo | None = None
    answer: int | None = None
    """Status of a direct response."""
    destinations: tuple[Destination, ...] = ()
    destination_authority: str = ""
    rewrite: Rewrite | None = None
    abort: Answer | None = None
    """A fault that aborts every request. Envoy's fault filter comes before its router."""
    has_fault: bool = False
    header_authority: str | None = None
    """The Host that `headers` sets, which may be none; None where `headers` is absent."""
    doubts: tuple[str, ...] = ()

    def action(self, path: Text, port: int, is_tls: bool) -> Action:
        """Return the action for a match with this path at a server with this port."""
        if self.abort is not None:
            return self.abort
        if self.redirect is not None:
            return self.redirect.of(path, port, is_tls)
        if self.answer is not None:
            return Answer(self.answer)
        rewrite = self.rewrite or Rewrite()
        change: PathChange | None = rewrite.regex
        if change is None and rewrite.uri:
            change = prefix_change(path, rewrite.uri)
        authority = rewrite.authority or self.header_authority or self.destination_authority
        return Forward(self.destinations, change, authority)


def prefix_change(path: Text, by: str) -> PathChange:
    """Return what Envoy's `prefix_rewrite` does: it replaces what the path of the match matched."""
    return ReplacePrefix(path.value, by) if path.kind is Kind.PREFIX else ReplacePath(by)


def read_redirect(entry: Field) -> RedirectTo:
    """Return a redirect; report every problem of it."""
    fields = entry.keys(
        "uri", "authority", "port", "derivePort", "scheme", "redirectCode", "prefixRewrite"
    )
    texts = {
        key: fields[key].text() if key in fields else ""
        for key in ("uri", "authority", "scheme", "prefixRewrite")
    }
    for one, other in (("port", "derivePort"), ("uri", "prefixRewrite")):
        if one in fields and other in fields:
            fields[other].report(f"expected {one} or {other}, and not both")
    if texts["scheme"] not in ("", "http", "https"):
        fields["scheme"].report(f"expected http or https, got {texts['scheme']!r}")
    code = fields.get("redirectCode")
    status = 301
    if code is not None and code.value != 0:
        status = code.value if code.value in _REDIRECT_CODES else 0
        if not status:
            listed = ", ".join(map(str, _REDIRECT_CODES))
            code.report(f"expected one of {listed}, got {code.value}")
    derived = fields.get("derivePort")
    origin = derived.choice("FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT") if derived else ""
    port = fields["port"].whole(0, MOST_PORT) if "port" in fields else None
    return RedirectTo(
        status,
        texts["scheme"],
        texts["authority"],
        texts["uri"],
        texts["prefixRewrite"],
        port or None,
        origin == "FROM_REQUEST_PORT",
    )


def read_direct_response(entry: Field) -> int:
    """Return the status of a direct response."""
    fields = entry.keys("status", "body")
    if "status" not in fields:
        entry.report("status: missing; expected the status of the response")
        return 0
    return fields["status"].whole(200, 599) or 0


def read_rewrite(entry: Field) -> Rewrite:
    """Return a rewrite; report every problem of it."""
    fields = entry.keys("uri", "authority", "uriRegexRewrite")
    regex = None
    if "uriRegexRewrite" in fields:
        if "uri" in fields:
            fields["uri"].report("expected uri or uriRegexRewrite, and not both")
        parts = fields["uriRegexRewrite"].keys("match", "rewrite")
        for key in ("match", "rewrite"):
            if key not in parts:
                fields["uriRegexRewrite"].report(f"{key}: missing; expected a text")
        if len(parts) == 2:
            regex = ReplaceRegex(parts["match"].text(), parts["rewrite"].text())
            check_regex(parts["match"], regex.pattern)
            check_replacement(parts["rewrite"], regex)
    return Rewrite(
        fields["uri"].text() if "uri" in fields else "",
        regex,
        fields["authority"].text() if "authority" in fields else "",
    )


def check_replacement(entry: Field, change: ReplaceRegex) -> None:
    """Report a replacement with a group that the pattern does not have."""
    try:
        patterns.check(change.pattern)
    except PatternError:
        return
    try:
        patterns.check_replacement(change.pattern, change.by)
    except PatternError as error:
        entry.report(f"expected groups of the pattern only: {error}")


def read_fault(entry: Field) -> tuple[Answer | None, tuple[str, ...]]:
    """Return the answer of a fault that aborts every request, and doubts about any other abort.

    A delay changes no verdict. Without a percentage no request is aborted.
    """
    fields = entry.keys("abort", "delay")
    if "abort" not in fields:
        return None, ()
    abort = fields["abort"]
    parts = abort.keys("httpStatus", "grpcStatus", "http2Error", "percentage")
    share = parts["percentage"].keys("value") if "percentage" in parts else {}
    percentage = share["value"].percentage() if "value" in share else 0.0
    status = parts["httpStatus"].whole(200, 599) if "httpStatus" in parts else None
    if percentage == 0:
        return None, ()
    if status is None:
        return None, (f"{abort.place}: an abort without httpStatus is not judged",)
    if percentage < 100:
        doubt = f"{abort.place}: {percentage:g} % of the requests are aborted, which is not judged"
        return None, (doubt,)
    return Answer(status), ()


def read_header_authority(entry: Field) -> str:
    """Return the Host that `headers` sets for the service; empty where it sets none."""
    fields = entry.keys("request", "response")
    if "request" not in fields:
        return ""
    changes = fields["request"].keys("set", "add", "remove")
    # What is set counts more than what is added.
    for key in ("set", "add"):
        for name, value in (changes[key].entries() if key in changes else {}).items():
            if name.lower() in _AUTHORITY_HEADERS:
                return value.text()
    return ""


def read_destinations(entry: Field) -> tuple[tuple[Destination, ...], str, tuple[str, ...]]:
    """Return the destinations with their shares, the Host that the only one sets, and doubts."""
    items = list(entry.items())
    read = [_destination(item) for item in items]
    doubts = tuple(doubt for item in items if (doubt := _doubt(item)))
    if len(read) == 1:
        destination, _, authority = read[0]
        return (destination,), authority, doubts
    # Without a weight, one destination of several gets no request.
    total = sum(weight for _, weight, _ in read)
    if total == 0:
        if read:
            entry.report("expected weights above 0 at several destinations")
        return (), "", doubts
    chosen = tuple(
        Destination(destination.host, destination.port, weight / total, destination.subset)
        for destination, weight, _ in read
        if weight
    )
    if any(authority for *_, authority in read):
        unjudged = f"{entry.place}: the Host that one of several destinations sets is not judged"
        doubts = (*doubts, unjudged)
    return chosen, "", doubts


def _doubt(entry: Field) -> str:
    """Return why a destination may be no Service; empty if nothing speaks against it."""
    target = entry.value.get("destination") if isinstance(entry.value, dict) else None
    host = target.get("host") if isinstance(target, dict) else None
    if not isinstance(host, str) or not is_cut_short(host, entry.owner.findings.namespaces):
        return ""
    full = f"{host.removesuffix('.svc')}.svc.{CLUSTER_DOMAIN}"
    return f"{entry.place}: Istio finds no Service by {host} and answers 503; it is called {full}"


def _destination(entry: Field) -> tuple[Destination, int, str]:
    fields = entry.keys("destination", "weight", "headers")
    weight = fields["weight"].whole(0, _MOST_WEIGHT) if "weight" in fields else 0
    authority = read_header_authority(fields["headers"]) if "headers" in fields else ""
    if "destination" not in fields:
        entry.report("destination: missing; expected a mapping with host")
        return Destination(""), weight or 0, authority
    target = fields["destination"].keys("host", "subset", "port")
    if "host" not in target:
        fields["destination"].report("host: missing; expected the host of a service")
    host = target["host"].text() if "host" in target else ""
    subset = target["subset"].text() if "subset" in target else ""
    port = None
    if "port" in target:
        number = target["port"].keys("number")
        port = number["number"].whole(1, MOST_PORT) if "number" in number else None
    name = service(host, entry.owner.namespace)
    return Destination(name, port, subset=subset), weight or 0, authority

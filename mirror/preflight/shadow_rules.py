"""The rules about the shadow, in the order of docs/preflight.md.

Each verdict of core/acceptance.py that does not accept the shadow has a rule, and so has each kind
of answer that an accepted one gives to a route of the configuration.
"""

from mirror.preflight.findings import Rule, Severity

_LOST = "The copies are answered otherwise than production would be, or not at all."


def _unreachable(code: str, summary: str, instead: str) -> Rule:
    why = "Nothing can be said about the shadow, and it gets no copies as long as this lasts."
    return Rule("unknown", f"shadow.{code}", summary, why, instead)


def _refusal(code: str, summary: str, why: str, instead: str) -> Rule:
    return Rule("refused", f"shadow.{code}", summary, why, instead)


def _answer(severity: Severity, code: str, summary: str, why: str, instead: str) -> Rule:
    return Rule(severity, f"shadow.{code}", summary, why, instead)


BY_VERDICT = {
    rule.code.removeprefix("shadow."): rule
    for rule in (
        _refusal(
            "log_nginx",
            "An nginx answers in the place of the shadow",
            "Its Pod writes every mirrored request to the access log, so that revenue and security "
            "count it a second time. `mirror serve` refuses to start.",
            "Point shadow.url at another port of the gateway, which reaches istio-proxy itself: "
            "deploy/kubernetes/gateway has 30080 for the copies, and 30081, through the nginx, for "
            "production. Where the nginx is meant and writes no log, list it in "
            "shadow.accept_server.",
        ),
        _refusal(
            "other_server",
            "Something other than an istio-proxy answers",
            "What it does with a copy is unknown: it may log or count it.",
            "Point shadow.url at the istio-proxy, or list the name in shadow.accept_server.",
        ),
        _refusal(
            "no_server_name",
            "The answer names no server",
            "Without a `server` header, an nginx that logs cannot be told from an Envoy.",
            "Make sure that nothing in between writes an access log, then set shadow.accept_server "
            "to what the Envoy sends.",
        ),
        _refusal(
            "http10",
            "426: HTTP/1.0 reaches the Envoy",
            "The sidecar speaks HTTP/1.1, so a proxy in between speaks HTTP/1.0, as nginx before "
            "1.29.7 does. The Envoy answers every copy 426, and that proxy may log the copies.",
            "Point shadow.url at the istio-proxy itself, or set proxy_http_version 1.1 in between.",
        ),
        _refusal(
            "tls_port",
            "A port that speaks TLS is asked in plain HTTP",
            "The server answers a TLS alert instead of HTTP, to every copy.",
            "Write https:// in shadow.url, or choose a port that speaks HTTP.",
        ),
        _refusal(
            "not_http",
            "The answer is not HTTP/1.1",
            "Nothing says who is there; the sidecar could not read any answer to a copy.",
            "Choose a port on which the istio-proxy speaks HTTP/1.1.",
        ),
        _unreachable(
            "no_connection",
            "No connection can be opened",
            "Check the address, the NodePort and the firewalls on the way.",
        ),
        _unreachable(
            "no_name",
            "The name cannot be resolved",
            "Write the name or the address of a node in shadow.url.",
        ),
        _unreachable(
            "no_answer",
            "The connection is accepted, and no answer comes",
            "Check whether the Pod behind the NodePort is ready and whether the port speaks HTTP.",
        ),
        _unreachable(
            "mtls",
            "The connection ends before the first byte of an answer",
            "An Envoy in mutual TLS mode STRICT ends plain HTTP so. Use the gateway's own port, or "
            "set PeerAuthentication to PERMISSIVE for this port. A Pod that crashes looks alike.",
        ),
        _unreachable(
            "client_certificate",
            "The connection ends after the TLS handshake",
            "An Envoy that requires a client certificate ends it so, and the sidecar has none. In "
            "a Gateway, use tls.mode SIMPLE instead of MUTUAL for this port.",
        ),
        _unreachable(
            "certificate",
            "The certificate is not accepted",
            "Set shadow.tls.ca_file to the authority, or shadow.tls.server_name to a name in the "
            "certificate.",
        ),
        _unreachable(
            "no_tls",
            "The TLS handshake fails",
            "Write http:// in shadow.url where the port speaks HTTP; where it requires a client "
            "certificate, use a port that does not.",
        ),
    )
}
"""The rules of a verdict that does not accept the shadow, by the verdict's code."""

ACCEPTED = _answer("note", "accepted", "The shadow may get mirrored requests", "", "")
ROUTE_MISS = _answer(
    "warning",
    "route_miss",
    "The Envoy itself answers 404: no route is declared",
    "VirtualService and Gateway are allow-lists. After the switch, production would get this 404.",
    "Declare the path for this host. Where no host of production was asked for, use --host.",
)
HOST_NOT_KNOWN = _answer(
    "note",
    "host_not_known",
    "No host of production was asked for",
    "The probe asked with the shadow's own address as Host, for which no route needs to exist, so "
    "the 404 says nothing about production's hosts, and the paths of `routes` were not asked.",
    "Run the check with --host and a host of production.",
)
APP_NOT_FOUND = _answer(
    "note",
    "app_not_found",
    "The application behind the Envoy answers 404",
    "The route exists. The parameters of a template's path are made up, so a 404 is no surprise.",
    "",
)
NOT_FOUND_BY_WHOM = _answer(
    "unknown",
    "not_found_by_whom",
    "404, and who answered it cannot be told",
    "The mesh suppresses x-envoy-upstream-service-time, by which a missing route differs from the "
    "application's own 404.",
    "Look for the response flag NR in the gateway's access log, or let the Envoy headers pass.",
)
HEADERS_SUPPRESSED = _answer(
    "note",
    "headers_suppressed",
    "The answers do not say whether they come from behind an Envoy",
    "Without x-envoy-upstream-service-time, neither this check nor the comparison can tell a "
    "missing route from the application's own 404.",
    "Do not suppress the Envoy headers (Istio: proxyHeaders.envoyDebugHeaders), while mirroring.",
)
NO_HEALTHY_POD = _answer(
    "warning",
    "no_healthy_pod",
    "The Envoy itself answers 503: no healthy Pod",
    _LOST,
    "Start the application there, and check the endpoints of its Service and its mutual TLS.",
)
APP_ERROR = _answer(
    "warning",
    "app_error",
    "The application behind the Envoy fails",
    _LOST,
    "Look into the log of the application there.",
)
HEAD_NOT_SUPPORTED = _answer(
    "note",
    "head_not_supported",
    "The application behind the Envoy does not support HEAD",
    "The route exists. How the application answers GET was not asked, and production may answer "
    "HEAD alike.",
    "Compare the live traffic: `mirror compare`.",
)
OWN_ERROR = _answer(
    "warning",
    "own_error",
    "The Envoy itself answers another error",
    _LOST,
    "Look for the response flags and details in the gateway's access log.",
)
REDIRECT = _answer(
    "warning",
    "redirect",
    "The Envoy itself redirects",
    "A Gateway with httpsRedirect redirects every copy instead of serving it.",
    "Use the https server's port with https:// in shadow.url, or a server without the redirect.",
)
DENIED = _answer(
    "warning",
    "denied",
    "The Envoy itself refuses with 401 or 403",
    _LOST + " An AuthorizationPolicy or external authorization denies the sidecar.",
    "Allow the sidecar's address and headers there.",
)
RATE_LIMITED = _answer(
    "warning",
    "rate_limited",
    "The Envoy itself answers 429",
    _LOST + " A rate limit cuts the copies.",
    "Leave requests with X-Mirror-Leg out of the limit, or raise it.",
)
HOST_WITH_PORT = _answer(
    "warning",
    "host_with_port",
    "The route exists only for the Host with the NodePort's number",
    "Production's Host has no such number and the sidecar passes it on unchanged, so every copy "
    "would be answered 404.",
    "List the host without the port in VirtualService and Gateway.",
)
HOST_WITHOUT_PORT = _answer(
    "note",
    "host_without_port",
    "The Host with the NodePort's number has no route",
    "The copies carry production's Host without it and are served. A tool that asks the NodePort "
    "directly sends the number and gets a 404.",
    "Give such tools the Host of production (curl: -H 'Host: NAME').",
)
ROUTES_NOT_ASKED = _answer(
    "note",
    "routes_not_asked",
    "More routes are configured than are asked",
    "The rest of them was not tried.",
    "Compare the live traffic: `mirror compare`, and `estimate coverage` for every URI.",
)
CERTIFICATE_EXPIRES = _answer(
    "warning",
    "certificate_expires",
    "The certificate expires soon, or has expired",
    "From then on no connection to the shadow can be opened, and no copy is sent.",
    "Renew it, or see to it that the mesh's authority does.",
)
CERTIFICATE_NAME = _answer(
    "warning",
    "certificate_name",
    "The certificate is for other names",
    "A client that verifies names refuses the connection; the sidecar does so unless "
    "shadow.tls.verify is false.",
    "Set shadow.tls.server_name to a name in the certificate.",
)
CERTIFICATE_DAYS = _answer("note", "certificate_days", "How long the certificate is valid", "", "")

SHADOW = (
    *BY_VERDICT.values(),
    ACCEPTED,
    ROUTE_MISS,
    HOST_NOT_KNOWN,
    APP_NOT_FOUND,
    NOT_FOUND_BY_WHOM,
    HEADERS_SUPPRESSED,
    NO_HEALTHY_POD,
    APP_ERROR,
    HEAD_NOT_SUPPORTED,
    OWN_ERROR,
    REDIRECT,
    DENIED,
    RATE_LIMITED,
    HOST_WITH_PORT,
    HOST_WITHOUT_PORT,
    ROUTES_NOT_ASKED,
    CERTIFICATE_EXPIRES,
    CERTIFICATE_NAME,
    CERTIFICATE_DAYS,
)

"""What each result of a pair and each reason for none means to a person, and what to do about it.

The results are those of mirror/core/comparison/verdict.py. What Envoy answers by itself is
described in its documentation of response flags
(docs/root/configuration/observability/access_log/usage.rst). A result or reason of a newer sidecar
has no words here, and is shown by its name.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    title: str
    """A few words that stand in a table."""
    meaning: str
    advice: str
    """What to do about it; empty where there is nothing to do."""


RESULTS = {
    "same": Words("same", "Production and the shadow answered alike.", ""),
    "size": Words(
        "another size",
        "The status is the same, but one body is more than twice as long as the other.",
        "Compare both answers to one such request: an empty page, an error page with status 200, or"
        " compression differs.",
    ),
    "better": Words(
        "only production failed",
        "Production failed or did not answer, and the shadow served the request.",
        "",
    ),
    "route_miss": Words(
        "Envoy has no route",
        "Envoy itself answered 404 (flag NR): no VirtualService or HTTPRoute takes this host and"
        " path, or the one that does is not applied.",
        "Add the route. `estimate coverage` names the nearest rule and the YAML to add.",
    ),
    "app_not_found": Words(
        "the app does not find it",
        "The application behind Envoy answered 404 or 410, and production served the request.",
        "Compare version, data and path: a prefix that is rewritten twice or not at all looks so.",
    ),
    "app_error": Words(
        "the app fails",
        "The application behind Envoy answered 5xx.",
        "Read the application's log at the time of the examples. Secrets, configuration or a"
        " dependency that it cannot reach from the new cluster are frequent causes.",
    ),
    "app_status": Words(
        "the app answers otherwise",
        "The application behind Envoy answered with another class of status.",
        "Look at the examples. For 401 and 403, compare session stores, keys and clocks.",
    ),
    "redirect": Words(
        "redirected elsewhere",
        "The shadow redirects where production did not, or to another place.",
        "Look at the Location of an example: https for http means X-Forwarded-Proto is missing,"
        " another name means Host, and the same path with a slash means a redirect of the app.",
    ),
    "denied": Words(
        "Envoy denies it",
        "Envoy itself answered 401 or 403 (flag UAEX, or RBAC): a policy refuses the request.",
        "Look at AuthorizationPolicy and RequestAuthentication. A copy comes from the sidecar's"
        " address and without a client's certificate, so a policy on these refuses copies only.",
    ),
    "rate_limited": Words(
        "rate limited",
        "Envoy itself answered 429 (flag RL): a rate limit cut the request.",
        "Raise the limit or lower the ratio. `estimate --manifests` writes limits from"
        " measured load.",
    ),
    "http_version": Words(
        "HTTP/1.0 refused",
        "Envoy itself answered 426: it received HTTP/1.0. The sidecar sends HTTP/1.1, so a proxy"
        " between both speaks HTTP/1.0.",
        "Set proxy_http_version 1.1 in that proxy, or aim `shadow.url` at Envoy itself.",
    ),
    "no_upstream": Words(
        "no healthy upstream",
        "Envoy itself answered 503 (flags UH, UF, UO, NC): the Service has no ready endpoint, the"
        " connection or its TLS handshake failed (Envoy from 1.38.1 on does not say which), or a"
        " circuit breaker is full.",
        "Look at the endpoints and their readiness, and at the subsets, ports, tls mode and"
        " connectionPool of the DestinationRule.",
    ),
    "upstream_timeout": Words(
        "upstream timeout",
        "Envoy itself answered 504 (flag UT): the application took longer than the route allows.",
        "Compare `timeout` of the VirtualService with production's, and size the application.",
    ),
    "mtls": Words(
        "mTLS stands in between",
        "A TLS handshake failed between the sidecar and Envoy, or between Envoy and the app.",
        "Aim `shadow.url` at the ingress gateway, or make the PeerAuthentication of that port"
        " PERMISSIVE; between Envoy and the app, compare the tls mode of the DestinationRule.",
    ),
    "timeout": Words(
        "no answer in time",
        "The shadow did not answer within `shadow.timeout`.",
        "Compare the timeout with the latency below, and size the new cluster before the switch.",
    ),
    "not_answered": Words(
        "no answer",
        "The connection was refused or reset, or the answer broke off. Strict mTLS resets a"
        " plaintext connection before any byte, too, and cannot be told apart here.",
        "Run `mirror check`, which tells these apart. Look for restarts of the gateway.",
    ),
    "proxy_status": Words(
        "Envoy answers otherwise",
        "Envoy itself answered with a status that none of the other reasons explains.",
        "Read %RESPONSE_FLAGS% and %RESPONSE_CODE_DETAILS% in Envoy's access log.",
    ),
}

UNCOMPARED = {
    "extra_copy": Words(
        "further copy",
        "The ratio is above 1. Only the first copy of a request makes a pair.",
        "",
    ),
    "primary_aborted": Words(
        "the client left", "The client went away before production had answered.", ""
    ),
    "shadow_aborted": Words(
        "the copy was cut", "The sidecar drained, or a worker died, before the shadow answered.", ""
    ),
    "no_log_line": Words(
        "no line in the log",
        "nginx's log line of the request did not come within the window.",
        "Write the same access_log for every location that mirrors, without `if=`, and look at the"
        " losses of the log below.",
    ),
    "not_joinable": Words(
        "no id",
        "The copy carried no request id, or one that was there already.",
        "Pass the id on to the sidecar: proxy_set_header X-Mirror-Request-Id $request_id.",
    ),
    "evicted": Words(
        "the window was full",
        "More copies waited for their log lines than the sidecar keeps.",
        "Lower the ratio, or look why the lines come late.",
    ),
    "no_status": Words("no status in the line", "nginx's log line held no status.", ""),
}

LOG_LOSSES = {
    "gap": "lines that never came, by the numbers of requests of their connections",
    "flood": "lines beyond the rate that the sidecar reads",
    "unreadable": "lines that are no JSON of the expected format",
    "no_id": "lines without the id of a request",
}


def words_of(result: str) -> Words:
    return RESULTS.get(result) or _unknown(result, "result")


def reason_words_of(reason: str) -> Words:
    """Return the words for the reason why a copy made no pair."""
    return UNCOMPARED.get(reason) or _unknown(reason, "reason")


def _unknown(name: str, kind: str) -> Words:
    return Words(name, f"This version of mirror does not know the {kind} {name!r}.", "Update it.")

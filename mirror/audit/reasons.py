"""Why a request that nginx logged may have no copy: nginx answered before its `mirror` ran.

nginx starts the copy in its phase "precontent". `return` and `rewrite` answer before that, in the
phase "rewrite"; `limit_req` and `limit_conn` in "preaccess"; `deny` and `auth_request` in "access";
a request that nginx cannot read reaches no phase at all. Where the log says that an upstream was
asked, all these phases are over, and none of them is a reason.

References: ngx_http_mirror_module.c (NGX_HTTP_PRECONTENT_PHASE), ngx_http_core_module.h (the order
of the phases), ngx_http_request.h (the statuses 444 and 494 to 499 of nginx itself).
"""

MALFORMED = "malformed"
REDIRECTED = "redirected"
DENIED = "denied"
LIMITED = "limited"
BY_NGINX = "answered_by_nginx"
CLIENT_ABORTED = "client_aborted"
REFUSED_BY_SIDECAR = "refused_by_sidecar"
LOOPED = "looped"
PROBED = "probed"
NOT_MIRRORED = "not_mirrored"

REASONS = (
    *(MALFORMED, REDIRECTED, DENIED, LIMITED, BY_NGINX, CLIENT_ABORTED, LOOPED, NOT_MIRRORED),
    PROBED,
)
"""The reasons that a line alone can show, in the order in which ids.Entry counts them."""

WORDS = {
    MALFORMED: "nginx could not read the request (400, 408, 414, ...)",
    REDIRECTED: "nginx redirected by itself (`return 301`)",
    DENIED: "nginx denied access (`deny`, `auth_basic`)",
    LIMITED: "nginx limited the rate or the connections (`limit_req`, `limit_conn`)",
    BY_NGINX: "nginx answered by itself (`return`, a file)",
    CLIENT_ABORTED: "the client left (499), which ends the copy too where it has begun",
    REFUSED_BY_SIDECAR: "the sidecar refused the copy (its counter `malformed`)",
    LOOPED: "the request carried the mark of a copy, so it is not production's",
    PROBED: "the request was a probe of `mirror check` or of a start, so it is not production's",
    NOT_MIRRORED: "the route is not mirrored on purpose (--unmirrored)",
}

_MALFORMED = frozenset({400, 408, 411, 413, 414, 417, 431, 494, 495, 496, 497, 501, 505})
_BY_STATUS = {
    **dict.fromkeys(_MALFORMED, MALFORMED),
    **dict.fromkeys((301, 302, 303, 307, 308), REDIRECTED),
    **dict.fromkeys((401, 403), DENIED),
    **dict.fromkeys((429, 503), LIMITED),
    444: BY_NGINX,
}


def why_unmirrored(status: int | None, has_asked_upstream: bool | None) -> str:
    """Return why a line may have no copy; empty where nothing explains that.

    Where the log does not say whether an upstream was asked, a redirect may also be the
    application's, so the reason is only a possible one.
    """
    if status == 499:
        return CLIENT_ABORTED
    if has_asked_upstream:
        return ""
    reason = MALFORMED if status is None else _BY_STATUS.get(status, "")
    return reason or (BY_NGINX if has_asked_upstream is False else "")

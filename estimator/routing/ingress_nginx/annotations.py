"""What the annotations of an Ingress ask for (internal/ingress/annotations of ingress-nginx).

An annotation is either judged, or known not to change where a request goes, or named as not
judged: a new one is never passed over in silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "nginx.ingress.kubernetes.io/"
_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
"""What Go's strconv.ParseBool takes as true."""
_JUDGED = frozenset(
    (
        *("use-regex", "rewrite-target", "app-root", "ssl-redirect", "force-ssl-redirect"),
        *("preserve-trailing-slash", "permanent-redirect", "permanent-redirect-code"),
        *("temporal-redirect", "temporal-redirect-code", "server-alias", "upstream-vhost"),
        *("canary", "from-to-www-redirect", "enable-cors"),
    )
)
_WITHOUT_EFFECT = (
    *("affinity", "session-cookie", "backend-protocol", "client-body-buffer-size", "connection-"),
    *("cors-", "custom-headers", "enable-access-log", "enable-rewrite-log", "enable-opentelemetry"),
    *("enable-opentracing", "http2-push-preload", "load-balance", "mirror-", "proxy-"),
    *("service-upstream", "ssl-ciphers", "ssl-prefer-server-ciphers", "upstream-hash-by"),
    *("use-port-in-redirects", "x-forwarded-prefix", "opentelemetry-", "opentracing-"),
)
"""How the annotations begin that change no decision."""
_OF_SERVER = frozenset(("server-snippet", "ssl-passthrough"))
_PERMANENT_CODES = range(300, 309)


@dataclass(frozen=True, slots=True)
class Annotations:
    """What one Ingress asks for, for each of its locations."""

    use_regex: bool = False
    rewrite_target: str = ""
    app_root: str = ""
    redirect: str = ""
    """The URL of permanent-redirect or temporal-redirect."""
    redirect_status: int = 301
    ssl_redirect: bool = True
    """Only where the server has a certificate."""
    force_ssl_redirect: bool = False
    preserve_trailing_slash: bool = False
    aliases: tuple[str, ...] = ()
    upstream_vhost: str = ""
    answers_preflights: bool = False
    """OPTIONS is answered 204, whatever its headers are."""
    redirects_www: bool = False
    is_canary: bool = False
    unjudged: tuple[str, ...] = ()
    """Annotations of the locations that are not judged."""
    unjudged_of_server: tuple[str, ...] = ()


def read_annotations(values: Mapping[str, str]) -> Annotations:
    """Return what the annotations of an Ingress ask for."""
    own = {
        key.removeprefix(PREFIX): value for key, value in values.items() if key.startswith(PREFIX)
    }
    unjudged = [
        name for name in own if name not in _JUDGED and not name.startswith(_WITHOUT_EFFECT)
    ]
    is_canary = own.get("canary") in _TRUE
    redirect, status = _redirect(own)
    return Annotations(
        use_regex=own.get("use-regex") in _TRUE,
        rewrite_target=own.get("rewrite-target", ""),
        app_root=own.get("app-root", ""),
        redirect=redirect,
        redirect_status=status,
        ssl_redirect=own.get("ssl-redirect", "true") in _TRUE,
        force_ssl_redirect=own.get("force-ssl-redirect") in _TRUE,
        preserve_trailing_slash=own.get("preserve-trailing-slash") in _TRUE,
        aliases=tuple(filter(None, map(str.strip, own.get("server-alias", "").split(",")))),
        upstream_vhost=own.get("upstream-vhost", ""),
        answers_preflights=own.get("enable-cors") in _TRUE,
        redirects_www=own.get("from-to-www-redirect") in _TRUE,
        is_canary=is_canary,
        unjudged=tuple(
            PREFIX + name
            for name in unjudged
            if name not in _OF_SERVER and not (name.startswith("canary") and not is_canary)
        ),
        unjudged_of_server=tuple(PREFIX + name for name in unjudged if name in _OF_SERVER),
    )


def _redirect(own: Mapping[str, str]) -> tuple[str, int]:
    """Return URL and status; a temporal redirect counts more (annotations/redirect)."""
    if temporal := own.get("temporal-redirect", ""):
        code = own.get("temporal-redirect-code", "")
        return temporal, int(code) if code.isdecimal() and int(code) in _PERMANENT_CODES else 302
    code = own.get("permanent-redirect-code", "")
    status = int(code) if code.isdecimal() and int(code) in _PERMANENT_CODES else 301
    return own.get("permanent-redirect", ""), status

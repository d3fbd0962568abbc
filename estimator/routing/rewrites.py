"""What a rule makes of the path of a request, and of the Location that it answers.

Envoy does this in source/common/router/config_impl.cc. The query is no part of what is rewritten.
"""

from estimator.routing import patterns
from estimator.routing.request import split_authority
from estimator.routing.rules import PathChange, Redirect, ReplacePath, ReplacePrefix

_DEFAULT_PORTS = {"http": 80, "https": 443}


def changed_target(target: str, change: PathChange | None) -> str:
    """Return path and query after a rewrite."""
    if change is None:
        return target
    path, mark, query = target.partition("?")
    if isinstance(change, ReplacePath):
        path = change.by
    elif isinstance(change, ReplacePrefix):
        path = change.by + path[len(change.prefix) :]
    else:
        # Envoy keeps a path of which nothing would be left.
        path = patterns.replace_all(change.pattern, change.by, path) or path
    return path + mark + query


def location(redirect: Redirect, authority: str, target: str, scheme: str) -> str:
    """Return the Location of a redirect (RouteEntryImplBase::newUri).

    A port is not shown where it is the scheme's own: istiod leaves it out, and then the port of the
    request stays. A query of the redirect replaces the one of the request. A path without a leading
    slash gets one.
    """
    final_scheme = redirect.scheme or scheme
    is_shown = redirect.port is not None and redirect.port != _DEFAULT_PORTS.get(final_scheme)
    port = f":{redirect.port}" if is_shown else ""
    host = redirect.authority or _host(authority, scheme, final_scheme, bool(port))
    change = redirect.path
    has_query = isinstance(change, ReplacePath) and "?" in change.by
    path = changed_target(target.partition("?")[0] if has_query else target, change)
    if not path.startswith("/"):
        path = f"/{path}"
    return f"{final_scheme}://{host}{port}{path}"


def location_with_tls(authority: str, target: str) -> str:
    """Return the Location where a virtual host requires TLS: the host stays as it was sent.

    This is `createSslRedirectPath` of source/common/http/utility.cc.
    """
    return f"https://{authority}{target}"


def _host(authority: str, scheme: str, final_scheme: str, has_port: bool) -> str:
    """Return the host of a request without a port that another one, or another scheme, replaces."""
    name, port = split_authority(authority)
    is_default = port == str(_DEFAULT_PORTS.get(scheme)) and final_scheme != scheme
    return name if has_port or is_default else authority

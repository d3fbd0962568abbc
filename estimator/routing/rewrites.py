"""What a rule makes of the path of a request, and of the Location that it answers.

Envoy does this in source/common/router/config_impl.cc. The query is no part of what is rewritten.
"""

from estimator.routing import patterns
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
        path = patterns.replace_all(change.pattern, change.by, path)
    return path + mark + query


def location(redirect: Redirect, authority: str, target: str, scheme: str) -> str:
    """Return the Location of a redirect."""
    final_scheme = redirect.scheme or scheme
    host = redirect.authority or authority
    if redirect.port is not None and redirect.port != _DEFAULT_PORTS.get(final_scheme):
        host = f"{host.rpartition(':')[0] or host}:{redirect.port}"
    return f"{final_scheme}://{host}{changed_target(target, redirect.path)}"

"""Whether two targets are the same for a service that follows RFC 3986.

nginx forwards a path as the client wrote it, or decoded and escaped again after a rewrite; Envoy
forwards it as it normalised it. So what only spells a path otherwise is no difference here. An
escaped slash is none of that: a service may tell `/a%2Fb` from `/a/b`.
"""

import re

_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_KEPT = frozenset("/%?#")


def is_same_target(one: str, other: str) -> bool:
    """Return whether path and query are the same."""
    return _canonical(one) == _canonical(other)


def _canonical(target: str) -> tuple[str, str]:
    path, _, query = target.partition("#")[0].partition("?")
    # As bytes, because a log holds them unescaped where a proxy escapes them.
    text = path.encode("utf-8", "surrogateescape").decode("latin-1")
    segments: list[str] = []
    parts = _ESCAPE.sub(_decoded, text).split("/")[1:]
    for number, part in enumerate(parts, start=1):
        if part == ".." and segments:
            segments.pop()
        if part not in ("", ".", ".."):
            segments.append(part)
        elif number == len(parts):
            segments.append("")
    return "/" + "/".join(segments), query


def _decoded(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return escape[0].upper() if character in _KEPT else character

"""The path of a request as nginx matches and forwards it.

nginx matches the path after it has decoded its escapes, resolved its dot segments and merged its
slashes (`ngx_http_parse_complex_uri`, with `merge_slashes` on, which ingress-nginx leaves so). It
forwards the target as the client sent it, unless a rewrite changed the path; then it escapes the
decoded path again (`ngx_escape_uri`, as of nginx 1.21.1).
"""

import re

from estimator.routing.patterns import as_bytes

_REFUSED = re.compile(rb"[\x00-\x20\x7f]")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")
_TO_ESCAPE = re.compile(rb"[^!$&-;=@-\[\]_a-z~]")
_TO_ESCAPE_IN_QUERY = re.compile(rb"[^!$'-*,-;=@-\[\]_a-z~]")


def normalized(target: str) -> tuple[bytes, bytes] | None:
    """Return the path that nginx matches, and the query; None where nginx answers 400."""
    raw = as_bytes(target).partition(b"#")[0]
    if not raw.startswith(b"/") or _REFUSED.search(raw):
        return None
    path, _, query = raw.partition(b"?")
    if any(escape[1] in (None, b"00") for escape in _ESCAPE.finditer(path)):
        return None
    path = _ESCAPE.sub(lambda escape: bytes((int(escape[1], 16),)), path)
    segments: list[bytes] = []
    parts = path.split(b"/")[1:]
    for number, part in enumerate(parts, start=1):
        if part == b"..":
            if not segments:
                return None
            segments.pop()
        if part not in (b"", b".", b".."):
            segments.append(part)
        elif number == len(parts):
            segments.append(b"")
    return b"/" + b"/".join(segments), query


def escaped(path: bytes) -> str:
    """Return a decoded path as nginx writes it into a request to a service."""
    return _TO_ESCAPE.sub(_escape, path).decode("ascii")


def escaped_for_query(text: bytes) -> bytes:
    """Return a part of a decoded path as nginx puts it into a query (NGX_ESCAPE_ARGS)."""
    return _TO_ESCAPE_IN_QUERY.sub(_escape, text)


def _escape(character: re.Match[bytes]) -> bytes:
    return b"%%%02X" % character[0][0]

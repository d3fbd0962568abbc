"""The URI under which a request is counted: no secret, no value of the query, no unbounded text.

A request is first reduced to raw bytes that are cheap to make and to look up (`raw_path`,
`raw_names`); `uri_of` turns them into the URI, which costs more and happens once for each.

Invariant: what `uri_of` returns holds no value of the query and nothing that the capture would
redact. It goes further than the capture in one place: a segment that looks random may be a key to
something, such as a link that resets a password, and who may read the admin port is not known here.

The lengths are bounded, because clients choose all of this: nginx takes a request line of 8 KB, and
a path that people or programs write is far shorter.
"""

import re
from urllib.parse import unquote, unquote_plus

from mirror.core.redaction.redactor import Redactor
from mirror.core.redaction.values import is_random, secret_kind
from mirror.core.uri_counts.piece import Uri
from mirror.formats.capture.redacted import SEGMENT
from mirror.formats.uri_counts import OTHER

MOST_PATH_BYTES = 512
MOST_QUERY_BYTES = 512
_MOST_HOST_BYTES = 255
"""RFC 1035 section 2.3.4, the longest name."""
_MOST_NAMES = 16

CUT = b"\n"
"""Ends raw bytes that were cut; no request line contains it."""

_VALUES = re.compile(rb"=[^&]*")
_METHOD = re.compile(rb"[A-Za-z_-]{1,32}")
_NAME = re.compile(r"[A-Za-z_$][\w.\[\]%:$-]{0,63}", re.ASCII)
_LONG_SEGMENT = re.compile(r"[^/]{20}")


def raw_path(path: bytes) -> bytes:
    """Return the path of a target, cut behind a `/` where it is too long.

    A whole segment goes, because part of a secret would not be recognised as one.
    """
    if len(path) <= MOST_PATH_BYTES:
        return path
    return path[: path.rfind(b"/", 0, MOST_PATH_BYTES) + 1] + CUT


def raw_names(query: bytes) -> bytes:
    """Return the names of a query in their order, separated by `&`."""
    if len(query) > MOST_QUERY_BYTES:
        query = query[: query.rfind(b"&", 0, MOST_QUERY_BYTES) + 1] + CUT
    return _VALUES.sub(b"", query)


def uri_of(
    method: bytes, host: bytes, path: bytes, names: bytes, redactor: Redactor, is_shape: bool
) -> Uri:
    """Return the URI of raw bytes; `is_shape` says that `path` is the shape of several paths."""
    is_cut = path[-1:] == CUT
    text = path.removesuffix(CUT).decode("latin-1")
    # Browsers send no fragment. nginx passes one on and Envoy refuses it, so its mark stays.
    before, mark, _ = text.partition("#")
    text = redactor.target(before) + mark
    if _LONG_SEGMENT.search(text):
        text = "/".join(map(_unless_random, text.split("/")))
    return Uri(
        host.decode("latin-1").lower() if len(host) <= _MOST_HOST_BYTES else OTHER,
        method.decode() if _METHOD.fullmatch(method) else OTHER,
        text + OTHER if is_cut else text,
        _names(names),
        is_shape or is_cut,
    )


def _unless_random(segment: str) -> str:
    return SEGMENT if is_random(unquote(segment).partition(";")[0]) else segment


def _names(raw: bytes) -> tuple[str, ...]:
    if not raw:
        return ()
    names = {name if _is_name(name) else OTHER for name in raw.decode("latin-1").split("&") if name}
    if len(names) > _MOST_NAMES:
        names = {*sorted(names)[:_MOST_NAMES], OTHER}
    return tuple(sorted(names))


def _is_name(text: str) -> bool:
    """Return whether a text is a name; without `=`, it may as well be a value."""
    if not _NAME.fullmatch(text):
        return False
    plain = unquote_plus(text)
    return secret_kind(plain) is None and not is_random(plain)

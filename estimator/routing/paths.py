"""The path of a request as the gateway sees it before it routes: Istio's normalisation modes.

MeshConfig.pathNormalization (istio.io/docs/reference/config/istio.mesh.v1alpha1) has four modes,
of which BASE is the default. istiod turns them into Envoy's `normalize_path`, `merge_slashes` and
`path_with_escaped_slashes_action`, and this module does what Envoy 1.40 does for them
(source/common/http/path_utility.cc and the canonical paths of googleurl). The tests hold it to a
real Envoy. The query is never changed.
"""

import re
from enum import StrEnum


class Normalization(StrEnum):
    """A mode of MeshConfig.pathNormalization."""

    NONE = "NONE"
    BASE = "BASE"
    MERGE_SLASHES = "MERGE_SLASHES"
    DECODE_AND_MERGE_SLASHES = "DECODE_AND_MERGE_SLASHES"


_REFUSED = re.compile("[^!-~]")
"""Bytes that Envoy's parser refuses in a target: controls, spaces and all beyond ASCII."""
_PLAIN = re.compile(r"(?:/(?!\.)[!$&'()*+,\-.0-9:;=@A-Z\[\]_a-z~]*)+")
"""A path that no mode changes, unless it has two slashes in a row."""
_ESCAPE = re.compile("%(?:([0-9A-Fa-f]{2}))?")
_LONE_PERCENT = "\0"
"""Stands for a `%` that begins no escape. No target holds this character."""
_NEW_ESCAPE = re.compile("\0(?=[0-9A-Fa-f]{2})")
_TO_ESCAPE = re.compile('["<>^`{|}]')
_ESCAPED_SLASH = re.compile("%(?:2[Ff]|(5[Cc]))")
_UNRESERVED = frozenset("-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


def normalized(target: str, mode: Normalization) -> str | None:
    """Return path and query after normalisation; None where Envoy answers 400.

    `target` begins with a slash; anything else is refused. A fragment is cut off in every mode,
    because Istio switches off that Envoy refuses it (pkg/bootstrap/config.go,
    `http_reject_path_with_fragment`).
    """
    target = target.partition("#")[0]
    if not target.startswith("/") or _REFUSED.search(target):
        return None
    path, mark, query = target.partition("?")
    if mode is Normalization.DECODE_AND_MERGE_SLASHES:
        path = _ESCAPED_SLASH.sub(lambda escape: "\\" if escape[1] else "/", path)
    if mode is not Normalization.NONE and not _PLAIN.fullmatch(path):
        # Envoy drops the parameters of a dot segment first: `/a/..;x/b` is /b, as for servlets.
        path = "/".join(map(_without_dot_parameters, path.split("/")))
        if "%00" in path:
            return None
        path = _canonical(path)
    if mode in (Normalization.MERGE_SLASHES, Normalization.DECODE_AND_MERGE_SLASHES):
        path = _with_single_slashes(path)
    return path + mark + query


def _canonical(path: str) -> str:
    """Resolve dot segments, decode what needs no escape, escape what needs one."""
    segments: list[str] = []
    parts = [_with_canonical_escapes(part) for part in path.replace("\\", "/").split("/")[1:]]
    for number, part in enumerate(parts, start=1):
        if part in (".", ".."):
            if part == ".." and segments:
                segments.pop()
            if number == len(parts):
                segments.append("")
        else:
            segments.append(part)
    return "/" + "/".join(segments)


def _without_dot_parameters(segment: str) -> str:
    for dots in ("..", "."):
        if segment.startswith(dots + ";"):
            return dots
    return segment


def _with_canonical_escapes(segment: str) -> str:
    def decoded(escape: re.Match[str]) -> str:
        if escape[1] is None:
            return _LONE_PERCENT
        character = chr(int(escape[1], 16))
        return character if character in _UNRESERVED else escape[0]

    text = _ESCAPE.sub(decoded, segment)
    # `%2%61` must not become the escape %2a.
    text = _NEW_ESCAPE.sub("%25", text).replace(_LONE_PERCENT, "%")
    return _TO_ESCAPE.sub(lambda character: f"%{ord(character[0]):02X}", text)


def _with_single_slashes(path: str) -> str:
    if "//" not in path:
        return path
    # A path of slashes only becomes two, because Envoy adds the first and the last one apart.
    end = "/" if path.endswith("/") else ""
    return "/" + "/".join(filter(None, path.split("/"))) + end

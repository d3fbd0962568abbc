"""Regular expressions of locations and of rewrites.

nginx compiles them with PCRE, byte by byte, and ingress-nginx makes all of them case-insensitive.
They are judged with RE2, which takes time in proportion to the path; ingress-nginx documents RE2's
syntax as the one of a path (docs/user-guide/ingress-path-matching.md). What RE2 refuses, such as
look-around, is not judged.
"""

import re
from collections.abc import Callable

from estimator.routing.patterns import as_bytes, compiled

_QUOTED = re.compile(r"\\([\"'\\])")
_REFERENCE = re.compile(rb"\$(\d)")


def as_read(pattern: str) -> str:
    r"""Return a pattern as nginx reads it from a quoted text, where `\\` is one backslash."""
    return _QUOTED.sub(r"\1", pattern) if "\\" in pattern else pattern


def is_found(pattern: str, path: bytes) -> bool:
    """Return whether the pattern matches somewhere in the path; case counts.

    Raises PatternError, as all functions here do.
    """
    return compiled(pattern).search(path) is not None


def begins(pattern: str, path: bytes) -> bool:
    """Return whether `~* "^pattern"` takes the path."""
    return is_found(f"(?i)^{as_read(pattern)}", path)


def replaced(
    pattern: str, by: str, path: bytes, escape: Callable[[bytes], bytes] = bytes
) -> bytes | None:
    """Return `by` with the groups of `pattern` put in for $1 to $9; None where nothing matches.

    This is the directive `rewrite "(?i)pattern" by`: it replaces the whole path, also where the
    pattern matches only a part of it.
    """
    match = compiled(f"(?i){as_read(pattern)}").search(path)
    if match is None:
        return None

    def group(reference: re.Match[bytes]) -> bytes:
        number = int(reference[1])
        return escape(match.group(number) or b"") if number <= match.re.groups else b""

    return _REFERENCE.sub(group, as_bytes(by))

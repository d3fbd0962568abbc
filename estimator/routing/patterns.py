r"""Regular expressions as Envoy compiles them: RE2, and a match must cover the whole value.

Envoy's `SafeRegexMatcher` (source/common/common/regex.cc) calls RE2::FullMatch, so this module does
the same through RE2 itself and not through Python's `re`: `a|b` is anchored at both ends, and
look-around and back references are refused. Envoy 1.40, as it was tried, reads bytes: two `.` match
an `é` in UTF-8. Versions that read UTF-8 differ only for headers beyond ASCII.
"""

import re
from functools import lru_cache
from typing import Any

import re2

_REFERENCE = re.compile(rb"\\([0-9\\])")
"""A group in the text of a replacement, or an escaped backslash."""
_MOST_PATTERNS = 4096
"""Most compiled patterns that are kept; one takes a few kilobytes."""
_ESCAPES = re.compile(r"\\(.?)", re.DOTALL)
_PLAIN = re.compile("[A-Za-z0-9/_-]*")
_MAY_BE_NONE = ("?", "*", "{")


class PatternError(ValueError):
    """RE2 refuses a pattern; the message is RE2's."""


@lru_cache(_MOST_PATTERNS)
def compiled(pattern: str) -> Any:
    """Return the expression, which matches bytes. Raises PatternError."""
    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    try:
        return re2.compile(as_bytes(pattern), options)
    except re2.error as error:
        reason = error.args[0]
        raise PatternError(
            reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        ) from error


def check(pattern: str) -> None:
    """Raise PatternError if RE2 refuses the pattern."""
    compiled(pattern)


def check_replacement(pattern: str, by: str) -> None:
    r"""Raise PatternError unless `by` is plain but for `\\`, `\0` and the groups of the pattern.

    RE2 would drop the rest of the text at anything else, and Envoy would not notice.
    """
    groups = compiled(pattern).groups
    for escape in _ESCAPES.finditer(by):
        is_group = escape[1].isascii() and escape[1].isdigit() and int(escape[1]) <= groups
        if is_group or escape[1] == "\\":
            continue
        raise PatternError(f"{escape[0]} is no group of {pattern}, which has {groups}")


def matches_whole(pattern: str, value: str) -> bool:
    """Return whether the pattern matches the whole value. Raises PatternError."""
    return compiled(pattern).fullmatch(as_bytes(value)) is not None


def literal_prefix(pattern: str) -> str:
    """Return a text that every value begins with that the whole pattern matches; "" where unsure.

    RE2 calculates the same (Prog::PossibleMatchRange), and its binding does not offer it.
    """
    if "|" in pattern:
        return ""
    pattern = pattern.removeprefix("^")
    rest = _PLAIN.sub("", pattern, count=1)
    literal = pattern.removesuffix(rest)
    # A quantifier may take the character before it zero times.
    return literal[:-1] if rest.startswith(_MAY_BE_NONE) else literal


def replace_all(pattern: str, by: str, value: str) -> str:
    r"""Replace each match in `value`, where `\1` in `by` is a group, as RE2::GlobalReplace does.

    An empty match right behind another match does not count, unlike in `sub` of this binding.
    Raises PatternError.
    """
    expression, text, template = compiled(pattern), as_bytes(value), as_bytes(by)
    replaced: list[bytes] = []
    at, last_end = 0, -1
    while at <= len(text) and (match := expression.search(text, at)) is not None:
        start, end = match.span()
        if start == end == last_end:
            replaced.append(text[at : at + 1])
            at += 1
            continue
        replaced += (text[at:start], _expanded(template, match))
        at = last_end = end
    return b"".join((*replaced, text[at:])).decode("utf-8", "surrogateescape")


def _expanded(template: bytes, match: Any) -> bytes:
    return _REFERENCE.sub(
        lambda found: (match[int(found[1])] or b"") if found[1].isdigit() else found[1], template
    )


def as_bytes(value: str) -> bytes:
    """Return the bytes of a value from outside, which may hold bytes that are no UTF-8."""
    return value.encode("utf-8", "surrogateescape")

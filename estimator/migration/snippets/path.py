"""A route template, such as `/watch/{id}` or `/api/*`, as the programs understand paths.

The templates are those of mirror/formats/routes.py, and mean the same: `{id}` is one segment that
is not empty, a final `*` is any rest, and `/api/*` does not include `/api`. Apache and nginx
compare the decoded path in which `//` became `/`; Envoy compares what the client sent. A template
is therefore accepted only if both are the same text: no escapes, no empty segment, no `.` and no
`..`. The characters that remain include no double quote, backslash, space, brace or line end, so
they have no meaning in any of the four syntaxes once they are between double quotes.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

MOST_CHARACTERS = 1_000
"""Longest pattern; Gateway API allows 1,024 characters for the value of a path."""
_SEGMENT = re.compile(r"[A-Za-z0-9._~!$&'()+,;=:@-]+")
_PARAMETER = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")
_SPECIAL = re.compile(r"[.$()+]")
_NOT_IN_NAME = re.compile(r"[^a-z0-9]+")
_MOST_OF_NAME = 40
"""Longest readable part of a name. Apache takes 63 characters for `balancer://` and the name."""


class PathKind(StrEnum):
    """How a program has to match a path."""

    EXACT = "exact"
    """One path."""
    PATTERN = "pattern"
    """A template with parameters: a regular expression."""
    PREFIX = "prefix"
    """Everything below a directory; the text ends in `/`."""


@dataclass(frozen=True, slots=True)
class MovedPath:
    """The paths that move together."""

    template: str
    kind: PathKind
    text: str
    """The path (EXACT) or its beginning (PREFIX); empty for a PATTERN."""
    pattern: str
    """A regular expression, for PCRE and RE2 alike, that matches the whole path."""

    @classmethod
    def of(cls, template: str) -> "MovedPath":
        """Read a template. Raises ValueError, which says what was expected."""
        if not template.startswith("/"):
            raise ValueError(f"expected a path that starts with /, got {template[:100]!r}")
        segments = template[1:].split("/")
        has_rest = segments[-1] == "*"
        fixed = segments[:-1] if has_rest else segments
        for place, segment in enumerate(fixed):
            _check(segment, is_last=not has_rest and place == len(fixed) - 1)
        pattern = "".join(f"/{_pattern_of(segment)}" for segment in fixed)
        pattern += "/.*" if has_rest else ""
        if len(pattern) > MOST_CHARACTERS:
            raise ValueError(f"expected a path of at most {MOST_CHARACTERS:,} characters")
        if any(_PARAMETER.fullmatch(segment) for segment in fixed):
            return cls(template, PathKind.PATTERN, "", pattern)
        kind = PathKind.PREFIX if has_rest else PathKind.EXACT
        return cls(template, kind, template.removesuffix("*"), pattern)

    @property
    def name(self) -> str:
        """The name of the path's objects: a DNS label that no other template has."""
        words = _NOT_IN_NAME.sub("-", self.template.lower()).strip("-")[:_MOST_OF_NAME].strip("-")
        digest = hashlib.sha256(self.template.encode()).hexdigest()[:8]
        return f"{words or 'root'}-{digest}"

    @property
    def precedence(self) -> tuple[tuple[int, ...], str]:
        """A key that sorts paths so that the first that matches is the one that the sidecar counts.

        Segment by segment, a literal stands before a parameter and a parameter before `*`, as
        mirror/formats/routes.py matches them.
        """
        ranks = (
            2 if segment == "*" else 1 if _PARAMETER.fullmatch(segment) else 0
            for segment in self.template[1:].split("/")
        )
        return tuple(ranks), self.template


def _check(segment: str, is_last: bool) -> None:
    if not segment and is_last:
        return  # the template ends in a slash, which is part of the path
    if not segment or segment in (".", ".."):
        raise ValueError("expected no empty segment, `.` or `..`: servers remove them from a path")
    if not (_SEGMENT.fullmatch(segment) or _PARAMETER.fullmatch(segment)):
        raise ValueError(
            "expected segments of letters, digits and -._~!$&'()+,;=:@ (no escape such as %20,"
            " which Apache and nginx decode and Envoy does not), {name}, or a final *;"
            f" got {segment!r}"
        )


def _pattern_of(segment: str) -> str:
    if _PARAMETER.fullmatch(segment):
        return "[^/]+"
    # A class needs no backslash, which each configuration file would treat in its own way.
    return _SPECIAL.sub(lambda special: f"[{special[0]}]", segment)

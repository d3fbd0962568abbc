"""Path to route tag, by the templates of docs/formats.md: `/watch/{id}`, `/api/*`.

`{name}` fits exactly one segment that is not empty, a final `*` any rest. Segment by segment a
literal beats a parameter and a parameter beats `*`; what fits none is `other`. These are the rules
of `mirror serve`, so that a log and a series.db of the same traffic say the same.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from estimator.errors import InputError, Problem
from estimator.series.rps import OTHER, route_tag

_PARAMETER = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")
_LITERAL = re.compile(r"[A-Za-z0-9._~!$&'()+,;=:@%-]*")
_REMEMBERED_PATHS = 1 << 16


class RouteTable:
    """Templates, compiled; `tags[match(path)]` is the tag of a path."""

    def __init__(self, templates: Sequence[str], option: str = "--route") -> None:
        """Raises InputError, naming `option`, for every bad template."""
        problems, ranked = [], []
        shapes: dict[tuple[tuple[int, str], ...], str] = {}
        tags: list[str] = []
        for template in templates:
            shape = _shape(template)
            tag = route_tag(template)
            if shape is None:
                rule = f"expected a path such as /watch/{{id}} or /api/*, got {template!r}"
                problems.append(Problem(option, rule))
                continue
            if shape in shapes or tag in tags:
                rule = f"expected other paths than those before, got {template!r}"
                problems.append(Problem(option, rule))
                continue
            shapes[shape] = template
            ranked.append((shape, len(tags)))
            tags.append(tag)
        if problems:
            raise InputError(problems)
        self.tags = (*tags, OTHER)
        # The first that fits is the best one: literals sort before parameters, those before `*`.
        ranked.sort()
        self._codes = [code for _, code in ranked]
        patterns = ["(" + "".join(_pattern(*part) for part in shape) + ")" for shape, _ in ranked]
        self._pattern = re.compile("(?s:" + "|".join(patterns) + r")\Z") if patterns else None
        self.match = lru_cache(_REMEMBERED_PATHS)(self._match)

    def _match(self, path: str) -> int:
        """Return the place among `tags` for the path of a request target, without its query."""
        found = self._pattern.match(path) if self._pattern else None
        if found is None or found.lastindex is None:
            return len(self.tags) - 1
        return self._codes[found.lastindex - 1]


def _shape(template: str) -> tuple[tuple[int, str], ...] | None:
    if not template.startswith("/"):
        return None
    segments = template[1:].split("/")
    shape = []
    for place, segment in enumerate(segments):
        if segment == "*" and place == len(segments) - 1:
            shape.append((2, ""))
        elif _PARAMETER.fullmatch(segment):
            shape.append((1, ""))
        elif _LITERAL.fullmatch(segment):
            shape.append((0, segment))
        else:
            return None
    return tuple(shape)


def _pattern(kind: int, literal: str) -> str:
    return "/" + (re.escape(literal), "[^/]+", ".*")[kind]

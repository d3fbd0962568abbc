"""Path to route tag: which template of the configuration a request path fits.

Keeps the number of tags bounded by configuration: a path that fits no template is `other`, so no
id and no query ever becomes a tag value. Matching walks a tree of path segments: its cost grows
with the depth of the path, not with the number of templates.
"""

import re
from collections.abc import Sequence

OTHER = "other"

_PARAMETER = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")
_LITERAL = re.compile(r"[A-Za-z0-9._~!$&'()+,;=:@%-]+")
_NOT_IN_TAG = re.compile(r"[^a-z0-9_\-:./]")


class TemplateError(ValueError):
    """`index` is the place of the bad template in the list."""

    def __init__(self, index: int, expected: str) -> None:
        super().__init__(expected)
        self.index = index


class _Node:
    __slots__ = ("literals", "parameter", "rest_tag", "tag")

    def __init__(self) -> None:
        self.literals: dict[bytes, _Node] = {}
        self.parameter: _Node | None = None
        self.tag: str | None = None
        """The template that ends here."""
        self.rest_tag: str | None = None
        """The template that ends here in `*`."""


class RouteTable:
    """Templates such as `/watch/{id}` and `/api/*`, compiled.

    `{name}` fits exactly one non-empty segment, a final `*` fits any rest (also an empty one).
    A literal beats a parameter, a parameter beats `*`.
    """

    def __init__(self, templates: Sequence[str]) -> None:
        """Raises TemplateError."""
        self._root = _Node()
        self.tags: tuple[str, ...] = ()
        """Every tag that `match` can return, `other` last."""
        tags: list[str] = []
        for index, template in enumerate(templates):
            tag = route_tag(template)
            if tag in tags:
                raise TemplateError(index, f"expected another tag than {tag}, which stands before")
            if tag == OTHER:
                raise TemplateError(index, "expected a template that starts with /")
            self._add(index, template, tag)
            tags.append(tag)
        self.tags = (*tags, OTHER)

    def _add(self, index: int, template: str, tag: str) -> None:
        if not template.startswith("/"):
            raise TemplateError(index, f"expected a template that starts with /, got {template!r}")
        node = self._root
        segments = template[1:].split("/")
        for place, segment in enumerate(segments):
            if segment == "*" and place == len(segments) - 1:
                if node.rest_tag is not None:
                    raise TemplateError(index, _same_paths(node.rest_tag))
                node.rest_tag = tag
                return
            if _PARAMETER.fullmatch(segment):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            elif segment == "" or _LITERAL.fullmatch(segment):
                node = node.literals.setdefault(segment.encode(), _Node())
            else:
                raise TemplateError(
                    index, f"expected segments such as name, {{id}} or a final *, got {template!r}"
                )
        if node.tag is not None:
            raise TemplateError(index, _same_paths(node.tag))
        node.tag = tag

    def match(self, target: bytes) -> str:
        """The tag of a request target in origin form (`/path?query`)."""
        segments = target.partition(b"?")[0].split(b"/")
        if segments[0]:
            return OTHER  # not in origin form
        node: _Node | None = self._root
        for segment in segments[1:]:
            assert node is not None
            node = node.literals.get(segment) or (node.parameter if segment else None)
            if node is None:
                break
        # The first way down is the best one where it leads to a template; only else others count.
        if node is not None and node.tag is not None:
            return node.tag
        return _walk(self._root, segments, 1) or OTHER


def _same_paths(tag: str) -> str:
    return f"expected other paths than those of {tag}, which stands before"


def _walk(node: _Node, segments: list[bytes], place: int) -> str | None:
    """The best template for the segments from `place` on, whatever way leads to it."""
    if place == len(segments):
        return node.tag
    segment = segments[place]
    literal = node.literals.get(segment)
    if literal is not None and (tag := _walk(literal, segments, place + 1)) is not None:
        return tag
    if (
        node.parameter is not None
        and segment
        and (tag := _walk(node.parameter, segments, place + 1)) is not None
    ):
        return tag
    return node.rest_tag


def route_tag(template: str) -> str:
    """The template as a Datadog tag value: lower case, other characters become `_`.

    `/watch/{id}` gives `/watch/_id_`, at most 190 characters (a tag may have 200 with its key).
    """
    return _NOT_IN_TAG.sub("_", template.lower())[:190]

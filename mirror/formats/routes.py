"""Path to route tag: which route template of the configuration a request path fits.

Invariant: the configuration bounds the number of tags. A path that fits no template gets the tag
`other`, so no id and no query ever becomes a tag value.

Templates are stored as a tree of path segments. Matching walks down that tree, so its cost grows
with the depth of the path and not with the number of templates. mypyc compiles this module, because
`match` runs once for every request of the sidecar.
"""

import re
from collections.abc import Sequence

OTHER = "other"
"""The tag of every path that fits no template."""

_PARAMETER = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")
_LITERAL = re.compile(r"[A-Za-z0-9._~!$&'()+,;=:@%-]+")
_NOT_IN_TAG = re.compile(r"[^a-z0-9_\-:./]")


class TemplateError(ValueError):
    """Some templates cannot be used.

    `problems` holds, for every bad template, its index in the list and what was expected.
    """

    def __init__(self, problems: Sequence[tuple[int, str]]) -> None:
        super().__init__("; ".join(expected for _, expected in problems))
        self.problems = tuple(problems)


class _BadTemplate(Exception):
    """One template cannot be used; the text says what was expected."""


class _Node:
    __slots__ = ("literals", "parameter", "rest_tag", "tag")

    def __init__(self) -> None:
        self.literals: dict[bytes, _Node] = {}
        self.parameter: _Node | None = None
        self.tag: str | None = None
        """The tag of the template that ends at this segment."""
        self.rest_tag: str | None = None
        """The tag of the template that ends in `*` below this segment."""


class RouteTable:
    """Compiled templates such as `/watch/{id}` and `/api/*`.

    `{name}` fits exactly one non-empty segment; a final `*` fits any rest, also an empty one.
    Segment by segment, a literal beats a parameter and a parameter beats `*`.
    """

    def __init__(self, templates: Sequence[str]) -> None:
        """Compile the templates; raise TemplateError, which names every bad one."""
        self._root = _Node()
        self.tags: tuple[str, ...] = ()
        """Every tag that `match` can return, in the order of the templates, `other` last."""
        self.templates = tuple(templates)
        tags: list[str] = []
        problems: list[tuple[int, str]] = []
        for index, template in enumerate(templates):
            tag = route_tag(template)
            try:
                if not template.startswith("/"):
                    raise _BadTemplate("expected a template that starts with /")
                if tag in tags:
                    raise _BadTemplate(f"expected another tag than {tag} of an earlier template")
                self._add(template, tag)
                tags.append(tag)
            except _BadTemplate as error:
                problems.append((index, f"{error}, got {template!r}"))
        if problems:
            raise TemplateError(problems)
        self.tags = (*tags, OTHER)

    def _add(self, template: str, tag: str) -> None:
        node = self._root
        segments = template[1:].split("/")
        for place, segment in enumerate(segments):
            if segment == "*" and place == len(segments) - 1:
                if node.rest_tag is not None:
                    raise _BadTemplate(_same_paths(node.rest_tag))
                node.rest_tag = tag
                return
            if _PARAMETER.fullmatch(segment):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            elif segment == "" or _LITERAL.fullmatch(segment):
                node = node.literals.setdefault(segment.encode(), _Node())
            else:
                raise _BadTemplate("expected segments such as name, {id} or a final *")
        if node.tag is not None:
            raise _BadTemplate(_same_paths(node.tag))
        node.tag = tag

    def match(self, target: bytes) -> str:
        """Return the tag of a request target in origin form (`/path?query`).

        A target in another form, such as `*` or an absolute URI, gets the tag `other`.
        """
        segments = target.partition(b"?")[0].split(b"/")
        if segments[0]:
            return OTHER  # not in origin form
        # The greedy walk takes the literal where one fits, else the parameter. If it ends at a
        # template, that template is the best one. Only if it fails does the search go back.
        node: _Node | None = self._root
        for segment in segments[1:]:
            assert node is not None
            node = node.literals.get(segment) or (node.parameter if segment else None)
            if node is None:
                break
        if node is not None and node.tag is not None:
            return node.tag
        return _walk(self._root, segments, 1) or OTHER


def _same_paths(tag: str) -> str:
    return f"expected other paths than those of {tag}, an earlier template"


def _walk(node: _Node, segments: list[bytes], place: int) -> str | None:
    """Return the tag of the best template below `node` for the segments from `place` on."""
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
    """Return the template as a Datadog tag value: lower case, other characters become `_`.

    `/watch/{id}` becomes `/watch/_id_` and `/api/*` becomes `/api/_`. The tag has at most 190
    characters, because Datadog allows 200 including the key.
    """
    return _NOT_IN_TAG.sub("_", template.lower())[:190]

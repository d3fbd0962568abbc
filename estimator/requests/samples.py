"""A path that stands for all paths of a template: of a route tag, or of the shape of a count."""

import re

from mirror.formats.path_shapes import HEX, UUID

PLACEHOLDER = "1"
"""Stands for any segment and any rest: an identifier is a number more often than anything else."""
_OF_A_KIND = {UUID: "3f2504e0-4f89-41d3-9a0c-0305e82c3301", HEX: "64a1f0c2"}
"""Stands for segments of which more is known, because a rule may ask for it."""

# `mirror.formats.routes.route_tag` writes `{id}` as `_id_`, and a final `*` as `_`.
_OF_A_TAG = re.compile(r"_(?:[a-z0-9_]*_)?")
_OF_A_SHAPE = re.compile(r"\{[^/{}]*\}|\*")


def path_of_tag(tag: str) -> str:
    """Return a path that has this route tag, as far as the tag tells."""
    return _with_placeholders(tag, _OF_A_TAG)


def path_of_shape(shape: str) -> str:
    """Return a path that has this shape, such as `/item/{number}` or `/static/*`."""
    return _with_placeholders(shape, _OF_A_SHAPE)


def _with_placeholders(template: str, pattern: re.Pattern[str]) -> str:
    segments = template.split("/")
    return "/".join(
        _OF_A_KIND.get(part, PLACEHOLDER) if pattern.fullmatch(part) else part for part in segments
    )

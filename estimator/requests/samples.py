"""A path that stands for all paths of a template: of a route tag, or of the shape of a count."""

import re

PLACEHOLDER = "1"
"""Stands for any segment and any rest: an identifier is a number more often than anything else."""

# `mirror.formats.routes.route_tag` writes `{id}` as `_id_`, and a final `*` as `_`.
_OF_A_TAG = re.compile(r"_(?:[a-z0-9_]*_)?")
_OF_A_SHAPE = re.compile(r"\{[^/{}]*\}|\*")


def path_of_tag(tag: str) -> str:
    """Return a path that has this route tag, as far as the tag tells."""
    return _with_placeholders(tag, _OF_A_TAG)


def path_of_shape(shape: str) -> str:
    """Return a path that has this shape, such as `/item/{id}` or `/static/*`."""
    return _with_placeholders(shape, _OF_A_SHAPE)


def _with_placeholders(template: str, pattern: re.Pattern[str]) -> str:
    segments = template.split("/")
    return "/".join(PLACEHOLDER if pattern.fullmatch(part) else part for part in segments)

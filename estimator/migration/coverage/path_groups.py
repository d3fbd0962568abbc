"""Paths that belong together: identifiers, and many siblings in one place, become one shape.

A reader wants one line for `/item/17`, `/item/18` and ten thousand more. mirror/formats gives
identifiers a placeholder. Where more than MOST_SIBLINGS other names stand in one place, they become
`{name}`: they are slugs, and nobody wrote a rule for each of them. That depends on all the paths
together, so these shapes are for a reader and for nothing that is added up later.
"""

from collections import Counter
from collections.abc import Iterable

from mirror.formats.path_shapes import HEX, NUMBER, UUID, shape_of

MOST_SIBLINGS = 12
"""Most names in one place that are shown one by one."""
MOST_FIRST = 40
"""Likewise for the first segment: the parts of a site rather than values."""
MOST_SEGMENTS = 20
"""Segments of a path that are looked at; the rest of a longer one is shown as `...`."""

NAME, REST = "{name}", "..."
IDENTIFIERS = frozenset({NUMBER, UUID, HEX})
PLACEHOLDERS = IDENTIFIERS | {NAME}


def shapes_of(paths: Iterable[str]) -> dict[str, str]:
    """Return the shape of each path; paths with one shape are one group."""
    shapes: dict[str, str] = {}
    segments = {path: shape_of(path).split("/") for path in paths}
    _add_shapes(segments, [*segments], [], shapes)
    members = Counter(shapes.values())
    return {
        # A name that nothing else was put together with is no value.
        path: shape if members[shape] > 1 or NAME not in shape else "/".join(segments[path])
        for path, shape in shapes.items()
    }


def _add_shapes(
    segments: dict[str, list[str]], paths: list[str], prefix: list[str], shapes: dict[str, str]
) -> None:
    place = len(prefix)
    children: dict[str, list[str]] = {}
    for path in paths:
        if place == len(segments[path]):
            shapes[path] = "/".join(prefix)
        elif place > MOST_SEGMENTS:
            shapes[path] = "/".join([*prefix, REST])
        else:
            children.setdefault(segments[path][place], []).append(path)
    names = [segment for segment in children if segment and segment not in PLACEHOLDERS]
    if len(names) > (MOST_FIRST if place == 1 else MOST_SIBLINGS):
        children[NAME] = [path for name in names for path in children.pop(name)]
    for segment, inner in children.items():
        _add_shapes(segments, inner, [*prefix, segment], shapes)

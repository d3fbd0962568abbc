"""Whether nginx sent a request for the other mode than this sidecar's, and the words for it.

The configurations of nginx for the two modes look alike from here, and a sidecar that served the
other one would harm production: in mode inline it would send each copy to the application as if it
were production, and in mode sink it would answer clients with an empty 204. So deploy/nginx names
its mode in X-Mirror-Mode, and a request for the other mode gets no answer at all: nginx then does
what it does without a sidecar. A request that names no mode is served, because not every nginx
does. Our own mirror location could be told before by its X-Mirror-Request-Id, which no
configuration of mode inline sets.
"""

from typing import Final

WRONG_MODE: Final = "wrong_mode"
"""The reason of the refusal, and the name of its counter."""
MODE_FIELD: Final = b"x-mirror-mode"
_COPY_FIELD: Final = b"x-mirror-request-id"
_MARK: Final = b"x-mirror-leg"

NAMES_NONE: Final = -1
"""The fields name no mode."""
NAMES_SINK: Final = -2
"""They name none, but are those of a mirror location."""

_WORDS = {
    "sink": "nginx has the configuration of mode inline, but this sidecar is in mode sink, and "
    "would answer clients with an empty 204",
    "inline": "nginx has the configuration of mode sink, but this sidecar is in mode inline, and "
    "would send each copy to the application as well",
}
_INSTEAD = "give both the same mode: docs/operations.md, Changing the mode"


def mode_at(names: list[bytes]) -> int:
    """Return the place of the field that names the mode, NAMES_NONE or NAMES_SINK.

    `names` are those of a head, in lower case. A copy of another sidecar carries the id as well; it
    has a mark and names no mode of this nginx.
    """
    if MODE_FIELD in names:
        return names.index(MODE_FIELD)
    return NAMES_SINK if _COPY_FIELD in names and _MARK not in names else NAMES_NONE


def is_wrong_mode(at: int, values: list[bytes], is_sink: bool) -> bool:
    """Return whether a head is for the other mode; `at` is its `mode_at`, and not NAMES_NONE."""
    if at == NAMES_SINK:
        return not is_sink
    return values[at].strip(b" \t") == (b"inline" if is_sink else b"sink")


def wrong_mode(mode: str) -> str:
    """Return what is wrong where a sidecar in this mode gets such requests, and what to do."""
    return f"{_WORDS[mode]}: such requests get no answer; {_INSTEAD}"

"""The counts of URIs that a sidecar serves at /uris: their types, format id, version and reading.

`mirror serve` writes the document, and `estimate coverage --from-uris` reads it. docs/formats.md
describes every key. Keys may be added within a version; none is renamed.

The document is a summary in bounded memory. Its counts are exact until the sidecar has met more
URIs than it keeps; beyond, `missing_most` bounds what is missing of each URI. In any case

    seen = sum of all counts + not_kept + waiting + lost.
"""

from pathlib import Path
from typing import Annotated

import msgspec

from mirror.formats.bounded_files import Limit
from mirror.formats.json_documents import decode_document, read_document

LIMIT = Limit(64 << 20)
"""Most bytes of a document; an entry has about 200."""
FORMAT = "kagami-uri-counts"
VERSION = 1

MOST_URIS = 100_000
"""Most URIs of a document, and the most that `uris.most` allows."""
OTHER = "*"
"""Stands for a method, a host or a name that was too long or too odd to be kept; and, at the end of
a path that `is_shape`, for any rest."""

Count = Annotated[int, msgspec.Meta(ge=0)]
UnixSecond = Annotated[int, msgspec.Meta(ge=0, le=1 << 37)]


class UriCount(msgspec.Struct, frozen=True):
    """The production requests with one host, method, path and set of query parameters."""

    host: str
    """In lower case, perhaps with a port; empty where a request had none."""
    method: str
    path: str
    """As sent, a character for each byte, with its secrets redacted; without the query."""
    query: list[str]
    """The different names of the query's parameters, sorted; never their values."""
    count: Count
    """Requests; there may be `missing_most` more."""
    first_s: UnixSecond
    """The Unix second of the first request that is counted here."""
    last_s: UnixSecond
    is_shape: bool = False
    """The path is the shape (path_shapes.py) of several, perhaps with a final `*` for any rest. It
    counts the requests of that shape that have no entry of their own."""
    outcomes: dict[str, Count] = {}
    """In mode inline, how the primary's leg of these requests ended: 2xx, 4xx, timeout and so on.
    Requests that have not ended are in no outcome."""


class UriCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of /uris."""

    format: str
    version: int
    instance: str
    mode: str
    """sink or inline."""
    since_s: UnixSecond
    """The Unix second in which counting began."""
    until_s: UnixSecond
    """The Unix second of this answer."""
    most: Count
    """Most URIs that are kept (`uris.most`)."""
    seen: Count
    """Production requests that the workers counted."""
    not_kept: Count
    """Requests of `seen` that no entry counts, because there are more URIs than are kept."""
    waiting: Count
    """Requests of `seen` that workers have not sent yet."""
    lost: Count
    """Requests of `seen` that a worker held when it died."""
    missing_most: Count
    """No URI has more requests than this that are counted neither in its own entry nor in that of
    its shape, besides those waiting and lost."""
    uris: Annotated[list[UriCount], msgspec.Meta(max_length=MOST_URIS)]
    """In the order of falling counts."""


def decode(data: bytes | str) -> UriCounts:
    """Return the document in this JSON. Raises ValueError that says what was expected."""
    document = decode_document(data, UriCounts, FORMAT, VERSION, "that a sidecar serves at /uris")
    parts = (document.not_kept, document.waiting, document.lost)
    counted = sum(uri.count for uri in document.uris) + sum(parts)
    if counted != document.seen:
        raise ValueError(
            "seen: expected the sum of all counts, not_kept, waiting and lost,"
            f" {counted}, got {document.seen}"
        )
    return document


def read(path: Path) -> UriCounts:
    """Return the document in a file. Raises InputError that names the file."""
    return read_document(path, LIMIT, decode)


def to_json(document: UriCounts) -> bytes:
    """Return the JSON of a document on one line."""
    return msgspec.json.encode(document)

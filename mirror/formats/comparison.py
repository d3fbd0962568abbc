"""The comparison that a sidecar serves at /comparison: its types, format id, version and reading.

`mirror serve` writes the document; `mirror compare` and `estimate order` read it. docs/formats.md
describes every key. Keys may be added within a version; none is renamed.

In every route, the sum of `classes` equals the sum of `results`, and both histograms hold no more
latencies than that. Every shadow leg that ended is in one of `results`, in one of `uncompared`, or
in `waiting`.
"""

from pathlib import Path
from typing import Annotated

import msgspec

from mirror.formats.bounded_files import Limit
from mirror.formats.json_documents import decode_document, read_document

LIMIT = Limit(32 << 20)
"""Most bytes of a document; a route has about 8 KB, an example about 400 bytes."""
FORMAT = "kagami-comparison"
VERSION = 1

SERVED = frozenset({"same", "size", "better"})
"""The results of pairs that the shadow served as production did, or better."""

PAIRS_STEP_S = 10
"""Pairs of one second of such a step count for all of it."""
MOST_ROUTES = 10_000
MOST_EXAMPLES = 1000
MOST_BUCKETS = 8192
"""Most buckets of a histogram; core/latency.py makes fewer."""

Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
Counts = Annotated[dict[str, Count], msgspec.Meta(max_length=1000)]
Bucket = Annotated[int, msgspec.Meta(ge=0, lt=MOST_BUCKETS)]
Buckets = Annotated[dict[Bucket, Count], msgspec.Meta(max_length=MOST_BUCKETS)]
Status = Annotated[int, msgspec.Meta(ge=0, le=999)]
UnixSecond = Annotated[int, msgspec.Meta(ge=0, le=1 << 37)]


class RouteComparison(msgspec.Struct, frozen=True):
    """All pairs of one route."""

    route: str
    classes: Counts
    """Pairs by the classes of both statuses, production's first: `2xx>4xx`; `none` is no answer."""
    results: Counts
    """Pairs by their result; docs/metrics.md lists the results."""
    uncompared: Counts
    """Shadow legs that ended and make no pair, by the reason."""
    primary_latency: Buckets
    """Histogram of core/latency.py: the index of a bucket, and the answers in it."""
    shadow_latency: Buckets
    """The same for the shadow's answers."""


class Example(msgspec.Struct, frozen=True):
    """Requests that the shadow did not serve as production did, with the same URI and statuses."""

    route: str
    result: str
    method: str
    host: str
    path: str
    """Redacted as in /uris, without the query."""
    names: list[str]
    """The different names of the query's parameters, sorted; never their values."""
    primary_status: Status
    """0 is no answer."""
    shadow_status: Status
    location: str
    """Where the shadow's redirect leads to, without the query; empty for other answers."""
    count: Count
    first_s: UnixSecond
    last_s: UnixSecond
    request_id: str
    """The id of the newest of them; empty without one."""


class Log(msgspec.Struct, frozen=True):
    """What the sidecar received of production's access log, in mode sink."""

    source: str
    lines: Count
    matched: Count
    """Lines that met their copy."""
    without_copy: Count
    """Lines whose request had no copy within the window: it was not selected, or shed."""
    lost: Counts
    """Lines that are missing or could not be used, by the reason."""
    newest_s: float | None
    """The Unix time of the newest line, by the clock of its writer; None before the first."""
    waiting: Count = 0
    """Lines whose copy may still come. Every line that arrived is here, matched, without a copy,
    repeated, or lost for a reason other than `gap` and `flood`."""
    repeated: Count = 0
    """Lines of a request that had a line before: whoever reads this log counts it twice."""
    offset_s: float | None = None
    """By how many seconds the sidecar's clock is ahead of that of the lines, or the lines are late;
    None where that is a second or less."""
    problem: str = ""
    """Why nothing is read at present; empty where all is well."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of /comparison."""

    format: str
    version: int
    instance: str
    mode: str
    """sink or inline."""
    since_s: UnixSecond
    """The Unix second in which the sidecar began to compare."""
    until_s: UnixSecond
    """The Unix second of this answer."""
    pairs_s: Count | None = None
    """Seconds with pairs, in steps of PAIRS_STEP_S; None from a sidecar that does not say it."""
    waiting: Count
    """Shadow legs that ended and whose other side is not known yet."""
    shows_origin: bool | None = None
    """Whether the shadow's answers carry `x-envoy-upstream-service-time`. Without it, a route that
    Envoy misses and a 404 of the application look alike. None while no success has shown it."""
    routes: Annotated[list[RouteComparison], msgspec.Meta(max_length=MOST_ROUTES)]
    examples: Annotated[list[Example], msgspec.Meta(max_length=MOST_EXAMPLES)]
    """In the order of falling counts."""
    examples_not_kept: Count
    """Pairs with a new error that no example counts."""
    log: Log | None
    """None in mode inline."""


def is_new_error(result: str) -> bool:
    """Return whether the shadow did not serve what production served.

    A result that this version does not know counts as one: it must not hide.
    """
    return result not in SERVED


def decode(data: bytes | str) -> Comparison:
    """Return the document in this JSON. Raises ValueError that says what was expected."""
    document = decode_document(
        data, Comparison, FORMAT, VERSION, "that a sidecar serves at /comparison"
    )
    for place, route in enumerate(document.routes):
        pairs = sum(route.results.values())
        if sum(route.classes.values()) != pairs:
            raise ValueError(
                f"routes[{place}].classes: expected the sum of its results, {pairs},"
                f" got {sum(route.classes.values())}"
            )
        for name in ("primary_latency", "shadow_latency"):
            answers = sum(getattr(route, name).values())
            if answers > pairs:
                raise ValueError(
                    f"routes[{place}].{name}: expected no more answers than results, {pairs},"
                    f" got {answers}"
                )
    return document


def read(path: Path) -> Comparison:
    """Return the document in a file. Raises InputError that names the file."""
    return read_document(path, LIMIT, decode)


def to_json(document: Comparison) -> bytes:
    """Return the JSON of a document on one line."""
    return msgspec.json.encode(document)

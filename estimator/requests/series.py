"""What a series says that production received: route tags with their counts, and nothing else.

A tag is a whole template in lower case, without method, host or query. One sample path stands for
each template, so a rule that tells its paths apart cannot be judged. That is a doubt in any event.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from estimator.errors import Refusal, Refused
from estimator.requests.observations import Observation, Observations
from estimator.requests.samples import PLACEHOLDER, path_of_tag
from estimator.requests.summary import said_of_time
from estimator.routing.request import Request
from estimator.series.files import read_series
from estimator.series.hosts import read_hosts
from estimator.series.rps import RpsSeries
from mirror.formats.routes import OTHER

_DOUBT = (
    "a series holds route tags only: each whole template, in lower case and without method, host"
    f" and query, is judged by one sample path, in which `{PLACEHOLDER}` stands for every"
    " parameter. Read an access log, a capture or the sidecar's counts of URIs instead"
)


def observe_series(paths: Sequence[Path]) -> Observations:
    """Return an observation for each route tag; the files are those of several hosts.

    Raises InputError for a file that is no series, Refused for one without a request.
    """
    now = time.time()
    return observations_of(read_hosts(paths, lambda path: read_series(path, now)))


def observations_of(series: RpsSeries) -> Observations:
    """Return an observation for each route tag of a series. Raises Refused."""
    items: list[Observation] = []
    other = 0
    for tag, rps in zip(series.routes, series.rps, strict=True):
        count = round(float(np.nansum(rps)) * series.resolution_s)
        if tag == OTHER:
            other = count
        elif count:
            items.append(_observation(series, tag, count, np.flatnonzero(rps > 0)))
    if not items:
        problem = f"holds no request beside {other:,} of the route `{OTHER}`, whose paths it lacks"
        advice = "Read an access log, a capture or the sidecar's counts of URIs"
        raise Refused([Refusal(series.source, problem, advice)])
    others = f"requests of the route `{OTHER}`, whose paths the series does not hold"
    doubts = [_DOUBT, *series.doubts]
    if other:
        doubts.append(f"{other:,} {others}, are not judged")
    seconds = (min(_first_s(item) for item in items), max(_last_s(item) for item in items))
    return Observations(
        items=tuple(sorted(items, key=lambda item: (-item.count, item.request.target))),
        source=series.source,
        count=sum(item.count for item in items),
        seconds=seconds,
        left_out={others: other} if other else {},
        notes=(*series.warnings, *series.repairs, *series.caveats, *said_of_time(seconds)),
        doubts=tuple(doubts),
    )


def _observation(
    series: RpsSeries, tag: str, count: int, buckets: "np.ndarray[tuple[int], np.dtype[np.intp]]"
) -> Observation:
    path = path_of_tag(tag)
    first_s, last_s = (
        float(series.start + int(bucket) * series.resolution_s) for bucket in buckets[[0, -1]]
    )
    return Observation(Request("", "", path), count, first_s, last_s, is_sample=path != tag)


def _first_s(item: Observation) -> float:
    assert item.first_s is not None
    return item.first_s


def _last_s(item: Observation) -> float:
    assert item.last_s is not None
    return item.last_s

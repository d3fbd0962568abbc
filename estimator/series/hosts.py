"""The series of several hosts as one: what all of them together received in each second.

A second counts only where every file has it. Where one of them was not watching, its requests are
missing, so the sum would be too low: such a second is a gap, and the gaps are counted.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.series.limits import MAX_CELLS
from estimator.series.rps import RpsSeries


def read_hosts(paths: Sequence[Path], read: Callable[[Path], RpsSeries]) -> RpsSeries:
    """Return the sum over these files; one file is returned as it is.

    Raises InputError for a file that is named twice, Refused for files that cannot be added up.
    """
    if len(paths) == 1:
        return read(paths[0])
    _check_distinct(paths)
    return sum_of([read(path) for path in paths])


def _check_distinct(paths: Sequence[Path]) -> None:
    first_of: dict[str, Path] = {}
    problems = []
    for path in paths:
        first = first_of.setdefault(os.path.realpath(path), path)
        if first is not path:
            rule = f"is the same file as {first}: its requests would count twice"
            problems.append(Problem(str(path), rule))
    if problems:
        raise InputError(problems)


def sum_of(hosts: Sequence[RpsSeries]) -> RpsSeries:
    """Return the sum of at least two series, from the first second of any to the last of any.

    Raises Refused for series of different resolutions, or without a bucket that all of them have.
    """
    names = "; ".join(host.source for host in hosts)
    step = hosts[0].resolution_s
    if any(host.resolution_s != step for host in hosts):
        each = ", ".join(f"{host.source} one value each {host.resolution_s} s" for host in hosts)
        advice = "Export all of them with the same step"
        raise Refused([Refusal(names, f"cannot be added up: {each}", advice)])
    start = min(host.start for host in hosts)
    width = max(host.start + host.duration_s for host in hosts) - start
    routes = tuple(sorted({route for host in hosts for route in host.routes}))
    if (width := width // step) * len(routes) > MAX_CELLS:
        reason = f"span {width * step} s over {len(routes)} routes"
        raise Refused([Refusal(names, reason, "Was a clock wrong?")])
    total = np.zeros((len(routes), width))
    seen = np.zeros(width, dtype=np.int64)
    for host in hosts:
        first = (host.start - start) // step
        place = slice(first, first + host.rps.shape[1])
        seen[place] += host.is_observed
        for route, row in zip(host.routes, host.rps, strict=True):
            part = total[routes.index(route), place]
            np.add(part, row, out=part, where=~np.isnan(row))
    is_complete = seen == len(hosts)
    if not is_complete.any():
        reason = "have no second in common: files are added up, as those of several hosts"
        advice = "Name files of the same time; several files of one host have to be one file first"
        raise Refused([Refusal(names, reason, advice)])
    total[:, ~is_complete] = np.nan
    partial_s = int((seen > 0).sum() - is_complete.sum()) * step
    return RpsSeries(
        source=f"the sum of {names}",
        start=start,
        resolution_s=step,
        routes=routes,
        rps=total,
        averaging_s=hosts[0].averaging_s,
        caveats=tuple(dict.fromkeys(caveat for host in hosts for caveat in host.caveats)),
        repairs=(
            *(f"{host.source}: {repair}" for host in hosts for repair in host.repairs),
            *_partial(partial_s, len(hosts)),
        ),
        warnings=tuple(f"{host.source}: {words}" for host in hosts for words in host.warnings),
        doubts=tuple(f"{host.source}: {doubt}" for host in hosts for doubt in host.doubts),
    )


def _partial(partial_s: int, hosts: int) -> tuple[str, ...]:
    if not partial_s:
        return ()
    return (f"{partial_s} s that not all {hosts} files have left out as gaps",)

"""The one rule of confidence: when the evidence does not carry an answer.

A doubt is a sentence that says what is missing and why it matters. An answer with a doubt has low
confidence: the report opens with the doubts, and the exit code is 3. Nothing else sets either.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from estimator import units
from estimator.model.component import ComponentProjection
from estimator.model.demand.hours import HOUR_S, Basis, ExpectedLoad
from estimator.model.evidence.efficiency import measure
from estimator.model.evidence.evidence import Evidence
from estimator.model.evidence.memory import follow
from estimator.model.figure import digits
from estimator.model.nodes.capacity import Cluster
from estimator.model.policy import Policy
from estimator.model.sizing.replicas import size
from estimator.series.rps import ALL_ROUTES, RpsSeries
from estimator.table.load_points import Component, Kind, Table, Verdict
from estimator.table.plausibility import slips

MIN_OBSERVED_S = 86_400
"""A peak belongs to a day; in less than one the highest hour may be missing."""
MIN_WEEK_S = 7 * 86_400 - 3_600
"""The days of a week differ, and the highest of them decides. An hour is missing at the end of what
a monitoring system knows, or at the start of a recording."""
MIN_WEEKDAY_S = 43_200
"""Half of a day, as for a daily maximum; the gaps in all of the time are judged on their own."""
MOST_STALE_S = 28 * 86_400
"""Between the end of a series and the day that it is used for. Four weeks bring releases, campaigns
and a new month."""
MIN_COMPLETENESS_RATIO = 0.9
"""With more than a tenth unseen, the peak may have been there."""
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


MIN_LOADS = 3
"""Different rps per replica. With fewer, no row can be left out, so no error can be estimated."""
MOST_SCALED = 3.0
"""The peak over the largest measured total. What replicas share shows late, and then suddenly."""
MOST_ROWS_NAMED = 20
SPOILT = {
    Verdict.GENERATOR_BOUND: "the generator was slower than its target",
    Verdict.TOO_SHORT: "the run was too short",
    Verdict.NOISY: "the load or cpu was not steady",
    Verdict.NON_MONOTONE: "cpu falls as rps rises",
}
"""The verdicts that ask for another measurement, and why."""


def doubts(series: RpsSeries, table: Table, cluster: Cluster | None) -> tuple[str, ...]:
    """Return why an answer from this evidence must not be relied on alone; empty if it may be.

    What concerns a component comes from the functions below.
    """
    return (*series.doubts, *time_doubts(series), *_of_files(table, cluster))


def spike_doubts(
    components: Iterable[ComponentProjection], evidence: Mapping[str, Evidence], policy: Policy
) -> Iterator[str]:
    """Yield a doubt for every component whose peak a few seconds decide, with what it is without.

    `evidence` is that of each component by name.
    """
    for component in components:
        demand = component.demand
        if demand is None or demand.spike is None:
            continue
        at = np.datetime64(component.peak_second, "s").item()
        words = (
            f"{component.name}: the peak of {units.format_rps(demand.observed.value)} rps at"
            f" {at:%Y-%m-%d %H:%M:%S} UTC rests on {demand.spike.duration_s} s of all the time;"
            f" without that the highest is {units.format_rps(demand.spike.rest_rps)} rps"
        )
        if demand.peak_without_spike_rps:
            # A lower peak than one that was answered is answered too.
            sizing = size(demand.peak_without_spike_rps, evidence[component.name], policy)
            needed = f"{component.replicas.value:g}"
            words += f", for which {sizing.replicas} of the {needed} replicas are enough"
        yield f"{words}. Find out what it was"


def row_doubts(component: Component) -> Iterator[str]:
    """Yield why what a table holds of a component is not enough to rely on; nothing if it is.

    A saturated or failing row is no fault, because it shows where the component ends. A row spoilt
    by the generator, a short run or noise is one that somebody meant to have.
    """
    spoilt: dict[Verdict, list[str]] = {}
    for point in component.points:
        if point.judgement is not None and point.judgement.verdict in SPOILT:
            spoilt.setdefault(point.judgement.verdict, []).append(str(point.row))
    for verdict, rows in spoilt.items():
        named = ", ".join(rows[:MOST_ROWS_NAMED])
        if len(rows) > MOST_ROWS_NAMED:
            named += f" and {len(rows) - MOST_ROWS_NAMED} more"
        yield f"row{'s' * (len(rows) > 1)} {named} should be measured again ({SPOILT[verdict]})"
    used = component.used_points
    loads = len({point.rps_per_replica for point in used})
    if loads < MIN_LOADS:
        yield (
            f"has {loads} usable load{'s' * (loads != 1)}; an estimate of the error needs at least"
            f" {MIN_LOADS}"
        )
    yield from slips(component)
    for container in component.requests:
        memory = [point.usage[container].memory_bytes for point in used]
        if used and follow([point.rps_per_replica for point in used], memory).grows:
            yield (
                f"memory of {container} grows from row to row, {units.format_memory(memory[0])} to"
                f" {units.format_memory(memory[-1])}, whatever the rps: time decides, not rps (a"
                " leak, a cache or a heap). Measure until it stays the same"
            )
    scaling = measure(used)
    if scaling.doubt is not None:
        yield scaling.doubt
    yield from _unstated(component)


def component_doubts(
    components: Iterable[ComponentProjection], evidence: Mapping[str, Evidence]
) -> Iterator[str]:
    """Yield the doubts about the rows of every answered component, and about how far they reach."""
    for component in components:
        known = evidence[component.name]
        for doubt in row_doubts(known.component):
            yield f"{component.name}: {doubt}"
        peak_rps, largest = component.peak.value, known.largest
        if peak_rps > MOST_SCALED * largest.rps:
            how = "scale linearly" if known.scaling.law is None else "follow the scaling law"
            yield (
                f"{component.name}: the peak of {units.format_rps(peak_rps)} rps is"
                f" {digits(peak_rps / largest.rps, 3)} times the largest row,"
                f" {units.format_rps(largest.rps)} rps over {largest.replicas} replica(s): nobody"
                f" saw that replicas {how} beyond {MOST_SCALED:g} times. Measure more of them"
                " together"
            )


def hour_doubts(loads: Iterable[ExpectedLoad], resolution_s: int) -> Iterator[str]:
    """Yield a doubt where the load of an hour does not rest on the same hour of a recorded week."""
    if resolution_s > HOUR_S:
        yield (
            f"the series has one value each {units.format_duration(resolution_s)}: it does not know"
            " the hours of a day"
        )
    loads = tuple(loads)
    if any(load.rps == 0 for load in loads):
        yield (
            "no request was recorded in the hours of the switch: its steps show nothing, and its"
            " replicas are for no load"
        )
    bases = {load.basis for load in loads}
    for basis in (Basis.DAYS, Basis.EVERYTHING):
        if basis in bases:
            yield (
                f"the hours of the switch were not observed on that day of the week: {basis.value}"
                " stands for them"
            )


def day_doubts(series: RpsSeries, start: int) -> Iterator[str]:
    """Yield why the series may say nothing about a day, which begins at this Unix time."""
    late_s = start - series.start - series.duration_s
    if late_s < 0:
        yield (
            f"the first step begins {units.format_duration(-late_s)} before the end of the series:"
            " that day has passed"
        )
    elif late_s > MOST_STALE_S:
        yield (
            f"the series ends {late_s // 86_400} days before the first step: what has changed since"
            " then is not in it"
        )


def path_doubts(table: Table, policy: Policy) -> Iterator[str]:
    """Yield a doubt where the table has no pod for paths that somebody names for phase 3."""
    pods = [component.routes for component in table.components if component.kind is Kind.POD]
    lacking = [
        path
        for path in policy.paths
        if not any(path in routes or ALL_ROUTES in routes for routes in pods)
    ]
    if policy.phase == 3 and lacking:
        yield (
            f"no pod of the table carries {', '.join(lacking)}: how many replicas its application"
            " needs is not known; if it stays on Swarm, plan --phase 2"
        )


def time_doubts(series: RpsSeries) -> Iterator[str]:
    """Yield why the time of a series may not hold the peak."""
    if series.observed_s < MIN_OBSERVED_S:
        yield (
            f"only {units.format_duration(series.observed_s)} were observed, less than"
            f" {units.format_duration(MIN_OBSERVED_S)} of the 7d that are needed: the peak of the"
            " day may not be among them"
        )
    elif missing := _missing_weekdays(series):
        listed = " and ".join(filter(None, (", ".join(missing[:-1]), missing[-1])))
        yield (
            f"{units.format_duration(series.observed_s)} were observed, without a whole"
            f" {listed}: the peak of the week may be on a day that is missing"
        )
    elif series.duration_s < MIN_WEEK_S:
        yield (
            f"only {units.format_duration(series.duration_s)} were observed, less than 7d: the peak"
            " of the week may not be among them"
        )
    if series.completeness_ratio < MIN_COMPLETENESS_RATIO:
        yield (
            f"{1 - series.completeness_ratio:.0%} of"
            f" {units.format_duration(series.duration_s)} are gaps, more than"
            f" {1 - MIN_COMPLETENESS_RATIO:.0%}: the peak may have been there"
        )


def _missing_weekdays(series: RpsSeries) -> list[str]:
    """Return the days of the week, in UTC, of which less than half was observed."""
    days = np.flatnonzero(series.is_observed)
    # In place: a small file may hold a month of seconds.
    days *= series.resolution_s
    days += series.start
    days //= 86_400
    # 1970-01-01 was a Thursday.
    days += 3
    days %= 7
    weekdays = np.bincount(days, minlength=7) * series.resolution_s
    return [name for name, seen_s in zip(WEEKDAYS, weekdays, strict=True) if seen_s < MIN_WEEKDAY_S]


def _of_files(table: Table, cluster: Cluster | None) -> Iterator[str]:
    if cluster is not None and cluster.is_example:
        yield "the nodes and their prices are the bundled example: nobody asks for them"
    if table.is_example:
        yield "the table is the bundled example: nobody measured it on your cluster"


def _unstated(component: Component) -> Iterator[str]:
    """Yield what a table holds of a component without anybody having stated or measured it."""
    if "requests" in component.assumed:
        yield (
            "nobody stated its requests, and they decide its replicas: the table holds the"
            " highest measured amounts. Write the Pod's own there, and delete `requests` from"
            " `assumed`"
        )
    if "routes" in component.assumed:
        yield (
            f"nobody stated its routes: {', '.join(component.routes)} decides how much"
            " traffic it gets. Write its own there, and delete `routes` from `assumed`"
        )
    if component.kind is not Kind.GATEWAY or len(component.requests) == 1:
        return
    for container, point in component.idle_containers.items():
        used = units.format_cpu(point.usage[container].cpu_millicores)
        yield (
            f"{container} used {used} at {units.format_rps(point.rps_per_replica)} rps per"
            f" replica (row {point.row}), so the load went past it. Production's requests may not,"
            " as with a log nginx: measure with a load that passes through it"
        )

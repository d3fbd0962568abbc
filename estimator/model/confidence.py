"""The one rule of confidence: when the evidence does not carry an answer.

A doubt is a sentence that says what is missing and why it matters. An answer with a doubt has low
confidence: the report opens with the doubts, and the exit code is 3. Nothing else sets either.
"""

from collections.abc import Iterator

from estimator import units
from estimator.model.nodes.capacity import Cluster
from estimator.series.rps import RpsSeries
from estimator.table.load_points import Table

MIN_OBSERVED_S = 86_400
"""A peak belongs to a day; in less than one the highest hour may be missing."""
MIN_COMPLETENESS_RATIO = 0.9
"""With more than a tenth unseen, the peak may have been there."""


def doubts(series: RpsSeries, table: Table, cluster: Cluster | None) -> tuple[str, ...]:
    """Return why an answer from this evidence must not be relied on alone; empty if it may be."""
    return (*series.doubts, *_of_time(series), *_of_files(table, cluster))


def _of_time(series: RpsSeries) -> Iterator[str]:
    if series.observed_s < MIN_OBSERVED_S:
        yield (
            f"only {units.format_duration(series.observed_s)} were observed, less than"
            f" {units.format_duration(MIN_OBSERVED_S)}: the peak of the day may not be among them"
        )
    if series.completeness_ratio < MIN_COMPLETENESS_RATIO:
        yield (
            f"{1 - series.completeness_ratio:.0%} of"
            f" {units.format_duration(series.duration_s)} are gaps, more than"
            f" {1 - MIN_COMPLETENESS_RATIO:.0%}: the peak may have been there"
        )


def _of_files(table: Table, cluster: Cluster | None) -> Iterator[str]:
    if cluster is not None and cluster.is_example:
        yield "the nodes and their prices are the bundled example: nobody asks for them"
    if table.is_example:
        yield "the table is the bundled example: nobody measured it on your cluster"

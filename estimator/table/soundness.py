"""What keeps a table from being relied on: rows whose measurement failed, and too few rows.

A saturated or a failing row is no fault: it shows where the component ends. A row that the
generator, the length of the run or noise spoilt is one that somebody meant to have.
"""

from collections.abc import Iterator

from estimator.table.load_points import Component, Verdict

MIN_LOADS = 3
"""Different rps per replica: with fewer no row can be left out, so no error is known."""

SPOILT = frozenset(
    (Verdict.GENERATOR_BOUND, Verdict.TOO_SHORT, Verdict.NOISY, Verdict.NON_MONOTONE)
)


def shortcomings(component: Component) -> Iterator[str]:
    """Yield in words what should be measured again; nothing for a sound component."""
    spoilt = [
        point.row
        for point in component.points
        if point.judgement is not None and point.judgement.verdict in SPOILT
    ]
    if spoilt:
        rows = ", ".join(str(row) for row in spoilt)
        yield f"row{'s' * (len(spoilt) > 1)} {rows} should be measured again"
    loads = {point.rps_per_replica for point in component.used_points}
    if len(loads) < MIN_LOADS:
        yield (
            f"has {len(loads)} different load{'s' * (len(loads) != 1)} that can be used, and"
            f" {MIN_LOADS} are the least by which an error can be known"
        )

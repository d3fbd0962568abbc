"""Says why a component's rows are not enough to rely on: spoilt measurements, or too few loads.

A saturated or failing row is no fault, because it shows where the component ends. A row spoilt by
the generator, a short run or noise is one that somebody meant to have.
"""

from collections.abc import Iterator

from estimator.table.load_points import Component, Verdict

MIN_LOADS = 3
"""Different rps per replica. With fewer, no row can be left out, so no error can be estimated."""

SPOILT = frozenset(
    (Verdict.GENERATOR_BOUND, Verdict.TOO_SHORT, Verdict.NOISY, Verdict.NON_MONOTONE)
)


def shortcomings(component: Component) -> Iterator[str]:
    """Yield one sentence for each reason to measure again; nothing for a sound component."""
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
            f"has {len(loads)} usable load{'s' * (len(loads) != 1)}; an estimate of the error needs"
            f" at least {MIN_LOADS}"
        )

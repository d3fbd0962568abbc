"""The smallest count of replicas that serves a load, where replicas may disturb each other.

    R = smallest R with R e(R) x >= load

| symbol | meaning | unit |
|---|---|---|
| x | what one replica may get, among as many as the evidence is stated for | requests/s |
| e(R) | efficiency among R replicas (evidence/efficiency.py) | fraction |

Where replicas lose so much that more of them serve less, no count may serve the load. Then the
answer is refused.

Worked: e = 1 / (1 + 0.25 (R - 1) / 4) and x = 100: 3 replicas serve 266.7 rps and 4 serve 336.8.
"""

import math

from estimator import units
from estimator.errors import Refusal, Refused
from estimator.model.evidence.evidence import Evidence

MOST_REPLICAS = 100_000
"""A larger answer means that an input has the wrong unit."""


def replicas_for(busiest_rps: float, capacity_rps: float, evidence: Evidence) -> int:
    """Return the smallest R with R e(R) capacity >= load, `busiest_rps` being peak times phi.

    The capacity is that of a replica among as many as the evidence is stated for. Raises Refused
    if the rows say that no count serves it.
    """
    # A quotient of 3.0000000001 is three replicas and rounding noise.
    alone_rps = capacity_rps * evidence.efficiency(1)
    count = max(1, math.ceil(min(busiest_rps / alone_rps, 2 * MOST_REPLICAS) - 1e-9))
    if count > MOST_REPLICAS:
        reason = (
            f"{units.format_rps(busiest_rps)} rps at {capacity_rps:.3g} rps per replica are more"
            f" than {MOST_REPLICAS:,} replicas"
        )
        advice = "Check the units of the table and of the series"
        raise Refused([Refusal(evidence.component.name, reason, advice)])
    if evidence.scaling.is_linear:
        return count
    most_rps = evidence.most_replicas_worth * capacity_rps
    best = min(evidence.scaling.best_count, MOST_REPLICAS)
    while count * evidence.efficiency(count) * capacity_rps < busiest_rps * (1 - 1e-9):
        count += 1
        if count > best or busiest_rps > most_rps:
            reason = (
                f"no number of replicas serves {units.format_rps(busiest_rps)} rps; the most is"
                f" {units.format_rps(most_rps)}"
            )
            raise _shared(reason, evidence)
    return count


def refuse_retrograde(
    busiest_rps: float, capacity_rps: float, replicas: int, evidence: Evidence
) -> None:
    """Refuse where the replicas in reserve cost more than they serve."""
    served = replicas * evidence.efficiency(replicas) * capacity_rps
    if not evidence.scaling.is_linear and served < busiest_rps * (1 - 1e-9):
        reason = (
            f"{replicas} replicas, those in reserve included, serve {units.format_rps(served)} rps,"
            f" fewer than the {units.format_rps(busiest_rps)} needed"
        )
        raise _shared(reason, evidence)


def _shared(reason: str, evidence: Evidence) -> Refused:
    advice = "Remove what replicas share (database, lock, cache), or split the traffic"
    return Refused(
        [Refusal(evidence.component.name, f"{reason} ({evidence.scaling.note})", advice)]
    )

"""What to watch on the new side during a step, and the amounts at which the step is taken back.

    errors    over requests of the new side: the policy's limit, and production's own failures of
              the same requests where they are known (compared.py)
    p99       the most of: the first row with at least the rps of the busiest replica, the upper
              bound of the curve there, the curve and the assumed margin; at most the objective
    cpu       of each container and replica: what it used in the largest usable row
    ready     the fewest replicas that serve the share (R_0 of sizing/replicas.py)
    judged    over max(120 s, 1000 requests / rps)

The table says how the component behaves at this load. What it does not show, such as a higher p99
or more cpu than in the last row, is a component that nobody measured, whatever its cause. The rps
of the busiest replica decides, imbalance included, because that one is the slowest. Two minutes are
eight scrapes of 15 s, and in 1000 requests ten are above the p99. The assumed margin is for what a
load test leaves out, such as cold caches and production's mix: a limit that is passed for no reason
is soon ignored.

Worked: rows with 31, 33 and 45 ms at 10, 60 and 150 rps per replica, imbalance 1.1: 360 rps over 6
replicas are 66 rps on the busiest. The first row with as many has 45 ms. The curve gives 33.4 ms
there, 39 ms with its bound and 40.1 ms with the margin of 20 %: the step stops above 45 ms.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from estimator import units
from estimator.migration.switch_plan.compared import Compared
from estimator.migration.switch_plan.warm_up import ENOUGH_REQUESTS
from estimator.model.evidence.evidence import Evidence, is_timed
from estimator.model.figure import Figure
from estimator.model.policy import Policy
from estimator.model.sizing.replicas import Sizing

LEAST_JUDGED_S = 120


@dataclass(frozen=True, slots=True)
class Threshold:
    """One quantity of the new side and the amount that stops the step."""

    what: str
    """`error ratio`, `p99`, `cpu of <container>`, `ready pods`."""
    limit: Figure
    is_least: bool = False
    """True: the step stops below the limit, and not above it."""


def thresholds(
    sizing: Sizing, evidence: Evidence, policy: Policy, pinned: int, compared: Compared | None
) -> Iterator[Threshold]:
    """Yield what stops a step with so many replicas of a component."""
    yield Threshold("error ratio", _errors(policy.error_ratio_limit, compared))
    busiest_rps = sizing.peak_rps * policy.imbalance / pinned
    if evidence.p99 is not None:
        yield Threshold("p99", _latency(busiest_rps, evidence, policy))
    largest = max(evidence.points, key=lambda point: (point.rps_per_replica, -point.row))
    at = f"{units.format_rps(largest.rps_per_replica)} rps per replica, the largest row used"
    for container, used in largest.usage.items():
        yield Threshold(
            f"cpu of {container}",
            Figure(used.cpu_millicores, "millicores", f"a replica at {at}", rows=(largest.row,)),
        )
    yield Threshold(
        "ready pods",
        Figure(sizing.serving, "replicas", "the fewest that serve the share"),
        is_least=True,
    )


def judged_s(rps: float) -> int:
    """Return over how many seconds a component's errors and latency are judged.

    Worked: at 4 rps, 1000 requests take 250 s.
    """
    return max(LEAST_JUDGED_S, math.ceil(ENOUGH_REQUESTS / rps)) if rps else LEAST_JUDGED_S


def _errors(limit: float, compared: Compared | None) -> Figure:
    reason = "errors over requests of the new side"
    own = compared.failure_ratio if compared is not None else 0.0
    if own:
        reason += f": {units.format_share(limit)}, and {units.format_share(own)} fail in production"
    return Figure(limit + own, "ratio", reason)


def _latency(busiest_rps: float, evidence: Evidence, policy: Policy) -> Figure:
    assert evidence.p99 is not None
    rps = min(busiest_rps, evidence.p99.limit_rps)
    timed = sorted(
        (point for point in evidence.points if is_timed(point)),
        key=lambda point: point.rps_per_replica,
    )
    row = next((point for point in timed if point.rps_per_replica >= rps), timed[-1])
    assert row.p99_ms is not None
    expected = evidence.p99.at(rps)
    bound_ms = max(expected.high, expected.value * (1 + policy.assumed_margin))
    if policy.slo_p99_ms is not None and policy.slo_p99_ms < max(row.p99_ms, bound_ms):
        return Figure(policy.slo_p99_ms, "ms", "the latency objective")
    busiest = f"the busiest replica gets {units.format_rps(busiest_rps)} rps"
    if row.p99_ms < bound_ms:
        return Figure(
            bound_ms, "ms", f"{expected.value:.3g} ms and its margin; {busiest}", rows=(row.row,)
        )
    at = units.format_rps(row.rps_per_replica)
    reason = f"row {row.row}, {row.p99_ms:g} ms at {at} rps per replica; {busiest}"
    return Figure(row.p99_ms, "ms", reason, rows=(row.row,))

"""What the new side needs before a step: pods that are ready, and requests that warm them.

    pin    = sync + pod start                      a raised minReplicas to ready pods
    mirror = max(window, scrape + sync)            copies at the share of the step
    ratio  = (s - b) / (1 - b)                     the sidecar sees what the old side still gets
    ratio  = s - b                                 it is in front of what divides the requests
    alone  = scrape + sync + (k - 1) period + pod start
             k: the scale-up periods in which max(2 n, n + 4) goes from the count before to the need

| symbol | meaning | unit |
|---|---|---|
| sync, scrape | HPA's loop, metrics-server's interval | seconds |
| window | the HPA's stabilisation: the time over which its own recommendation must hold | seconds |
| s, b | share after and before the step | fraction |

The HPA reads its minimum at its next sync and asks for it at once (simulation.py). The mirror lasts
at least the window, so that the HPA's recommendation under the step's load, the errors and the
latency are known before the first request of the step. The new side gets b already. Copies of what
the old side still gets, 1 - b of production, bring it to b + (1 - b) ratio = s; a sidecar beside an
nginx that divides the requests itself copies from all of them: b + ratio = s. `alone` is what an
HPA without a raised minimum takes from the step to ready pods.

Worked: from 25 to 50 %: ratio 0.25 / 0.75 = 1/3. With a sync of 15 s, a start of 60 s, a scrape of
15 s and a window of 300 s: 75 s + 300 s = 6m15s; from 2 to 14 replicas alone, 2, 6, 12, 14: three
periods, 15 + 15 + 2 * 15 + 60 = 120 s.
"""

import math
from dataclasses import dataclass

from estimator.model.autoscaling.simulation import (
    SCALE_UP_PERCENT,
    SCALE_UP_PERIOD_S,
    SCALE_UP_PODS,
    STABILISATION_S,
    SYNC_S,
)
from estimator.model.policy import Policy

ENOUGH_REQUESTS = 1_000
"""A p99 of fewer rests on fewer than ten requests above it."""


@dataclass(frozen=True, slots=True)
class WarmUp:
    """The time before a step, and the copies in it."""

    pin_s: float
    """From a raised minReplicas to ready pods."""
    mirror_s: float
    """How long copies are sent to the ready pods, at least."""
    ratio: float
    """To set in the sidecar: copies for each request that it sees."""
    copies: float
    """Requests that are copied in that time, at the expected load."""

    @property
    def total_s(self) -> float:
        return self.pin_s + self.mirror_s

    @property
    def lead_s(self) -> int:
        """How long before the step it begins, in whole minutes, because people begin it."""
        return 60 * math.ceil(self.total_s / 60)

    @property
    def is_judgeable(self) -> bool:
        """Whether there are enough copies for a p99."""
        return self.copies >= ENOUGH_REQUESTS


def warm_up(
    percent: int,
    percent_before: int,
    expected_rps: float,
    policy: Policy,
    sees_all: bool = False,
) -> WarmUp:
    """Return the warm-up of a step; `expected_rps` is the load of all that moves.

    `sees_all` says that the sidecar is in front of what divides the requests.
    """
    mirror_s = max(STABILISATION_S, policy.scrape_interval_s + SYNC_S)
    gained = percent - percent_before
    return WarmUp(
        pin_s=SYNC_S + policy.pod_start_s,
        mirror_s=mirror_s,
        ratio=gained / (100 if sees_all else 100 - percent_before),
        copies=gained / 100 * expected_rps * mirror_s,
    )


def lag_alone_s(before: int, needed: int, policy: Policy) -> float:
    """Return how long an HPA takes from `before` to `needed` ready replicas; 0 if they are there.

    `before` is at least 1.
    """
    periods, count = 0, before
    while count < needed:
        count += max(count * SCALE_UP_PERCENT // 100, SCALE_UP_PODS)
        periods += 1
    if not periods:
        return 0.0
    wait_s = (periods - 1) * SCALE_UP_PERIOD_S
    return policy.scrape_interval_s + SYNC_S + wait_s + policy.pod_start_s

"""The load to expect at an hour of the week, from the same hour in the weeks that were recorded.

    expected = max over weeks k of u_k,  range from min to max over k
    u_k      = the highest tau-mean expected in the hours that a window touches, k weeks away

Weeks are those of a calendar: the same wall-clock time in the zone, so a change to summer time does
not shift them. A week counts where at least half of its hours there was observed. Where no week
counts, the same hours of every recorded day stand for it, and where not even they were recorded,
everything that was: the `Basis` says which, and confidence.py doubts the last two.

| symbol | meaning | unit |
|---|---|---|
| u_k | highest mean over the averaging window that must be served (peaks.py) | requests/s |

The highest week counts and not their mean, because the plan rests on it for one day only: with two
weeks of 800 and 1000 rps, a mean of 900 is wrong every second time. This module knows no component.

Worked: 800 and 1000 rps on Tuesdays from 10:00 to 11:00, and 1400 on Tuesday at 11:30: a step from
10:15 to 10:45 expects 1000 rps (800 to 1000), one from 10:45 to 11:15 expects 1400.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from estimator.model.demand import peaks
from estimator.model.demand.scenario import Observed
from estimator.model.policy import Policy

HOUR_S = 3_600
LEAST_OBSERVED_RATIO = 0.5
MOST_TIMES = 60
"""Most weeks, or days, that are compared, the latest ones: what was a year ago tells nothing."""


class Basis(Enum):
    """What an expected load rests on."""

    WEEKS = "the same hour of the week"
    DAYS = "the same hour of other days"
    EVERYTHING = "everything that was recorded"


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time whose load is sought; it may lie in the future."""

    second: int
    """Unix time of its start."""
    duration_s: int
    zone: tzinfo

    def hours(self) -> "Window":
        """Return the whole hours of the zone's clock that it touches."""
        before = _within_hour(self.second, self.zone)
        after = -_within_hour(self.second + self.duration_s, self.zone) % HOUR_S
        return Window(self.second - before, before + self.duration_s + after, self.zone)


@dataclass(frozen=True, slots=True)
class ExpectedLoad:
    """The load to expect in a window."""

    rps: float
    """The highest of the weeks."""
    low_rps: float
    """The lowest of them."""
    basis: Basis
    times: int
    """Weeks, or days, that it was seen in."""


def expected_load(observed: Observed, window: Window, policy: Policy) -> ExpectedLoad:
    """Return the load to expect in the hours that a window touches, without growth and events.

    The policy should have a dispersion (`with_dispersion`): no hour is long enough to estimate it.
    """
    scatter = policy.dispersion or peaks.DEFAULT_DISPERSION
    hours = window.hours()
    for basis, days in ((Basis.WEEKS, 7), (Basis.DAYS, 1)):
        seen = [
            _expected_peak(values, observed, policy, scatter)
            for second in same_times(observed, hours, days)
            if (values := _between(observed, second, hours.duration_s)) is not None
        ]
        if seen:
            return ExpectedLoad(max(seen), min(seen), basis, len(seen))
    highest = _expected_peak(observed.demand, observed, policy, scatter)
    return ExpectedLoad(highest, highest, Basis.EVERYTHING, 1)


def with_dispersion(policy: Policy, observed: Observed) -> Policy:
    """Return the policy with the dispersion of the whole series, where nobody gave it."""
    if policy.dispersion is not None:
        return policy
    averaging_s = policy.averaging_s or observed.averaging_s
    scatter = peaks.dispersion(observed.demand, averaging_s, policy.peak_window_s)
    return replace(policy, dispersion=scatter)


def same_times(observed: Observed, window: Window, days: int = 7) -> Iterator[int]:
    """Yield the Unix times in the series at which the window would begin, the latest first.

    They are whole multiples of `days` away on the clock of the window's zone.
    """
    end = observed.start + len(observed.demand) * observed.resolution_s
    local = datetime.fromtimestamp(window.second, window.zone).replace(tzinfo=None)
    # One before, because a change of the clock may move a time by an hour.
    latest = (window.second - end) // (days * 86_400) - 1
    for number in range(latest, latest + MOST_TIMES):
        moment = local - timedelta(days=days * number)
        second = int(moment.replace(tzinfo=window.zone).timestamp())
        if second + window.duration_s <= observed.start:
            return
        if second < end:
            yield second


def is_seen(observed: Observed, second: int, duration_s: int) -> bool:
    """Say whether at least half of this stretch was observed."""
    return _between(observed, second, duration_s) is not None


def _between(observed: Observed, second: int, duration_s: int) -> NDArray[np.float64] | None:
    """Return the buckets of a stretch; None if less than half of it was observed."""
    step = observed.resolution_s
    first = (second - observed.start) // step
    last = -((observed.start - second - duration_s) // step)
    values = observed.demand[max(0, first) : max(0, last)]
    seen = int(np.count_nonzero(~np.isnan(values)))
    return values if seen >= LEAST_OBSERVED_RATIO * (last - first) and seen else None


def _expected_peak(
    values: NDArray[np.float64], observed: Observed, policy: Policy, scatter: float
) -> float:
    averaging_s = policy.averaging_s or observed.averaging_s
    return peaks.expected_peak(values, averaging_s, policy.peak_window_s, scatter)


def _within_hour(second: int, zone: tzinfo) -> int:
    local = datetime.fromtimestamp(second, zone)
    return local.minute * 60 + local.second

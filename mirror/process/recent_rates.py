"""The rates of the last eleven minutes, second by second, for people and for the judge of silence.

Invariant: a count that arrives late is added to its own second. This module knows no clock; a
second is as old as there are newer ones, whatever steps the clock made between them.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mirror.core.ledger import Settled
from mirror.core.wrong_mode import WRONG_MODE

MINUTE_S = 60
KEPT_S = 11 * MINUTE_S


@dataclass(frozen=True, slots=True)
class Rate:
    """What happened in one second, over all routes."""

    second: int
    """Unix time."""
    rps: int
    """Production requests."""
    shadow_rps: int
    """Shadow legs that were sent."""
    is_complete: bool
    """False if a worker was lost or none ran, so that requests may be missing."""
    wrong_mode: int
    """Requests for the other mode of the sidecar."""


class RecentRates:
    """The rates of the newest KEPT_S seconds."""

    def __init__(self) -> None:
        self._rates: deque[Rate] = deque(maxlen=KEPT_S)
        self._other_mode_through = -1

    def add(self, settled: Settled) -> None:
        """Take in a settled second, or the new sums of one that was settled before."""
        rps, shadow_rps = sum(settled.rps.values()), sum(settled.shadow_rps.values())
        wrong = sum(n for key, n in settled.counts.items() if key[0] == WRONG_MODE)
        rate = Rate(settled.second, rps, shadow_rps, settled.is_complete, wrong)
        if not settled.is_late:
            self._rates.append(rate)
            return
        # Counts may be older than the first second, and the clock may have stepped between two.
        for index in reversed(range(len(self._rates))):
            if (before := self._rates[index]).second == settled.second:
                # The sums of an old second are empty, because they are no longer known.
                sums = rate if rps or shadow_rps else before
                self._rates[index] = replace(sums, wrong_mode=before.wrong_mode + wrong)
                return

    def mode_changed(self, second: int) -> None:
        """Count the requests for the other mode anew after this Unix second.

        Those until then were for the mode that is right now.
        """
        self._other_mode_through = second

    @property
    def newest(self) -> Rate:
        """The newest second; raises IndexError before the first."""
        return self._rates[-1]

    def seen(self, seconds: int) -> int:
        """Return the production requests of the newest seconds."""
        return sum(rate.rps for rate in self._newest(seconds))

    def means(self) -> tuple[float, float] | None:
        """Return the mean rps of the last minute and of the ten minutes before.

        Incomplete seconds are left out. None before eleven minutes, or where nothing is left.
        """
        rates = self._newest(KEPT_S)
        last, before = _complete(rates[-MINUTE_S:]), _complete(rates[:-MINUTE_S])
        if len(rates) < KEPT_S or not last or not before:
            return None
        return sum(last) / len(last), sum(before) / len(before)

    def last_minute(self) -> dict[str, object]:
        """Return the rates of the last minute, oldest first, as /status shows them.

        An incomplete second is None. There are fewer than 60 in the first minute. `wrong_mode` is
        the sum of the minute, or since the mode changed.
        """
        rates = self._newest(MINUTE_S)
        wrong = (rate.wrong_mode for rate in rates if rate.second > self._other_mode_through)
        return {
            "rps": [rate.rps if rate.is_complete else None for rate in rates],
            "shadow_rps": [rate.shadow_rps if rate.is_complete else None for rate in rates],
            "wrong_mode": sum(wrong),
        }

    def _newest(self, seconds: int) -> list[Rate]:
        return list(self._rates)[-seconds:]


def _complete(rates: Sequence[Rate]) -> list[int]:
    return [rate.rps for rate in rates if rate.is_complete]

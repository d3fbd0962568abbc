"""Whether the sidecar hears too little: no request for a minute, or far fewer than before.

nginx says nothing when it cannot reach the sidecar, or mirrors nothing: production goes on. This
module decides when that is said. It knows no clock: it is asked once for each settled second.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from mirror.process.recent_rates import MINUTE_S, RecentRates
from mirror.spans import show_span

LEAST_MEAN_RPS = 1.0
"""A lower mean of ten minutes says nothing about the next one."""
LOW_SHARE = 0.1
"""A minute with less than this share of the mean before is warned of ..."""
NORMAL_SHARE = 0.2
"""... and one with this share ends the warning, so that it does not come and go."""


class Silence:
    """The warning in force, if any. A sidecar without a ready worker has other problems."""

    def __init__(self, rates: RecentRates, causes: Callable[[], str]) -> None:
        """`causes` returns what may keep requests away; it is called once for each warning."""
        self.text: str | None = None
        """The warning in force."""
        self._rates = rates
        self._causes = causes
        self._silent_since: int | None = None
        """The first second (Unix time) without a request, while silence is warned of."""
        self._heard_s = 0
        """For how many seconds it has been ready, or has had requests again."""

    def judge(self, is_ready: bool) -> tuple[str, bool] | None:
        """Judge the newest second; return what has changed, and whether that is a warning."""
        if not is_ready:
            self.text = self._silent_since = None
            self._heard_s = 0
            return None
        self._heard_s += 1
        newest = self._rates.newest
        if self._silent_since is not None:
            if not newest.rps:
                return None
            span = show_span(newest.second - self._silent_since)
            self.text = self._silent_since = None
            self._heard_s = 0
            return f"requests arrive again, after {span} without", False
        if self._heard_s >= MINUTE_S and not self._rates.seen(MINUTE_S):
            self._silent_since = newest.second - MINUTE_S + 1
            since = datetime.fromtimestamp(self._silent_since, UTC).strftime("%Y-%m-%d %H:%M:%S")
            return self._warn(f"no request since {since} UTC")
        return self._judge_share(newest.rps)

    def _judge_share(self, rps: int) -> tuple[str, bool] | None:
        means = self._rates.means()
        last, before = means or (0.0, 0.0)
        found = f"{last:.1f} rps in the last minute, {before:.1f} in the ten minutes before"
        if self.text is not None:
            if last < before * NORMAL_SHARE:
                return None
            self.text = None
            return f"no longer far fewer requests: {found}", False
        # Only a second with requests: the first minute without any is not yet silence.
        if rps and self._heard_s >= MINUTE_S and before >= LEAST_MEAN_RPS:
            return self._warn(found) if last < before * LOW_SHARE else None
        return None

    def _warn(self, found: str) -> tuple[str, bool]:
        self.text = f"{found}: {self._causes()}"
        return self.text, True

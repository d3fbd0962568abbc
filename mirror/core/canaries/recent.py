"""The newest canaries of one worker, and of all workers together.

Invariant: whoever sends canaries can make the sidecar keep MOST of them, and no more; one that is
not kept is counted. A worker takes in at most MOST between two reports, so a flood costs a request
no more than the look at its target.
"""

from mirror.core.canaries.canary import MARK_END, Canary, Piece, canary_id

REPEATED = "repeated"
"""Why a copy gets no leg: it came before. core/ledger.py counts it under the same name."""

MOST = 16
"""Canaries that are kept. One person sends one at a time."""


class WorkerCanaries:
    """The canaries of one worker."""

    def __init__(self) -> None:
        self.followed: dict[bytes, Canary] = {}
        """Canaries whose request is still being read, by id: a whole target may be long."""
        self._kept: dict[str, Canary] = {}
        self._changed: dict[str, Canary] = {}
        self._taken = 0
        """Canaries that were taken in since the last report."""
        self._not_kept = 0
        self._not_kept_reported = 0

    def saw(self, target: bytes, now_s: float) -> Canary | None:
        """Keep the canary that a target names; return None if it names none, or one too many."""
        known_as = canary_id(target)
        if not known_as:
            return None
        if (canary := self._kept.get(known_as)) is not None:
            canary.copies += 1
            self._changed[known_as] = canary
            return canary
        if self._taken >= MOST:
            self._not_kept += 1
            return None
        self._taken += 1
        canary = self._changed[known_as] = self._kept[known_as] = Canary(known_as, now_s)
        if len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]
        return canary

    def left_out(self, canary: Canary, why: str) -> None:
        """Note why a copy of the request gets no leg."""
        canary.repeated += why == REPEATED
        if not canary.legs:
            canary.why_none = canary.why_none or why
        self._changed[canary.id] = canary

    def follow(self, canary: Canary, legs: int, target: bytes) -> None:
        """Note that a copy of the request gets legs, which `followed` finds by their id."""
        canary.legs += legs
        canary.why_none = ""
        self._changed[canary.id] = canary
        self.followed[target[MARK_END:]] = canary
        if len(self.followed) > MOST:
            del self.followed[next(iter(self.followed))]

    def ended(self, canary: Canary, outcome: str, status: int, is_from_proxy: bool) -> None:
        """Note how the first leg ended; later ones change nothing."""
        if not canary.outcome:
            canary.outcome, canary.status, canary.is_from_proxy = outcome, status, is_from_proxy
            self._changed[canary.id] = canary

    def piece(self) -> Piece | None:
        """Return what changed since the last call; None if nothing did."""
        self._taken = 0
        if not self._changed and self._not_kept == self._not_kept_reported:
            return None
        changed, self._changed = list(self._changed.values()), {}
        self._not_kept_reported = self._not_kept
        return Piece(changed, self._not_kept)


class CanaryTotals:
    """The newest canaries of all workers, as /status shows them."""

    def __init__(self) -> None:
        self._shares: dict[str, dict[int, Canary]] = {}
        """id -> worker -> what that worker saw; the copies of one request may reach several."""
        self._not_kept: dict[int, int] = {}
        self._not_kept_by_ended = 0

    def add(self, worker_id: int, piece: Piece) -> None:
        """Take in what a worker reports."""
        self._not_kept[worker_id] = piece.not_kept
        for canary in piece.canaries:
            self._shares.setdefault(canary.id, {})[worker_id] = canary
        while len(self._shares) > MOST:
            del self._shares[next(iter(self._shares))]

    def worker_ended(self, worker_id: int) -> None:
        """Keep the number of a worker that is gone."""
        self._not_kept_by_ended += self._not_kept.pop(worker_id, 0)

    def status(self) -> dict[str, object]:
        """Return the canaries, the newest last, and how many were not kept."""
        return {
            "recent": [_joined(list(shares.values())) for shares in self._shares.values()],
            "not_kept": self._not_kept_by_ended + sum(self._not_kept.values()),
        }


def _joined(shares: list[Canary]) -> dict[str, object]:
    """Return what several workers saw of one canary."""
    with_leg = [share for share in shares if share.legs] or shares
    ended = next((share for share in with_leg if share.outcome), with_leg[0])
    return {
        "id": ended.id,
        "at": min(share.at_s for share in shares),
        "copies": sum(share.copies for share in shares),
        "repeated": sum(share.repeated for share in shares),
        "legs": sum(share.legs for share in shares),
        "why_none": ended.why_none,
        "outcome": ended.outcome,
        "status": ended.status,
        "is_from_proxy": ended.is_from_proxy,
    }

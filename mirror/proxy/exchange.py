"""One production request on its way to the shadow, from its head to its end.

An `Exchange` has the request counted and learns how many shadow legs it gets, `add_body` keeps a
bounded copy of the body, and `end` starts the legs. Invariant: nothing here delays the request or
raises into its path, and a leg that cannot be sent is shed with the reason.
"""

from mirror.core import ledger
from mirror.core.budget import BODY_TOO_LARGE, BUFFER_FULL, DOWNSTREAM_LOST, PIECE_BYTES
from mirror.core.canaries.canary import MARK_END
from mirror.core.request_head import RequestHead
from mirror.proxy.shadow_leg import ShadowLeg
from mirror.proxy.tee import Tee


class Exchange:
    """One production request on its way to the shadow."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_capturing",
        "_held_bytes",
        "_legs_wanted",
        "_tee",
        "head",
        "pair",
        "route",
        "uri",
    )

    def __init__(self, tee: Tee, head: RequestHead) -> None:
        self.head = head
        self._tee = tee
        self.route, self._legs_wanted, self._capturing, self.uri = tee.begin(head)
        self.pair = tee.comparing.new_pair(self.route) if self._legs_wanted else None
        """What the answers are compared in; None where there is nothing to compare."""
        self._body: list[bytes] | None = None
        self._body_bytes = 0
        self._held_bytes = 0
        """Bytes reserved in the budget for the request body."""

    def add_body(self, data: bytes) -> None:
        """Take a piece of the request's body."""
        if self._capturing is not None:
            self._tee.recorder_in_use.add_body(self._capturing, data)
        if not self._legs_wanted:
            return
        self._body_bytes += len(data)
        if self._body_bytes > self._tee.max_body_bytes:
            self._shed(BODY_TOO_LARGE)
        elif not self._tee.budget.admit(len(data) + PIECE_BYTES):
            self._shed(BUFFER_FULL)
        else:
            self._held_bytes += len(data) + PIECE_BYTES
            if self._body is None:
                self._body = []
            self._body.append(data)

    def end(self, trailers: list[bytes]) -> None:
        """Start the shadow legs of a complete request."""
        if self._capturing is not None:
            self._tee.recorder_in_use.end(self._capturing)
            self._capturing = None
        if not self._legs_wanted:
            return
        head = self.head
        data = head.to_shadow(b"".join(self._body) if self._body else b"", trailers)
        leg = ShadowLeg(self.route, data, head.method == b"HEAD", self.pair)
        if self._tee.canaries.followed:
            leg.canary = self._tee.canaries.followed.pop(head.target[MARK_END:], None)
        if self._body is not None:
            self._release_body()
        self._tee.start_legs(leg, self._legs_wanted)
        self._legs_wanted = 0

    def abandon(self) -> None:
        """Shed the shadow legs of a request that will never be complete."""
        if self._capturing is not None:
            self._tee.recorder_in_use.abandon(self._capturing)
            self._capturing = None
        if self._legs_wanted:
            self._shed(DOWNSTREAM_LOST)

    def _shed(self, reason: str) -> None:
        legs, self._legs_wanted = self._legs_wanted, 0
        self._release_body()
        self._tee.reading -= legs
        self._tee.ledger.count(ledger.SHED, self.route, reason, legs)

    def _release_body(self) -> None:
        self._body = None
        self._tee.budget.release(self._held_bytes)
        self._held_bytes = 0

"""One copy of a request on its way to the shadow, as the tee and the upstream hand it on."""

import math

from mirror.core.canaries.canary import Canary
from mirror.core.comparison.answer import UNKNOWN_BYTES
from mirror.core.comparison.pairs import Pair

NO_GENERATION = -1
"""The leg does not count for the breaker."""


class ShadowLeg:
    """One copy of a request on its way to the shadow; a DiscardedLeg."""

    __slots__ = (
        "body_bytes",
        "canary",
        "data",
        "expires_at",
        "generation",
        "is_extra",
        "is_head",
        "opening",
        "pair",
        "route",
        "sent_at",
        "status",
    )

    def __init__(self, route: str, data: bytes, is_head: bool, pair: Pair | None = None) -> None:
        self.route = route
        """The route tag under which the leg is counted."""
        self.data = data
        self.is_head = is_head
        self.pair = pair
        """What its answer is compared in; None where nothing is compared."""
        self.is_extra = False
        """The request has an earlier leg, which is the one that is compared."""
        self.expires_at = math.inf
        self.sent_at = 0.0
        self.generation = NO_GENERATION
        """Generation of the breaker in which the leg started."""
        self.status = 0
        self.body_bytes = UNKNOWN_BYTES
        self.opening = b""
        self.canary: Canary | None = None
        """The canary that the request is; None for almost every request."""

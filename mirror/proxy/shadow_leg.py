"""One copy of a request on its way to the shadow, as the tee and the upstream hand it on."""

import math

from mirror.core.canaries.canary import Canary

NO_GENERATION = -1
"""The leg does not count for the breaker."""


class ShadowLeg:
    """One copy of a request on its way to the shadow; a DiscardedLeg."""

    __slots__ = ("canary", "data", "expires_at", "generation", "is_head", "route", "sent_at")

    def __init__(self, route: str, data: bytes, is_head: bool) -> None:
        self.route = route
        """The route tag under which the leg is counted."""
        self.data = data
        self.is_head = is_head
        self.expires_at = math.inf
        self.sent_at = 0.0
        self.generation = NO_GENERATION
        """Generation of the breaker in which the leg started."""
        self.canary: Canary | None = None
        """The canary that the request is; None for almost every request."""

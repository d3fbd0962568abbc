"""Checks what a leg holds before it is sent."""

import math
from copy import copy

from mirror.proxy.shadow_leg import NO_GENERATION, ShadowLeg


def test_a_new_leg_never_expires_and_counts_for_no_breaker() -> None:
    leg = copy(ShadowLeg("/a", b"HEAD", is_head=True))
    assert (leg.route, leg.data, leg.is_head) == ("/a", b"HEAD", True)
    assert (leg.expires_at, leg.sent_at, leg.generation) == (math.inf, 0.0, NO_GENERATION)

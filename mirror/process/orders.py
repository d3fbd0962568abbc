"""Orders to the workers beyond their configuration: the ratio, and whether to capture.

This module owns both, and the ramp that raises the ratio. Orders apply to the workers of one
configuration; a reload starts again with what its configuration says, except for what was ordered
since the reload was asked for. It does not know which workers exist, or what else they do.
"""

import math
import time
from collections.abc import Callable, Iterable
from typing import Any

from mirror.config import Config
from mirror.core.ledger import Settled
from mirror.core.ramp import REASONS, Health, Ramp, ShadowLimits, health_of
from mirror.process.control import Capture, Command, SetRatio


class Orders:
    """The orders in force under one configuration; `send` is called with every new one."""

    def __init__(self, config: Config, send: Callable[[Command], None]) -> None:
        self._capture_section = config.capture
        self._send = send
        self._ramp = _ramp_of(config)
        self._set_ratio = config.shadow.ratio
        """The ratio while no ramp is active."""
        self._ratio_set_at = self._capture_switched_at = -math.inf
        """When (monotonic clock) that was last ordered."""
        self._capture: Capture | None = None
        """None until a capture is switched on or off."""
        self._ended_fallbacks = dict.fromkeys(REASONS, 0)
        """Fallbacks of ramps that have ended."""

    @property
    def ratio(self) -> float:
        """The current share of requests to mirror."""
        return self._set_ratio if self._ramp is None else self._ramp.ratio

    def in_force(self) -> list[Command]:
        """Return the first commands of a worker; the ratio comes first."""
        ratio = SetRatio(self.ratio)
        return [ratio] if self._capture is None else [ratio, self._capture]

    def set_ratio(self, ratio: float) -> bool:
        """Mirror this share of requests; return whether that ended a ramp."""
        was_ramping = self._ramp is not None
        self._ended_fallbacks = self.fallbacks()
        self._ramp = None
        self._set_ratio = ratio
        self._ratio_set_at = time.monotonic()
        self._send(SetRatio(ratio))
        return was_ramping

    def switch_capture(self, until_s: float) -> None:
        """Capture until this Unix time; 0 stops capturing."""
        self._capture = Capture(until_s)
        self._capture_switched_at = time.monotonic()
        self._send(self._capture)

    def follow_ramp(self, seconds: Iterable[Settled], now_s: float) -> tuple[str, bool] | None:
        """Let the ramp judge the shadow by these seconds.

        Returns what changed, in words, and whether the ramp fell back; None for no change.
        """
        ramp = self._ramp
        if ramp is None:
            return None
        health = Health()
        for settled in seconds:
            health.add(health_of(settled.counts, settled.latencies))
        if (words := ramp.tick(now_s, health)) is None:
            return None
        self._send(SetRatio(ramp.ratio))
        return words, ramp.is_holding

    def continue_from(self, before: "Orders", since_s: float) -> None:
        """Continue from an earlier configuration, before any worker is told these orders.

        The count of fallbacks goes on, and what was ordered at or after `since_s` (monotonic clock)
        stays in force.
        """
        self._ended_fallbacks = before.fallbacks()
        if before._ratio_set_at >= since_s:
            self._ramp = None
            self._set_ratio = before._set_ratio
            self._ratio_set_at = before._ratio_set_at
        if before._capture_switched_at >= since_s:
            self._capture = before._capture
            self._capture_switched_at = before._capture_switched_at

    def fallbacks(self) -> dict[str, int]:
        """Return the number of fallbacks by reason, over all ramps."""
        total = dict(self._ended_fallbacks)
        if self._ramp is not None:
            for reason, number in self._ramp.fallbacks.items():
                total[reason] += number
        return total

    def ramp_status(self) -> dict[str, Any] | None:
        """Return the status of the ramp; None without one, or once the ratio was set."""
        if (ramp := self._ramp) is None:
            return None
        return {
            "at_top": ramp.is_at_top,
            "holding": ramp.is_holding,
            "fallbacks": ramp.fallbacks,
            "last_fall": ramp.last_fall,
        }

    def capture_status(self) -> dict[str, Any] | None:
        """Return the status of the capture; None if none is configured. `until` None: no end."""
        section = self._capture_section
        if section.path is None:
            return None
        until_s = None if self._capture is None else self._capture.until_s
        is_recording = section.enabled if until_s is None else time.time() < until_s
        return {"path": section.path, "recording": is_recording, "until": until_s or None}


def _ramp_of(config: Config) -> Ramp | None:
    """Return the ramp of a configuration at its first step; None without one."""
    ramp = config.shadow.ramp
    if ramp is None:
        return None
    limits = ShadowLimits(ramp.max_error_ratio, ramp.max_timeout_ratio, ramp.max_p99)
    ratios = (ramp.from_ratio, ramp.to_ratio)
    return Ramp(ratios, ramp.duration, ramp.steps, limits, ramp.hold)

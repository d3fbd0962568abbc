"""Sends a canary, and looks for it until it is found everywhere or the time is over.

Invariant: the wait is bounded. A place where the canary must not be is watched for SETTLE_S after
the last sign of life elsewhere, because a line is written when the answer has ended. Once it is
there, the search is over.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mirror.addresses import Url, read_url
from mirror.audit.canary.places import FollowedLog
from mirror.audit.canary.sending import Answer, Target, send, send_marked
from mirror.audit.envoy_stats import DOWNSTREAM
from mirror.core.canaries.canary import ID_LENGTH
from mirror.core.ledger import SHED
from mirror.formats.access_log.blocks import STDIN

SETTLE_S = 2.0
PIPE_SETTLE_S = 10.0
"""The same for a log that comes through a pipe, such as that of `kubectl logs -f`, which may still
be connecting."""
LOOK_INTERVAL_S = 0.2
_NOT_CHOSEN = ("ratio", "method", "upgrade")
"""Reasons for which a request got no leg although the shadow may get legs (core/selection.py)."""


class Seen(msgspec.Struct, frozen=True):
    """What a sidecar says of a canary; one of another version may say less."""

    id: str
    copies: int = 1
    repeated: int = 0
    legs: int = 0
    why_none: str = ""
    outcome: str = ""
    status: int = 0
    is_from_proxy: bool = False


Status = Mapping[str, Any]
"""What /status of a sidecar answers."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How the places that are no logs are asked; the tests have others."""

    statuses: Callable[[], list[Status]]
    """Return what the sidecars that answer say."""
    envoy: Callable[[], Mapping[str, int]] | None = None
    """Return Envoy's counters as `envoy_stats.read` does."""
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    progress: Callable[[str], None] = lambda text: None


@dataclass(slots=True)
class Search:
    """One canary, and everything that was found of it."""

    target: Target
    asking: Asking
    wait_s: float
    production: FollowedLog | None = None
    gateway: FollowedLog | None = None
    envoy: FollowedLog | None = None
    shadow: Url | None = None
    """Where the marked request goes; None to take what a sidecar says."""
    canary_id: str = field(default_factory=lambda: secrets.token_hex(ID_LENGTH // 2))
    answer: Answer = field(default_factory=lambda: Answer(0))
    marked_id: str = ""
    """Id of the request that went straight to the shadow; empty if none did."""
    marked_answer: Answer = field(default_factory=lambda: Answer(0))
    sidecars: int = 0
    """Sidecars that answer."""
    seen: Seen | None = None
    """What a sidecar says of the canary."""
    envoy_requests: int | None = None
    """Requests that Envoy counted meanwhile."""

    def run(self) -> None:
        """Send, wait and look. Raises InputError where a log cannot be followed."""
        for log in self._logs():
            log.start()
        before = self.asking.envoy() if self.asking.envoy else None
        self.answer = send(self.target, self.canary_id)
        if self.answer.error:
            return
        deadline = self.asking.now() + self.wait_s
        settled_at = min(self.asking.now() + self._settle_s, deadline)
        said = ""
        while True:
            self._look(before)
            missing = self._missing()
            now = self.asking.now()
            if missing:
                settled_at = min(now + self._settle_s, deadline)
            is_over = now >= settled_at or self._is_in_gateways_log()
            if now >= deadline or (not missing and is_over):
                return
            text = f"waiting for {', '.join(missing) or 'what must not come'}"
            if text != said:
                self.asking.progress(f"{text}, at most {deadline - now:.0f} s")
                said = text
            self.asking.sleep(LOOK_INTERVAL_S)

    @property
    def _settle_s(self) -> float:
        is_piped = self.gateway is not None and STDIN in self.gateway.patterns
        return PIPE_SETTLE_S if is_piped else SETTLE_S

    @property
    def ids(self) -> list[str]:
        return [name for name in (self.canary_id, self.marked_id) if name]

    @property
    def has_copy(self) -> bool:
        """Return whether a copy went to the shadow, by the sidecar or by ourselves."""
        if self.marked_id:
            return True
        outcome = self.seen.outcome if self.seen else ""
        return bool(outcome) and not outcome.startswith(SHED)

    def _logs(self) -> list[FollowedLog]:
        return [log for log in (self.production, self.gateway, self.envoy) if log is not None]

    def _look(self, before: Mapping[str, int] | None) -> None:
        statuses = self.asking.statuses()
        self.sidecars = max(self.sidecars, len(statuses))
        for status in statuses:
            self._look_at(status)
        if not self.marked_id and self._needs_marked(statuses):
            self._send_marked()
        for log in self._logs():
            log.look(self.ids)
        if self.asking.envoy and before is not None:
            after = self.asking.envoy()
            self.envoy_requests = sum(
                number - before.get(name, 0)
                for name, number in after.items()
                if name.endswith(DOWNSTREAM)
            )

    def _look_at(self, status: Status) -> None:
        canaries = status.get("canaries")
        recent = canaries.get("recent") if isinstance(canaries, dict) else None
        for canary in recent if isinstance(recent, list) else []:
            if isinstance(canary, dict) and canary.get("id") == self.canary_id:
                with suppress(msgspec.ValidationError):
                    self.seen = msgspec.convert(canary, Seen)
                if self.shadow is None:
                    self.shadow = _url(status.get("shadow"))

    def _needs_marked(self, statuses: list[Status]) -> bool:
        """Return whether the ratio or a rule left the canary out, or no sidecar can tell."""
        if self.shadow is None:
            return False
        if self.seen is None:
            return not statuses
        return self.seen.why_none in _NOT_CHOSEN

    def _send_marked(self) -> None:
        assert self.shadow is not None
        self.marked_id = secrets.token_hex(ID_LENGTH // 2)
        self.asking.progress(f"no copy of it: a marked request goes straight to {self.shadow}")
        self.marked_answer = send_marked(self.shadow, self.target, self.marked_id)

    def _missing(self) -> list[str]:
        """Return the places where the canary is expected and was not found yet."""
        missing = []
        if self.production is not None and not self.production.lines(self.canary_id):
            missing.append("production's log")
        if self.sidecars and self.seen is None:
            missing.append("the sidecar")
        elif self.seen is not None and not self.seen.outcome and not self.seen.why_none:
            missing.append("the shadow's answer")
        if self.has_copy and self.envoy is not None and not self._is_in_envoys_log():
            missing.append("Envoy's log")
        return missing

    def _is_in_gateways_log(self) -> bool:
        """Return whether it stands where it must not, so that no further wait can help."""
        return self.gateway is not None and any(map(self.gateway.lines, self.ids))

    def _is_in_envoys_log(self) -> bool:
        assert self.envoy is not None
        return any(self.envoy.lines(name) for name in self.ids)


def _url(text: object) -> Url | None:
    try:
        return read_url(text)
    except ValueError:
        return None

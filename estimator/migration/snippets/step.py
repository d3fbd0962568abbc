"""A step of the move of one path, and the snippet that a program gets for it.

Shares are whole percentages, because Apache's `loadfactor` is a number from 1 to 100 and every
program has to be able to do the same step.
"""

import re
from dataclasses import dataclass

from estimator.migration.snippets.path import MovedPath

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]*[A-Za-z0-9])*")
_IPV6 = re.compile(r"\[[0-9A-Fa-f:.]+\]")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_HOST_NAME = re.compile(rf"(?:\*\.)?{_LABEL.pattern}(?:\.{_LABEL.pattern})*")


@dataclass(frozen=True, slots=True)
class Backend:
    """Where requests go: an address for Apache and nginx, a service for Istio and Gateway API."""

    host: str
    port: int

    def __post_init__(self) -> None:
        """Raise ValueError for what is no host or no port."""
        is_host = _HOST.fullmatch(self.host) and len(self.host) <= 253
        if not (is_host or _IPV6.fullmatch(self.host)):
            raise ValueError(f"expected a host name or an address, got {self.host!r}")
        if not 1 <= self.port <= 65_535:
            raise ValueError(f"expected a port from 1 to 65535, got {self.port}")

    @classmethod
    def of(cls, words: str) -> "Backend":
        """Read `host:port`. Raises ValueError."""
        host, _, port = words.rpartition(":")
        if not (port.isascii() and port.isdecimal() and len(port) <= 5):
            raise ValueError(f"expected HOST:PORT, got {words!r}")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Attachment:
    """Where the objects of Istio and Gateway API belong."""

    namespace: str = "default"
    gateway: str = "istio-ingressgateway"
    """The Gateway (of Gateway API) to which an HTTPRoute is attached."""
    gateway_namespace: str = "istio-system"
    hosts: tuple[str, ...] = ()
    """Hosts of an HTTPRoute; empty for all that its Gateway admits."""

    def __post_init__(self) -> None:
        """Raise ValueError for names that Kubernetes refuses."""
        for name in (self.namespace, self.gateway_namespace):
            if not _LABEL.fullmatch(name) or len(name) > 63:
                raise ValueError(f"expected a namespace, got {name!r}")
        for host in (self.gateway, *self.hosts):
            if not _HOST_NAME.fullmatch(host) or len(host) > 253:
                raise ValueError(f"expected a name of lower-case labels, got {host!r}")


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the share of a path's requests that goes to the new side."""

    path: MovedPath
    old: Backend
    new: Backend
    percent: int
    """The share of the new side after the step."""
    percent_before: int = 0
    """The share before the step, to which the rollback returns."""

    def __post_init__(self) -> None:
        """Raise ValueError for a share that is no percentage."""
        for percent in (self.percent, self.percent_before):
            if not 0 <= percent <= 100:
                raise ValueError(f"expected a share from 0 to 100 %, got {percent}")

    @property
    def summary(self) -> str:
        """What the step does, as a sentence without its full stop."""
        return f"{self.percent}% of {self.path.template} to {self.new}, the rest to {self.old}"

    @property
    def undone(self) -> "Step":
        """The step whose text is the rollback of this one."""
        return Step(self.path, self.old, self.new, self.percent_before, self.percent)


@dataclass(frozen=True, slots=True)
class Snippet:
    """The text of a step for one program."""

    file: str
    """The file that holds the text, also that of the rollback."""
    text: str
    rollback: str
    command: str
    """Checks the file and puts it into force; the same for the step and for its rollback."""
    preparation: str = ""
    """What is written once before the first step, and where; changes nothing at a share of 0 %."""

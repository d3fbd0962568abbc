"""The exceptions of this package, by whose fault they are.

A local error is our own bug. A remote error is the peer's and carries the status to answer with.
Legs never raise across the tee: they end in an outcome (core/ledger.py).
"""

import re
from collections.abc import Sequence

_USER = re.compile("//[^/@]*@")


def without_user(text: str) -> str:
    """Return `text` with user and password removed from every URL; no message may show them."""
    return _USER.sub("//...@", text)


class MirrorError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(MirrorError):
    """The configuration cannot be used; each entry of `problems` begins with its path."""

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))
        self.problems = tuple(problems)


class LocalProtocolError(MirrorError):
    """Our code requested a step that the state machine does not allow: a bug."""


class RemoteProtocolError(MirrorError):
    """The peer broke HTTP.

    `status` is what to answer a downstream with; `reason` is a low-cardinality label for the
    `mirror.malformed` metric.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


class ListenError(MirrorError):
    """A listening socket cannot be opened; the message names the address and the reason."""


class TlsError(MirrorError):
    """The TLS settings cannot be used; the message names the file."""


class InputError(MirrorError):
    """An input file of a command cannot be used; the message names file and line."""


class UpstreamRefusedError(MirrorError):
    """An upstream must not get mirrored requests; the message says why."""


class ReloadError(MirrorError):
    """A valid configuration could not be applied."""

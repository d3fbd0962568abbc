"""What can go wrong, and on which side.

A local error is our mistake. A remote error is the peer's and carries the status to answer with.
Legs never raise across the tee; they end in an outcome (core/ledger.py).
"""

import re
from collections.abc import Sequence

_USER = re.compile("//[^/@]*@")


def without_user(text: str) -> str:
    """Return the text without the user and password of any URL, which no message may show."""
    return _USER.sub("//...@", text)


class MirrorError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(MirrorError):
    """The configuration cannot be used; each of `problems` starts with the path of the key."""

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))
        self.problems = tuple(problems)


class LocalProtocolError(MirrorError):
    """We took a step that the state machine does not allow, which is a bug."""


class RemoteProtocolError(MirrorError):
    """The peer violated HTTP.

    `status` is the answer for a downstream; `reason` is a low-cardinality label of the metric
    `mirror.malformed`.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


class ListenError(MirrorError):
    """A listening socket cannot be opened; the message says which one and why."""


class TlsError(MirrorError):
    """The TLS settings cannot be used; the message names the file."""


class InputError(MirrorError):
    """An input file of a command cannot be used; the message names file and line."""


class UpstreamRefusedError(MirrorError):
    """An upstream must not get mirrored requests; the message says why."""


class ReloadError(MirrorError):
    """A valid configuration could not be applied."""

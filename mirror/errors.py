"""What can go wrong, and whose fault it is.

Local errors are ours, remote errors are the other side's and carry the status to answer with.
Legs never raise across the tee: they end in an outcome (see core/ledger.py).
"""

import re
from collections.abc import Sequence

_USER = re.compile("//[^/@]*@")


def without_user(text: str) -> str:
    """The text without the user and password of any URL in it, which no message may show."""
    return _USER.sub("//...@", text)


class MirrorError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(MirrorError):
    """The configuration cannot be used; `problems` lists everything wrong with it, path first."""

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))
        self.problems = tuple(problems)


class LocalProtocolError(MirrorError):
    """We asked for a step that the state machine does not allow: a bug here."""


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
    """A listening socket cannot be opened; the message says which and why."""


class TlsError(MirrorError):
    """The TLS side of the configuration cannot be used; the message names the file."""


class InputError(MirrorError):
    """A file given to a command cannot be used; the message names file and line."""


class UpstreamRefusedError(MirrorError):
    """An upstream is none that may get mirrored requests; the message says why."""


class ReloadError(MirrorError):
    """A configuration that is sound could not be put into force."""

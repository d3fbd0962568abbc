"""The exit codes of `estimate`, and how an error becomes one.

Every command ends through `endings` and `end_with_doubts`: each problem and each doubt on its own
line on stderr, no traceback, and the exit code that scripts rely on (docs/formats.md).
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from estimator.errors import InputError, Refused
from mirror.formats.terminal import say

EXIT_INPUT = 2
EXIT_LOW_CONFIDENCE = 3
EXIT_REFUSED = 4
EXIT_DRIFT = 5

MOST_LINES = 1001
"""Most problems that are printed: what a reader lists at most, and its word that more follow."""


@contextmanager
def endings() -> Iterator[None]:
    """Print InputError and Refused to stderr, one problem per line, and exit with their codes."""
    try:
        yield
    except InputError as error:
        _end("bad input", error, EXIT_INPUT)
    except Refused as error:
        _end("refused", error, EXIT_REFUSED)


def end_with_doubts(doubts: Sequence[str], are_printed: bool, has_drifted: bool = False) -> None:
    """Exit with EXIT_DRIFT after a drift, else with EXIT_LOW_CONFIDENCE if there are doubts.

    `are_printed` says that the text on stdout contains the doubts. On a terminal its reader has
    seen them; otherwise they come on stderr. Returns if the exit code is 0.
    """
    if not (are_printed and sys.stdout.isatty()):
        for doubt in doubts:
            say(f"estimate: low confidence: {doubt}", err=True)
    if has_drifted:
        sys.exit(EXIT_DRIFT)
    if doubts:
        sys.exit(EXIT_LOW_CONFIDENCE)


def end_at_closed_pipe() -> NoReturn:
    """End by SIGPIPE, as other programs do when their reader, such as `head`, has left.

    Python ignores that signal, because a lost connection would also end the process; at this point
    no connection is open.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    raise AssertionError("SIGPIPE ends a process")


def _end(subject: str, error: Exception, code: int) -> NoReturn:
    lines = str(error).splitlines()
    for line in lines[:MOST_LINES]:
        say(f"estimate: {subject}: {line}", err=True)
    if len(lines) > MOST_LINES:
        say(f"estimate: {subject}: and {len(lines) - MOST_LINES:,} more", err=True)
    sys.exit(code)

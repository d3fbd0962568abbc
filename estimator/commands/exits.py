"""The exit codes of `estimate`, and how an error becomes one.

Every command ends through `endings`: each problem on its own line on stderr, no traceback, and the
exit code that scripts rely on (docs/formats.md).
"""

import os
import signal
import sys
from collections.abc import Iterator
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

"""The exit codes of `estimate`, and how an error becomes one.

Every command ends through `endings`: each problem on a line of its own on stderr, nothing of a
traceback, and the code that scripts rely on (docs/formats.md).
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from estimator.errors import InputError, Refused

EXIT_INPUT = 2
EXIT_LOW_CONFIDENCE = 3
EXIT_REFUSED = 4
EXIT_DRIFT = 5


@contextmanager
def endings() -> Iterator[None]:
    """Turn InputError and Refused into their lines on stderr and their exit codes."""
    try:
        yield
    except InputError as error:
        _end("bad input", error, EXIT_INPUT)
    except Refused as error:
        _end("refused", error, EXIT_REFUSED)


def end_at_closed_pipe() -> NoReturn:
    """End as other programs do whose reader has left, such as `head`: by SIGPIPE.

    Python ignores that signal, because a lost connection would end the process too; here nothing
    is connected any more.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    raise AssertionError("SIGPIPE ends a process")


def _end(what: str, error: Exception, code: int) -> NoReturn:
    for line in str(error).splitlines():
        click.echo(f"estimate: {what}: {line}", err=True)
    sys.exit(code)

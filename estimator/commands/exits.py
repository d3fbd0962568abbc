"""The exit codes of `estimate`, and how an error becomes one.

Every command ends through `endings`: each problem on a line of its own on stderr, nothing of a
traceback, and the code that scripts rely on (docs/formats.md).
"""

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


def _end(what: str, error: Exception, code: int) -> NoReturn:
    for line in str(error).splitlines():
        click.echo(f"estimate: {what}: {line}", err=True)
    sys.exit(code)

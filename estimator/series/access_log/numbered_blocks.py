"""Passes the blocks of one access log on, each with the number of its first line."""

from collections.abc import Callable

from estimator.errors import InputError, Problem
from mirror.formats.access_log.blocks import blocks, open_log
from mirror.formats.access_log.tally import NotALog
from mirror.formats.bounded_files import BoundedFileError


def read_blocks(name: str, take: Callable[[int, bytes], None]) -> None:
    """Call `take` with the number of the first line, from 1 on, and with each block of whole lines.

    Raises InputError for a file that cannot be read, or of which `take` says by NotALog that it is
    no access log.
    """
    number = 1
    try:
        with open_log(name) as stream:
            for block in blocks(stream):
                take(number, block)
                number += block.count(b"\n")
    except (BoundedFileError, NotALog) as error:
        rule = str(error).removeprefix(f"{name}: ")
        raise InputError([Problem(name, rule)]) from error

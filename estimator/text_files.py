"""Text files: read with one message for each failure, and written whole or not at all."""

from collections.abc import Mapping
from pathlib import Path

from estimator.errors import InputError, Problem
from mirror.formats import bounded_files
from mirror.formats.bounded_files import BoundedFileError, Limit
from mirror.formats.whole_files import writing_whole

LIMIT = Limit(64 << 20)
"""Most bytes of a text file, unless its reader has a limit of its own."""


def read_text(path: Path, limit: Limit = LIMIT) -> str:
    """Return the text of a UTF-8 file, without its byte order mark and with its own line ends.

    Raises InputError if the file is missing, too large, no regular file or not UTF-8.
    """
    try:
        return bounded_files.read_text(path, limit)
    except BoundedFileError as error:
        raise InputError([Problem(str(path), error.reason)]) from error


def write_whole(path: Path, text: str) -> None:
    """Write a file, which may exist, into a directory that must exist.

    Raises InputError if the operating system refuses.
    """
    try:
        with writing_whole(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise InputError([Problem(str(path), f"cannot be written: {error.strerror}")]) from error


def write_set(directory: Path, files: Mapping[str, str]) -> None:
    """Write files, text by name, into a directory; create the directory where it is missing.

    Raises InputError if the operating system refuses.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        rule = f"cannot be written: {error.strerror}"
        raise InputError([Problem(str(directory), rule)]) from error
    for name, text in files.items():
        write_whole(directory / name, text)

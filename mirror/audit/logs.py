"""The files of a log: those that a glob names, also rotated and packed ones, each once.

Invariant: no line is lost in silence. What is no request is counted by reason; a file that two
names lead to is read once; a last line without its end is one that is just being written.

A log is in the order of time but for the durations of requests. So a block of lines (1 MiB) whose
first and last line are both far before or both far after the window is skipped, and its lines are
counted: a million lines take 0.2 s of cpu then, and 14 s where each is read.
"""

import glob
import os
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from mirror.audit.lines import Line, read_line
from mirror.audit.window import Window
from mirror.errors import InputError
from mirror.formats.access_log.blocks import STDIN, blocks, open_log
from mirror.formats.access_log.line_reader import LineReader
from mirror.formats.access_log.remote import is_url
from mirror.formats.access_log.request import OTHER_MESSAGE, BadLine, NotARequest
from mirror.formats.access_log.tally import Tally

MOST_FILES = 10_000
"""Files of one log; a log that is rotated every minute has that many in a week."""
_MAY_BE_EMPTY = (
    "; a log without a line may have no file, as the gateway's before the switch: then give a"
    " pattern whose folder exists and is empty, such as 'gateway/*.log'"
)


@dataclass(slots=True)
class Log:
    """What was read of one log, of all its files together."""

    option: str
    """The option that names it."""
    files: list[str]
    tally: Tally = field(default_factory=Tally)
    skipped: int = 0
    """Lines far outside of the window, which were not read one by one."""
    requests: int = 0
    with_id: int = 0
    says_mark: int = 0
    """Lines that say whether their request carried the mark of a copy."""
    says_upstream: int = 0
    inexact: int = 0
    """Lines whose time is known to the second, or is that of the end of the response."""
    first_s: float = 0.0
    last_s: float = 0.0
    """Times of the earliest and the latest request; 0 where there is none."""


def files_if_any(patterns: Sequence[str], option: str) -> tuple[list[str], list[str]]:
    """Return the files of a log that may have none, and the globs whose folder is empty.

    A glob without a match is a mistake in any other folder, and InputError says so: a log that is
    not looked at must not pass for one without a copy.
    """
    empty = [pattern for pattern in patterns if _is_of_empty_folder(pattern)]
    found = [pattern for pattern in patterns if pattern not in empty]
    return files_of(found, option, _MAY_BE_EMPTY), empty


def _is_of_empty_folder(pattern: str) -> bool:
    magic = re.search(r"[*?[]", pattern)
    if magic is None or is_url(pattern) or os.path.exists(pattern):
        return False
    try:
        with os.scandir(os.path.dirname(pattern[: magic.start()]) or ".") as entries:
            return all(entry.name.startswith(".") for entry in entries)
    except OSError:
        return False


def files_of(patterns: Sequence[str], option: str, hint: str = "") -> list[str]:
    """Return the files that names and globs stand for.

    Raises InputError for one without any, with `hint` behind the reason.
    """
    files: dict[object, str] = {}
    for pattern in patterns:
        if pattern == STDIN or is_url(pattern):
            files[pattern] = pattern
            continue
        names = [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern))
        if not names:
            raise InputError(f"{option} {pattern}: no such file{hint}")
        for name in names:
            about = os.stat(name)
            files.setdefault((about.st_dev, about.st_ino), name)
    if len(files) > MOST_FILES:
        raise InputError(f"{option}: has more than {MOST_FILES:,} files, which is the limit")
    return list(files.values())


def read_log(
    log: Log,
    reader: LineReader,
    window: Window,
    take: Callable[[Line, int], None],
    progress: Callable[[str], None] = lambda text: None,
) -> None:
    """Give the requests of a log to `take`, with the place of their file, and skip blocks that are
    far from the window. `progress` gets a text for each block. Raises InputError."""
    for place, name in enumerate(log.files):
        number = 1
        which = f" (file {place + 1} of {len(log.files)})" if len(log.files) > 1 else ""
        with closing(open_log(name)) as stream:
            for block in blocks(stream):
                progress(f"{log.option} {name}{which}: {number - 1:,} lines")
                lines = block.split(b"\n")
                rest = lines.pop()  # empty, or a last line whose end is not written yet
                if lines and _is_far(lines, reader, window):
                    log.skipped += len(lines) + bool(rest.strip())
                    number += len(lines)
                    continue
                for line in lines:
                    if line.strip():
                        _read(log, line, reader, f"{name}:{number}", take, place)
                    number += 1
                if rest.strip():
                    _read_unfinished(log, rest, reader, take, place)


def _is_far(lines: list[bytes], reader: LineReader, window: Window) -> bool:
    """Return whether the first and the last line are far from the window, on the same side."""
    try:
        first, last = (window.side(read_line(lines[at], reader).time_s) for at in (0, -1))
    except BadLine:
        return False
    return first == last != 0


def _read_unfinished(
    log: Log, line: bytes, reader: LineReader, take: Callable[[Line, int], None], place: int
) -> None:
    try:
        request = read_line(line, reader)
    except BadLine:
        log.tally.lines += 1
        log.tally.leave_out("", NotARequest(OTHER_MESSAGE, "is still being written"))
    else:
        _taken(log, request, take, place)


def _read(
    log: Log,
    line: bytes,
    reader: LineReader,
    where: str,
    take: Callable[[Line, int], None],
    place: int,
) -> None:
    try:
        request = read_line(line, reader)
    except BadLine as error:
        log.tally.lines += 1
        log.tally.leave_out(where, error)
    else:
        _taken(log, request, take, place)


def _taken(log: Log, request: Line, take: Callable[[Line, int], None], place: int) -> None:
    log.tally.lines += 1
    log.requests += 1
    log.with_id += bool(request.request_id)
    log.says_mark += request.mark is not None
    log.says_upstream += request.has_asked_upstream is not None
    log.inexact += not request.is_exact
    log.first_s = min(log.first_s or request.time_s, request.time_s)
    log.last_s = max(log.last_s, request.time_s)
    take(request, place)

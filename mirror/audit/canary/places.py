"""Where a canary may be found: logs that are followed from now on, and Envoy's counters.

Invariant: a look reads what was written since the look before, and no more than MOST_LOOK_BYTES of
it; a log that is rotated or truncated meanwhile is followed to its new file.
"""

import glob
import os
import select
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mirror.audit.lines import Line, read_line
from mirror.errors import InputError
from mirror.formats.access_log.blocks import STDIN
from mirror.formats.access_log.line_reader import LineReader
from mirror.formats.access_log.request import MAX_LINE_BYTES, BadLine
from mirror.formats.bounded_files import BoundedFileError, open_regular

MOST_LOOK_BYTES = 16 << 20
"""A log that grows faster is read further at the next look."""
MOST_FOUND = 16
"""Lines that are kept of one canary."""

_Inode = tuple[int, int]


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A line that holds the id of a canary."""

    file: str
    mark: str | None
    """As `lines.Line.mark`; None too where the line cannot be read."""


@dataclass(slots=True)
class _Followed:
    name: str
    read_bytes: int
    rest: bytes = b""


@dataclass(slots=True)
class FollowedLog:
    """A log of one place. Construct it before the canary is sent."""

    option: str
    patterns: Sequence[str]
    found: dict[str, list[FoundLine]] = field(default_factory=dict)
    """Canary id -> its lines."""
    stdin: int = 0
    """The descriptor that `-` stands for."""
    has_ended: bool = False
    """Standard input ended, so what was logged afterwards was not seen."""
    _files: dict[_Inode, _Followed] = field(default_factory=dict)
    _piped: _Followed = field(default_factory=lambda: _Followed("standard input", 0))

    def start(self) -> None:
        """Begin at the ends of the files. Raises InputError where a name leads to none."""
        for pattern in self.patterns:
            is_found = pattern == STDIN or os.path.exists(pattern) or glob.glob(pattern)
            if not is_found:
                raise InputError(f"{self.option} {pattern}: no such file")
        for name in self._names():
            with open_regular(name) as file:
                about = os.fstat(file.fileno())
                self._files[about.st_dev, about.st_ino] = _Followed(name, about.st_size)

    def look(self, ids: Iterable[str]) -> None:
        """Read what is new, and keep the lines that hold one of the ids."""
        wanted = {name: name.encode() for name in ids}
        if STDIN in self.patterns:
            self._take(self._piped, self._from_stdin(), wanted)
        for name in self._names():
            try:
                with open_regular(name) as file:
                    about = os.fstat(file.fileno())
                    followed = self._files.setdefault(
                        (about.st_dev, about.st_ino), _Followed(name, 0)
                    )
                    if about.st_size < followed.read_bytes:
                        followed.read_bytes, followed.rest = 0, b""
                    file.seek(followed.read_bytes)
                    data = file.read(MOST_LOOK_BYTES)
            except BoundedFileError:
                continue  # it is just being rotated
            self._take(followed, data, wanted)

    def lines(self, canary_id: str) -> list[FoundLine]:
        """Return the lines of a canary so far."""
        return self.found.get(canary_id, [])

    def _take(self, followed: _Followed, data: bytes, wanted: dict[str, bytes]) -> None:
        followed.read_bytes += len(data)
        *lines, rest = (followed.rest + data).split(b"\n")
        followed.rest = rest[:MAX_LINE_BYTES]
        for line in lines:
            for canary_id, text in wanted.items():
                if text in line:
                    self._keep(canary_id, followed.name, line)

    def _from_stdin(self) -> bytes:
        """Return what has come, without waiting for more."""
        data = b""
        while len(data) < MOST_LOOK_BYTES and select.select([self.stdin], [], [], 0)[0]:
            piece = os.read(self.stdin, 1 << 16)
            if not piece:
                self.has_ended = True
                break
            data += piece
        return data

    def _keep(self, canary_id: str, name: str, line: bytes) -> None:
        kept = self.found.setdefault(canary_id, [])
        if len(kept) < MOST_FOUND:
            kept.append(FoundLine(name, _mark_of(line)))

    def _names(self) -> list[str]:
        names: list[str] = []
        for pattern in self.patterns:
            if pattern == STDIN:
                continue
            names += [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern))
        return [name for name in dict.fromkeys(names) if not name.endswith((".gz", ".zst"))]


def _mark_of(line: bytes) -> str | None:
    try:
        read: Line = read_line(line, LineReader())
    except BadLine:
        return None
    return read.mark

"""nginx's access log, followed as it grows.

Reading starts at the end of a file that is there, and at the beginning of one that appears later.
A file that was renamed is read to its end, because nginx writes into it until it has opened the new
one (its signal USR1); then the new one is read from its beginning. A file that was cut or written
anew in place (copytruncate) is recognised by its size, or because the last bytes that were read are
no longer in front of those that follow, and is read from its beginning. What was written between
the last read and such a cut is lost, and shows as gaps (connections.py).

A tick reads a bounded number of bytes, and gives at most a bounded number of lines; the others are
counted. Nothing raises: what hinders the reading is in `problem`, and every tick tries again. The
file is read in the supervisor's loop, because what nginx has just written is in the page cache.
"""

import os
import stat
from collections.abc import Callable

from mirror.comparison.log_lines import LONGEST_LINE_BYTES

MOST_BYTES_A_TICK = 4 << 20
MOST_LINES_A_TICK = 10_000
MOST_BEHIND_BYTES = 16 << 20
"""Where more is unread, all but the last bytes of a tick are skipped: lines that old would come too
late for their copies."""
_TAIL_BYTES = 64
"""Bytes in front of the unread ones that must still be there."""
_GRACE_S = 1.0
"""Time for which a renamed file is read on after its end was reached."""
_USUAL_LINE_BYTES = 400.0
"""Length of a line before the first ones are read."""


class FollowedFile:
    """One path, whatever file has that name."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._take: Callable[[bytes], None] = lambda data: None
        self._file = -1
        self._offset = 0
        self._tail = b""
        self._partial = b""
        self._is_inside_line = False
        """The bytes up to the next end of a line are not read: the line is too long, or its
        beginning was not read."""
        self._ended_at: float | None = None
        """When the end of a renamed file was reached."""
        self._skipped = 0
        self._line_bytes = _USUAL_LINE_BYTES
        """Mean length of the lines that were read last: how many are in bytes that are skipped."""
        self.problem = ""
        """Why nothing is read; empty where all is well."""
        self._open(is_first=True)

    def start(self, take: Callable[[bytes], None]) -> None:
        """Give each line, without its end, to `take`."""
        self._take = take

    def tick(self, now: float) -> int:
        """Give the new lines to `take`; return the number of lines that were skipped."""
        try:
            if self._file < 0:
                self._open(is_first=False)
            if self._file >= 0:
                self._read_new()
                self._follow_name(now)
        except OSError as error:
            self.problem = _words_of(error)
            self.stop()
        skipped, self._skipped = self._skipped, 0
        return skipped

    def read_rest(self, now: float) -> int:
        """Do as `tick` does."""
        return self.tick(now)

    def stop(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self, is_first: bool) -> None:
        try:
            file = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError as error:
            self.problem = _words_of(error)
            return
        state = os.fstat(file)
        if not stat.S_ISREG(state.st_mode):
            os.close(file)
            self.problem = "it is no regular file"
            return
        self._file = file
        self._begin_at(state.st_size if is_first else 0)
        self.problem = ""

    def _begin_at(self, offset: int) -> None:
        self._offset = max(0, offset - 1)
        self._tail = b""
        self._partial = b""
        # From one byte before: where it ends a line, the next line is whole.
        self._is_inside_line = offset > 0
        self._ended_at = None

    def _read_new(self) -> None:
        size = os.fstat(self._file).st_size
        if size < self._offset:
            self._begin_at(0)
        elif size - self._offset > MOST_BEHIND_BYTES:
            begin = size - MOST_BYTES_A_TICK
            self._skipped += int((begin - self._offset) / self._line_bytes)
            self._begin_at(begin)
        if size == self._offset:
            return
        known = len(self._tail)
        data = os.pread(self._file, known + MOST_BYTES_A_TICK, self._offset - known)
        if data[:known] != self._tail:
            self._begin_at(0)
            known = 0
            data = os.pread(self._file, MOST_BYTES_A_TICK, 0)
        self._offset += len(data) - known
        self._tail = data[-_TAIL_BYTES:]
        self._split(data[known:])

    def _split(self, data: bytes) -> None:
        if self._is_inside_line:
            _, end, data = data.partition(b"\n")
            if not end:
                return
            self._is_inside_line = False
        *lines, self._partial = (self._partial + data).split(b"\n")
        if lines:
            self._line_bytes = len(data) / len(lines)
        if len(self._partial) > LONGEST_LINE_BYTES:
            self._partial = b""
            self._is_inside_line = True
            self._skipped += 1
        for line in lines[:MOST_LINES_A_TICK]:
            self._take(line)
        self._skipped += len(lines[MOST_LINES_A_TICK:])

    def _follow_name(self, now: float) -> None:
        """Go on with another file of this name once the present one is read to its end."""
        ours = os.fstat(self._file)
        try:
            named = os.stat(self.path)
        except FileNotFoundError:
            return  # renamed, and nginx has not opened the new one
        is_ours = (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)
        if is_ours or self._offset < ours.st_size:
            self._ended_at = None
        elif self._ended_at is None:
            self._ended_at = now
        elif now - self._ended_at >= _GRACE_S:
            self.stop()
            self._open(is_first=False)
            if self._file >= 0:
                self._read_new()


def _words_of(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)

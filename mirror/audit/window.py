"""The time that an audit judges: seconds from `first` on and before `end`, and which of them count.

Invariant: a second that one side did not observe is judged on no side. Neither are its neighbours,
because a request and its copy may be counted in two seconds that follow each other.
"""

from array import array
from dataclasses import dataclass, field
from datetime import UTC, datetime

MOST_WINDOW_S = 31 * 86400
"""Longest window; it takes 17 bytes a second."""
EDGE_S = 2
"""How far apart a request and its copy may be counted where clocks agree: nginx logs whole seconds
in most formats, and at the end of a response."""
PAD_S = 900
"""Ids are matched this far beyond both ends, for lines at the edges and for clocks apart."""

_HOLE_S = 5
_HOLE_REQUESTS = 20
"""A log without a line for so many seconds, in which the sidecar saw so many requests, is one of
which a part is missing."""


def utc(second: float) -> str:
    """Return a Unix time as a date and a time of day in UTC."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True, slots=True)
class Window:
    """Half open: `first` is judged, `end` is not."""

    first: int
    end: int
    begins_with_series: bool = False
    """Nobody chose its begin, and the series of a sidecar is younger than the default window."""

    def __len__(self) -> int:
        return self.end - self.first

    def has(self, time_s: float) -> bool:
        return self.first <= time_s < self.end

    def is_near(self, time_s: float) -> bool:
        """Return whether the time is within PAD_S of the window."""
        return not self.side(time_s)

    def side(self, time_s: float) -> int:
        """Return -1 or 1 for a time that is more than PAD_S before or after the window, else 0."""
        return (time_s >= self.end + PAD_S) - (time_s < self.first - PAD_S)


@dataclass(slots=True)
class Seconds:
    """What was counted in each second of a window, as arrays, and which seconds are judged."""

    window: Window
    logged: "array[int]" = field(init=False)
    seen: "array[int]" = field(init=False)
    judged: bytearray = field(init=False)
    """1 for a second that every side observed."""

    def __post_init__(self) -> None:
        size = len(self.window)
        self.logged = array("Q", bytes(8 * size))
        self.seen = array("Q", bytes(8 * size))
        self.judged = bytearray(b"\1") * size

    def leave_out(self, first: int, end: int) -> None:
        """Do not judge the seconds from `first` to before `end`, nor those within EDGE_S of them.

        Both count from the begin of the window.
        """
        begin, stop = max(0, first - EDGE_S), min(len(self.judged), end + EDGE_S)
        if begin < stop:
            self.judged[begin:stop] = bytes(stop - begin)

    def leave_out_holes(self) -> int:
        """Do not judge times in which a part of the log is missing; return their seconds."""
        holes = 0
        for first, end in _runs(self.logged):
            if end - first >= _HOLE_S and sum(self.seen[first:end]) >= _HOLE_REQUESTS:
                self.leave_out(first, end)
                holes += end - first
        return holes

    def edges(self, beyond_s: int = 0) -> int:
        """Return how many requests may be counted on different sides of an edge of what is judged.

        These are the requests within EDGE_S and `beyond_s` of each edge.
        """
        near_s = EDGE_S + beyond_s
        total = 0
        before = 0
        for place, judged in enumerate([*self.judged, 0]):
            if judged and not before:
                total += self._most(place, place + near_s)
            elif before and not judged:
                total += self._most(max(0, place - near_s), place)
            before = judged
        return total

    def _most(self, first: int, end: int) -> int:
        return max(sum(self.logged[first:end]), sum(self.seen[first:end]))


def _runs(numbers: "array[int]") -> list[tuple[int, int]]:
    """Return the runs of zeros as (first, end)."""
    runs = []
    begin = None
    for place, number in enumerate(numbers):
        if number:
            if begin is not None:
                runs.append((begin, place))
            begin = None
        elif begin is None:
            begin = place
    if begin is not None:
        runs.append((begin, len(numbers)))
    return runs

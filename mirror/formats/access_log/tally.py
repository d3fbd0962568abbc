"""Counts what became of the lines of logs: how many were left out, by reason, and how many is much.

Nothing is collected but the first lines that were left out, so memory does not grow with them.
"""

from collections import Counter
from dataclasses import dataclass, field

from mirror.errors import InputError
from mirror.formats.access_log.request import BadLine, NotARequest

SHOWN_LINES = 5
SAID_FIRST_RATIO = 0.01
"""From this share of lost lines on, the loss is the first thing that is said."""
LOW_CONFIDENCE_RATIO = 0.05
"""Beyond this share, nothing should rest on what was read alone."""

HOPELESS_LINES = 1_000_000
"""After this many lost lines, a log of which most lines are lost is given up."""

MOST_PLAUSIBLE_S = 60.0
FEWEST_TIMED = 20
"""With fewer durations, chance may make most of them long."""


WHAT_IS_READ = (
    'Expected an access log (docs/formats.md lists which): a line of text holds [time] "request"'
    " status, and a JSON log may have keys of its own, which --fields names"
)
"""Advice where no line of a log was understood."""


class NotALog(InputError):
    """Most lines of a file are none of an access log; the text says so."""


@dataclass(slots=True)
class Tally:
    """The lines of one log, or of several added up."""

    lines: int = 0
    """Lines that are not empty."""
    lost: Counter[str] = field(default_factory=Counter)
    """Lines that should have been requests, by reason."""
    others: Counter[str] = field(default_factory=Counter)
    """Lines that were understood and are no request of their own, by reason."""
    shown: list[str] = field(default_factory=list)
    """The first lost lines with their places; of a log, each text once."""
    timed: int = 0
    implausible: int = 0
    """Durations in seconds, and those of them that look like milliseconds."""

    def leave_out(self, place: str, error: BadLine) -> None:
        """Count a line that yields no request. Raises NotALog when there is no hope."""
        if isinstance(error, NotARequest):
            self.others[error.reason] += 1
            return
        self.lost[error.reason] += 1
        ending = f": {error}"
        if len(self.shown) < SHOWN_LINES and not any(line.endswith(ending) for line in self.shown):
            self.shown.append(place + ending)
        lost = self.lost.total()
        if lost >= HOPELESS_LINES and lost * 2 > self.lines:
            raise NotALog(
                f"{lost:,} of the first {self.lines:,} lines are no requests, the limit of a log"
                f" that may still be one; the first: {self.shown[0]}"
            )

    def time(self, duration_s: float) -> None:
        """Count a duration; nginx writes `0.005`, so whole numbers are not its seconds."""
        self.timed += 1
        if duration_s >= MOST_PLAUSIBLE_S or (duration_s >= 1 and duration_s.is_integer()):
            self.implausible += 1

    def add(self, other: "Tally") -> None:
        """Add the lines of another log, which comes after this one."""
        self.lines += other.lines
        self.lost.update(other.lost)
        self.others.update(other.others)
        self.shown = (self.shown + other.shown)[:SHOWN_LINES]
        self.timed += other.timed
        self.implausible += other.implausible

    def rejoin(self, reasons: tuple[str, str], sentences: tuple[str, str]) -> None:
        """Take back the loss of the two halves of one line."""
        self.lines -= 1
        self.lost.subtract(reasons)
        self.lost = +self.lost
        self.shown = [sentence for sentence in self.shown if sentence not in sentences]

    @property
    def lost_ratio(self) -> float:
        """Lost lines as a share of those that should have been requests."""
        expected = self.lines - self.others.total()
        return self.lost.total() / expected if expected else 0.0

    def loss(self) -> str:
        """Return what was lost in one sentence; empty if nothing was."""
        if not self.lost:
            return ""
        expected = self.lines - self.others.total()
        # The only line with a text may have been the half of another line.
        first = f"; the first: {'; '.join(self.shown)}" if self.shown else ""
        return (
            f"{self.lost.total()} of {expected} lines ({self.lost_ratio:.1%}) left out:"
            f" {_listed(self.lost)}{first}"
        )

    def other_lines(self) -> str:
        """Return which lines are no requests; empty if all are."""
        return f"{_listed(self.others)}: no traffic is lost with them" if self.others else ""

    def wrong_unit(self) -> str:
        """Return why the durations cannot be in seconds; empty if they can."""
        if self.timed < FEWEST_TIMED or self.implausible * 2 <= self.timed:
            return ""
        return (
            f"request_time of {self.implausible} of {self.timed} lines is"
            f" {MOST_PLAUSIBLE_S:.0f} s and more, or a whole number as nginx writes none: expected"
            " seconds; --fields duration_ms=request_time reads it as milliseconds,"
            " --fields duration=request_time as seconds all the same"
        )


def _listed(reasons: Counter[str]) -> str:
    return ", ".join(f"{count} lines {reason}" for reason, count in reasons.most_common())

"""What a line of an access log says about its request, or why it is about none.

Invariant: nothing is guessed and nothing is lost in silence. A line that yields no request raises
BadLine with a reason of a closed set, so that losses can be counted.
"""

from dataclasses import dataclass

MAX_LINE_BYTES = 1 << 20
"""nginx takes at most 4 header buffers of 8 KiB by default, so a longer line is damaged."""

RECENT_IDS = 100_000
"""A request id is recognised for at least this many requests; they take about 10 MB."""

# The reasons, as they are counted: "12 lines in no known format".
UNKNOWN = "in no known format"
NOT_JSON = "that are no complete JSON object"
NO_TIME = "without a usable time"
NO_OFFSET = "whose time has no offset from UTC"
NO_TARGET = "without a path"
BAD_DURATION = "with an impossible duration"
TOO_LONG = "that are too long"
PART = "that are a part of a longer line"
SEVERAL = "that hold several lines"
NO_HOST = "without a host"
NOT_REPLAYABLE = "that cannot be replayed"
# Lines that were understood: nothing is lost with them.
NO_REQUEST = "without an HTTP request"
OTHER_MESSAGE = "of an error log or of a frame"
REPEATED = "with the id of an earlier line"


class BadLine(Exception):
    """A line yields no request; `reason` is what is counted, the text says why."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class NotARequest(BadLine):
    """The line was understood, and no request is lost with it."""


@dataclass(slots=True)
class LoggedRequest:
    """What a line says about its request; texts have one character for each byte."""

    time_s: float
    """Unix time at which the request began or, unless `is_begin`, its response ended."""
    is_whole_second: bool
    """The log knows the time only to the second."""
    duration_s: float | None
    method: str
    """Empty if the line does not say it, as `host` and `request_id`."""
    target: str
    host: str
    request_id: str
    headers: tuple[tuple[str, str], ...]
    """The logged ones of User-Agent and Referer."""
    is_begin: bool = False
    status: int | None = None
    """The answer, if the line says it and there was one."""


def status_of(written: object) -> int | None:
    """Return a status as a log writes it; None if that is none.

    nginx writes 000 and Envoy 0 where nothing was answered.
    """
    text = str(written)
    is_status = len(text) == 3 and text.isascii() and text.isdecimal() and text[0] != "0"
    return int(text) if is_status else None


class KnownIds:
    """Recognises requests that a log holds twice, by `request_id`.

    A load balancer or nginx itself may send a request again, with the same id. It came only once.
    """

    def __init__(self) -> None:
        self._newer: set[str] = set()
        self._older: set[str] = set()

    def is_repeat(self, request_id: str) -> bool:
        """Remember the id; return whether an earlier line had it."""
        if request_id in self._newer or request_id in self._older:
            return True
        self._newer.add(request_id)
        if len(self._newer) >= RECENT_IDS:
            self._newer, self._older = set(), self._newer
        return False

    def repeats(self, request_ids: list[str]) -> set[int]:
        """Remember ids, of which the empty ones are none; return the places of repeated ones."""
        new = set(request_ids)
        if (
            len(new) == len(request_ids)
            and "" not in new
            and len(self._newer) + len(new) < RECENT_IDS
            and new.isdisjoint(self._newer)
            and new.isdisjoint(self._older)
        ):
            self._newer |= new
            return set()
        is_repeat = self.is_repeat
        return {at for at, known in enumerate(request_ids) if known and is_repeat(known)}

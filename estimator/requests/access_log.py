"""What access logs say that production received: authority, method, target and status of each line.

A block of the combined format passes as a whole through one expression, a block of JSON lines
through one decoder; what is neither is read line by line, with the same result.

The bytes of a target are those of the request: the escapes that nginx and Apache write are undone.
A log holds no headers but User-Agent and Referer, so a condition on any other one is unknown. Lines
are read one by one where rules ask for these two.

Speed on one core: `python -m benchmarks.micro.requests_of_logs`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from estimator.errors import Refusal, Refused
from estimator.requests.asked import Asked
from estimator.requests.observations import Observations
from estimator.requests.summary import summarised
from estimator.requests.sums import Extra, Sums
from estimator.series.access_log.numbered_blocks import read_blocks
from estimator.series.access_log.workers import Beginnings, Workers, source_name
from mirror.formats.access_log.blocks import AnsweredLine, answered_lines
from mirror.formats.access_log.json_lines import (
    LoggedKeys,
    Wrapped,
    answered,
    common_of,
    counted,
    read_objects,
)
from mirror.formats.access_log.line_reader import LineReader, Reading
from mirror.formats.access_log.request import (
    REPEATED,
    BadLine,
    KnownIds,
    LoggedRequest,
    status_of,
)
from mirror.formats.access_log.tally import (
    LOW_CONFIDENCE_RATIO,
    SAID_FIRST_RATIO,
    WHAT_IS_READ,
    Tally,
)
from mirror.formats.access_log.text_lines import only_domain, origin_form, without_default_port
from mirror.formats.access_log.times import local_second
from mirror.formats.access_log.wrappers import unwrapped_block

_SAME_BYTES = 1 << 16
_MOST_HOSTS = 4096

_LOGGED_HEADERS = frozenset({"user-agent", "referer"})
_NO_HOSTS = ("_", "*", "~")
"""How nginx's $server_name begins where it is no host: a default, a wildcard, an expression."""

Task = tuple[str, Asked, Reading]
"""Name of a log, what rules ask for, and how its lines are read."""


@dataclass(slots=True)
class LogRequests:
    """The requests of one log."""

    name: str
    sums: Sums
    beginning: bytes = b""
    tally: Tally = field(default_factory=Tally)


def observe_access_logs(
    logs: Iterable[str],
    asked: Asked,
    reading: Reading | None = None,
    workers: Workers | None = None,
) -> Observations:
    """Return the requests of all these logs together.

    Raises InputError for a file that cannot be read or is given twice, Refused if no line is about
    a request, ValueError for a `reading` that is not understood.
    """
    names = tuple(logs)
    reading = reading or Reading()
    LineReader(reading)
    tasks = [(name, asked, reading) for name in names]
    sums, tally = Sums(asked.parameters), Tally()
    beginnings = Beginnings()
    for found in (workers or Workers()).each(read_log, names, tasks):
        beginnings.add(found.name, found.beginning)
        sums.merge(found.sums)
        tally.add(found.tally)
    source = source_name(names)
    if not sums.count:
        problem = "; ".join(["holds no request", *tally.shown])
        raise Refused([Refusal(source, problem, WHAT_IS_READ)])
    notes, doubts = _said_of_losses(tally)
    left_out = {f"lines {reason}": lines for reason, lines in (tally.lost + tally.others).items()}
    return summarised(sums, source, left_out, notes, doubts)


def _said_of_losses(tally: Tally) -> tuple[list[str], list[str]]:
    """Return notes and doubts about the lines that were left out."""
    notes = [others] if (others := tally.other_lines()) else []
    if tally.lost_ratio > LOW_CONFIDENCE_RATIO:
        return notes, [f"{tally.loss()}. The requests of these lines are missing"]
    if tally.lost_ratio > SAID_FIRST_RATIO:
        notes.insert(0, f"{tally.loss()}. The requests of these lines are missing")
    elif tally.lost:
        notes.append(tally.loss())
    return notes, []


def read_log(task: Task) -> LogRequests:
    """Return the requests of one log, in whichever process.

    Raises InputError for a file that is no access log.
    """
    name, asked, reading = task
    adding = _Adding(LogRequests(name, Sums(asked.parameters)), LineReader(reading), asked.headers)
    read_blocks(name, adding.block)
    return adding.found


class _Adding:
    """Adds up the blocks of one log."""

    def __init__(self, found: LogRequests, reader: LineReader, headers: frozenset[str]) -> None:
        self.found = found
        self._reader = reader
        self._headers = headers
        self._has_headers = bool(headers & _LOGGED_HEADERS)
        self._known_ids = KnownIds()
        self._seconds: dict[str, int] = {}
        self._number = 1

    def block(self, number: int, block: bytes) -> None:
        """Add whole lines, of which the first has this number, at once if they have one format."""
        self._number = number
        if number == 1:
            self.found.beginning = block[:_SAME_BYTES]
        if not block.isspace():
            self._lines_of(block)

    def _lines_of(self, block: bytes) -> None:
        lines = block.count(b"\n") + (not block.endswith(b"\n"))
        if self._reader.reading.is_plain and not self._has_headers:
            inner = unwrapped_block(block)
            if inner.startswith(b"{"):
                objects = read_objects(inner)
                if len(objects) == lines and objects.count(None) * 2 < lines:
                    self._one_by_one(self._of_objects(objects), block)
                    return
            entries = answered_lines(inner)
            # Empty lines and line breaks within a wrapper would shift the places.
            if len(entries) == lines:
                self._one_by_one(self._of_entries(entries), block)
                return
        self._one_by_one(range(lines), block)

    def _of_entries(self, entries: Sequence[AnsweredLine]) -> list[int]:
        """Add lines of the combined format; return the places of the others."""
        others: list[int] = []
        get, sum_of = self.found.sums.of_targets.get, self.found.sums.sum_of
        second_of = self._seconds.get
        for at, (host, time, method, target, status, extra, took, other) in enumerate(entries):
            time_s: float | None = second_of(time)
            if time_s is None and (other or (time_s := self._second(time)) is None):
                others.append(at)
                continue
            if took:
                time_s -= float(took)
            key = (_host(host, extra) if host or extra else "", method, target, None)
            (get(key) or sum_of(key)).add(time_s, status_of(status))
        self.found.tally.lines += len(entries) - len(others)
        return others

    def _second(self, time: str) -> int | None:
        try:
            second = local_second(time.encode("ascii"))
        except BadLine:
            return None
        if len(self._seconds) >= _MOST_HOSTS:
            self._seconds.clear()
        self._seconds[time] = second
        return second

    def _of_objects(self, objects: Sequence[LoggedKeys | None]) -> list[int]:
        """Add the objects of JSON lines; return the places of those that are read by themselves."""
        others: list[int] = []
        get, sum_of = self.found.sums.of_targets.get, self.found.sums.sum_of
        is_repeat = self._known_ids.is_repeat
        tally = self.found.tally
        for at, entry in enumerate(objects):
            try:
                if entry is None or type(entry.request) is dict:
                    raise Wrapped(b"")
                (target, request_id, time_s, _), _ = counted(entry, None)
            except (BadLine, Wrapped):
                others.append(at)
                continue
            tally.lines += 1
            if request_id and is_repeat(request_id):
                tally.others[REPEATED] += 1
                continue
            method, host, _, _ = common_of(entry)
            if target[:1] != "/":
                path, named = origin_form(target.encode("latin-1"))
                target, host = path.decode("latin-1"), named.decode("latin-1") or host
            if host.startswith(_NO_HOSTS):
                host = ""
            key = (host, method, target, None)
            # Almost every log has the first of the keys that `answered` knows.
            (get(key) or sum_of(key)).add(time_s, status_of(entry.status) or answered(entry))
        return others

    def _one_by_one(self, places: Iterable[int], block: bytes) -> None:
        """Add the lines at these places of the block."""
        tally = self.found.tally
        lines: list[bytes] = []
        for at in places:
            lines = lines or block.split(b"\n")
            line = lines[at]
            if not line.strip():
                continue
            tally.lines += 1
            try:
                request = self._reader.read(line)
            except BadLine as error:
                tally.leave_out(f"{self.found.name}:{self._number + at}", error)
                continue
            if request.request_id and self._known_ids.is_repeat(request.request_id):
                tally.others[REPEATED] += 1
                continue
            host = "" if request.host.startswith(_NO_HOSTS) else request.host
            key = (host, request.method, request.target, self._extra(request))
            self.found.sums.sum_of(key).add(request.time_s, request.status)

    def _extra(self, request: LoggedRequest) -> Extra | None:
        """Return the headers of a line as far as rules ask for them.

        A log writes the same for a header that is missing as it would for one that it does not log.
        """
        if not self._has_headers:
            return None
        known = tuple(sorted(field for field in request.headers if field[0] in self._headers))
        return Extra(known, self._headers - {name for name, _ in known})


@lru_cache(_MOST_HOSTS)
def _host(in_front: str, behind: str) -> str:
    """Return the host of a line of the combined format, as `read_combined` finds it."""
    host = without_default_port(in_front.encode("latin-1"))
    return (host or only_domain(behind.encode("latin-1"))).decode("latin-1")

"""When the steps of a switch begin: at a given time, or at the hour that is easiest on the cluster.

Without a time, the start is the whole hour from Monday to Friday that leaves all steps between 9:00
and 17:00 of the zone (people watch, and can roll back) and whose steps meet the least load:

    load of a start = max over the hours that the steps and their warm-ups touch of the hour's
                      expected load
    start           = the first hour with the least of these, after the end of the series

The highest hour of the steps counts and not that of the start alone, because the last step, which
moves everything, is the latest. A step counts from its warm-up on, because copies bring the new
side the share of what comes then, which may be more than at the step itself. Where the steps last
longer than these hours, they begin at 9:00.

Worked, without a warm-up: 100 rps from 9:00, 80 from 10:00 and 120 from 11:00 on. Steps of an hour
in all begin at 10:00; steps of two hours begin at 9:00, as 9:00 to 11:00 has at most 100 rps and
10:00 to 12:00 has 120.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from estimator.errors import Refusal, Refused
from estimator.model.demand.hours import HOUR_S, Basis, Window, expected_load
from estimator.model.demand.scenario import Observed
from estimator.model.policy import Policy

FIRST_HOUR = 9
LAST_HOUR = 17
"""The hour at whose begin the last step must have been held."""
WORKING_DAYS = 5


@dataclass(frozen=True, slots=True)
class Timetable:
    """The instants of all steps."""

    start: int
    """Unix time of the first step."""
    hold_s: int
    """How long each step is held."""
    percents: tuple[int, ...]
    """The share of the new side after each step, rising."""
    zone: tzinfo
    lead_s: int = 0
    """How long before each step its warm-up begins."""

    @property
    def end(self) -> int:
        """The end of the last step's hold."""
        return self.start + len(self.percents) * self.hold_s

    def begins(self, step: int) -> int:
        """Return the Unix time at which a step, counted from 0, begins."""
        return self.start + step * self.hold_s

    def window(self, step: int) -> Window:
        """Return the time in which the new side gets the share of a step, or copies up to it."""
        return Window(self.begins(step) - self.lead_s, self.lead_s + self.hold_s, self.zone)

    @property
    def whole(self) -> Window:
        return Window(self.start, self.end - self.start, self.zone)


def easiest_start(observed: Observed, timetable: Timetable, policy: Policy) -> int:
    """Return the Unix time at which the steps meet the least load; `timetable.start` is ignored.

    Raises Refused if no working hour was observed.
    """
    duration_s = timetable.end - timetable.start
    after = observed.start + len(observed.demand) * observed.resolution_s
    loads: dict[int, float | None] = {}

    def highest(start: int) -> float | None:
        lead_s = timetable.lead_s
        hours = Window(start - lead_s, lead_s + duration_s, timetable.zone).hours()
        highest_rps = 0.0
        for second in range(hours.second, hours.second + hours.duration_s, HOUR_S):
            if second not in loads:
                hour = Window(second, HOUR_S, timetable.zone)
                load = expected_load(observed, hour, policy)
                loads[second] = None if load.basis is Basis.EVERYTHING else load.rps
            rps = loads[second]
            if rps is None:
                return None
            highest_rps = max(highest_rps, rps)
        return highest_rps

    candidates = [
        (rps, start)
        for start in _working_hours(after, duration_s, timetable.zone)
        if (rps := highest(start)) is not None
    ]
    if not candidates:
        reason = f"no hour from {FIRST_HOUR}:00 to {LAST_HOUR}:00 was observed"
        raise Refused([Refusal("--at", reason, "Give the time of the first step with --at")])
    return min(candidates)[1]


def _working_hours(after: int, duration_s: int, zone: tzinfo) -> Iterator[int]:
    """Yield the starts within the week after this Unix time."""
    midnight = datetime.fromtimestamp(after, zone).replace(
        hour=0, minute=0, second=0, microsecond=0, tzinfo=None
    )
    latest = max(FIRST_HOUR, LAST_HOUR - -(-duration_s // HOUR_S))
    for day in range(8):
        date = midnight + timedelta(days=day)
        for hour in range(FIRST_HOUR, latest + 1):
            moment = (date + timedelta(hours=hour)).replace(tzinfo=zone)
            start = int(moment.timestamp())
            if date.weekday() < WORKING_DAYS and after <= start < after + 7 * 86_400:
                yield start

"""CPU per request of a way, from the operating system's accounting.

Read before a run and after the last copy has been answered, divided by the requests that wrk
completed. The shadow itself counts the copies that arrived: a way that sheds does less work, and
the table must show it. (A little more than 1 each: wrk does not count what it cuts at its end.)

A run that shared its core with somebody else is repeated: a server that is pushed aside finds its
work in larger heaps afterwards, which makes it look cheaper than it is.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.macro.cores import busy_core_s, cpu_time
from benchmarks.macro.ways import Way
from benchmarks.macro.wrk import run_wrk
from benchmarks.result import Row
from mirror.demo.processes import fetch

FOREIGN_SHARE_LIMIT = 0.05
ATTEMPTS = 4
SETTLE_STEP_S = 0.3


def least_disturbed(measure: Callable[[], Row]) -> Row:
    """The least disturbed of a few attempts; one is enough where nobody disturbs."""
    found: list[Row] = []
    while len(found) < ATTEMPTS:
        found.append(measure())
        if found[-1]["foreign_share"] < FOREIGN_SHARE_LIMIT:
            break
    return min(found, key=lambda row: row["foreign_share"])


@dataclass(frozen=True)
class Meter:
    """Measures one way after the other against the same shadow."""

    shadow_port: int

    def measure(self, way: Way, seconds: float, connections: int) -> Row:
        """One run of wrk, repeated while somebody else disturbs it."""
        return least_disturbed(lambda: self._measure_once(way, seconds, connections))

    def _measure_once(self, way: Way, seconds: float, connections: int) -> Row:
        arrived, cpu, busy_s = self.settle(), cpu_time(way.pids), busy_core_s()
        report = run_wrk(way.url(), seconds, connections)
        # Our own questions are too few to matter: a handful beside tens of thousands.
        arrived = self.settle() - arrived
        cpu, busy_s = cpu_time(way.pids) - cpu, busy_core_s() - busy_s
        each = 1e6 / report.requests
        return {
            "cpu_us_per_request": round(cpu.total_s * each, 2),
            "system_us_per_request": round(cpu.system_s * each, 2),
            "copies_per_request": round(arrived / report.requests, 4),
            "core_utilisation": round(cpu.total_s / report.elapsed_s, 3),
            "foreign_share": round(max(0.0, busy_s - cpu.total_s) / report.elapsed_s, 3),
            **report.metrics(),
        }

    def settle(self) -> int:
        """Wait until no more copies arrive; how many have arrived."""
        count, before = self.arrived(), -1
        # Each of our own questions adds one.
        while count - before > 1:
            time.sleep(SETTLE_STEP_S)
            count, before = self.arrived(), count
        return count

    def arrived(self) -> int:
        """Requests that the shadow has had, its own count."""
        answer = fetch(self.shadow_port, "/requests")
        assert answer is not None
        numbers = re.search(rb"\n\s*\d+ \d+ (\d+)", answer.body)
        assert numbers is not None
        return int(numbers[1])

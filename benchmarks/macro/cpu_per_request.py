"""CPU per request of a way, from the operating system's accounting.

The account is read before a run and after the last copy is answered. The difference is divided by
the requests that wrk completed. The shadow counts the copies that arrive, because a way that sheds
copies does less work, which the table must show. The number is slightly above 1, because wrk does
not count the requests that it cuts at its end.

A run is repeated if other processes used the same core: a server that was interrupted handles its
work in larger batches afterwards and therefore appears cheaper than it is.
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
    """Return the least disturbed of a few attempts; an undisturbed one is returned at once."""
    found: list[Row] = []
    while len(found) < ATTEMPTS:
        found.append(measure())
        if found[-1]["foreign_share"] < FOREIGN_SHARE_LIMIT:
            break
    return min(found, key=lambda row: row["foreign_share"])


@dataclass(frozen=True)
class Meter:
    """Measures ways one after the other against the same shadow."""

    shadow_port: int

    def measure(self, way: Way, seconds: float, connections: int) -> Row:
        """Measure one run of wrk, and repeat it if other processes disturb it."""
        return least_disturbed(lambda: self._measure_once(way, seconds, connections))

    def _measure_once(self, way: Way, seconds: float, connections: int) -> Row:
        arrived, cpu, busy_s = self.settle(), cpu_time(way.pids), busy_core_s()
        report = run_wrk(way.url(), seconds, connections)
        # Our own requests are negligible: a few among tens of thousands.
        arrived = self.settle() - arrived
        cpu, busy_s = cpu_time(way.pids) - cpu, busy_core_s() - busy_s
        us_per_request = 1e6 / report.requests
        return {
            "cpu_us_per_request": round(cpu.total_s * us_per_request, 2),
            "system_us_per_request": round(cpu.system_s * us_per_request, 2),
            "copies_per_request": round(arrived / report.requests, 4),
            "core_utilisation": round(cpu.total_s / report.elapsed_s, 3),
            "foreign_share": round(max(0.0, busy_s - cpu.total_s) / report.elapsed_s, 3),
            **report.metrics(),
        }

    def settle(self) -> int:
        """Wait until no more copies arrive; return the number that arrived."""
        count, before = self.arrived(), -1
        # Each of our own requests adds one.
        while count - before > 1:
            time.sleep(SETTLE_STEP_S)
            count, before = self.arrived(), count
        return count

    def arrived(self) -> int:
        """Return the shadow's own count of its requests."""
        answer = fetch(self.shadow_port, "/requests")
        assert answer is not None
        numbers = re.search(rb"\n\s*\d+ \d+ (\d+)", answer.body)
        assert numbers is not None
        return int(numbers[1])

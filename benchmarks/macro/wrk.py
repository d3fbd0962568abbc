"""Runs wrk and reads its report.

wrk is a closed loop: each connection sends its next request as soon as it gets a response. At its
end wrk cuts the requests in flight without counting them, so a server may have answered one more
request per connection. This module does not know what the target is.
"""

import re
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from typing import Self

from benchmarks.macro.cores import CORE_OF_CLIENT, core

STOP_TIMEOUT_S = 30.0
UNITS_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True, slots=True)
class WrkReport:
    """The report of one run of wrk."""

    requests: int
    elapsed_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    """The number of responses other than 2xx and 3xx, of failed sockets, and of timeouts (2 s)."""

    def metrics(self) -> dict[str, float]:
        found = asdict(self)
        elapsed_s = found.pop("elapsed_s")
        return {"rps": round(self.requests / elapsed_s, 1), **found}


class Wrk:
    """wrk on the client's core, as a context manager; the report is set after the block."""

    report: WrkReport

    def __init__(self, url: str, seconds: float, connections: int) -> None:
        self._command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds:g}s"]
        self._command += ["--latency", url]

    def __enter__(self) -> Self:
        with core(CORE_OF_CLIENT):
            self._running = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._running.send_signal(signal.SIGINT)  # makes wrk stop and report
        output, _ = self._running.communicate(timeout=STOP_TIMEOUT_S)
        if kind is None:
            self.report = read_report(output)


def run_wrk(url: str, seconds: float, connections: int) -> WrkReport:
    """Run wrk against `url` for this many seconds; return its report."""
    with Wrk(url, seconds + 60, connections) as wrk:
        time.sleep(seconds)
    return wrk.report


def read_report(output: str) -> WrkReport:
    found = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)", output)
    assert found is not None, output
    elapsed_s = float(found[2]) * {"ms": 1e-3, "s": 1.0, "m": 60.0}[found[3]]
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    failed = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output
    )
    return WrkReport(
        requests=int(found[1]),
        elapsed_s=elapsed_s,
        p50_ms=percentile_ms(output, "50%"),
        p99_ms=percentile_ms(output, "99%"),
        errors=(int(errors[1]) if errors else 0) + sum(map(int, failed.groups() if failed else ())),
    )


def percentile_ms(output: str, name: str) -> float:
    """Return a percentile in ms; wrk writes a unit after each number."""
    found = re.search(rf"{name}\s+([\d.]+)(us|ms|s)", output)
    assert found is not None, output
    return round(float(found[1]) * UNITS_MS[found[2]], 3)

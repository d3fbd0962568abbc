"""Running wrk (closed loop: each connection asks again as soon as it was answered) and reading it.

Must never know what it asks. wrk cuts the requests that are under way at its end and does not
count them: a server has answered up to one more for each connection.
"""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from benchmarks.macro.cores import CORE_OF_CLIENT, core

UNITS_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True, slots=True)
class WrkReport:
    """What one run of wrk said."""

    requests: int
    elapsed_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    """Answers that are not 2xx or 3xx, and sockets that failed; timeouts of 2 s as well."""

    def metrics(self) -> dict[str, float]:
        found = asdict(self)
        elapsed_s = found.pop("elapsed_s")
        return {"rps": round(self.requests / elapsed_s, 1), **found}


def run_wrk(url: str, seconds: float, connections: int, options: Sequence[str] = ()) -> WrkReport:
    """Drive `url` from the client's core."""
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds:g}s", "--latency"]
    with core(CORE_OF_CLIENT):
        done = subprocess.run(
            [*command, *options, url],
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + 60,
        )
    return read_report(done.stdout)


def read_report(said: str) -> WrkReport:
    found = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)", said)
    assert found is not None, said
    elapsed_s = float(found[2]) * {"ms": 1e-3, "s": 1.0, "m": 60.0}[found[3]]
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    failed = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said
    )
    return WrkReport(
        requests=int(found[1]),
        elapsed_s=elapsed_s,
        p50_ms=percentile_ms(said, "50%"),
        p99_ms=percentile_ms(said, "99%"),
        errors=(int(errors[1]) if errors else 0) + sum(map(int, failed.groups() if failed else ())),
    )


def percentile_ms(said: str, name: str) -> float:
    """wrk writes a unit behind each number."""
    found = re.search(rf"{name}\s+([\d.]+)(us|ms|s)", said)
    assert found is not None, said
    return round(float(found[1]) * UNITS_MS[found[2]], 3)

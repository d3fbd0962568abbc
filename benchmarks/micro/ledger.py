"""Counting requests, and reporting a worker's counts once a second."""

from benchmarks.micro.harness import Case
from mirror.core.ledger import REQUESTS, SHADOW_LATENCY
from mirror.core.worker_ledger import Ledger

ROUTES = [f"/service-{number}/_id_/details" for number in range(50)]
LABELS = ("safe", "unsafe")


def cases() -> dict[str, Case]:
    counting, full = Ledger(0), Ledger(0)
    for route in ROUTES:
        for label in LABELS:
            full.count(REQUESTS, route, label)
    return {
        "Ledger.count": lambda: counting.count(REQUESTS, "/watch/_id_", "safe"),
        "Ledger.record": lambda: counting.record(SHADOW_LATENCY, "/watch/_id_", 1234),
        "Ledger.roll, same second": lambda: counting.roll(0),
        "Ledger.report, 100 counters": lambda: full.report(0, 0),
    }

"""Times single functions in CPU µs per call, in rounds that alternate over all of them.

Each case is a callable without arguments that does its work once. The harness first finds the
number of calls for which a measurement lasts long enough for the clock. The garbage collector is
off, as in timeit. The minimum over the rounds is the cost with the least disturbance; the median is
the typical cost.
"""

import gc
import time
from collections.abc import Callable
from itertools import repeat

from benchmarks.result import Round

Case = Callable[[], object]

MEASUREMENT_S = 0.02


def timed(case: Case, calls: int) -> float:
    """Return the CPU seconds of this many calls, including the loop (0.02 µs per call)."""
    clock = time.process_time
    before = clock()
    for _ in repeat(None, calls):
        case()
    return clock() - before


def calls_for(case: Case, seconds: float) -> int:
    """Return the number of calls, a power of two, that lasts at least this many seconds."""
    calls = 1
    while (taken_s := timed(case, calls)) < seconds / 4:
        calls *= 2
    return max(1, round(calls * seconds / taken_s))


def measure(cases: dict[str, Case], rounds: int, seconds: float = MEASUREMENT_S) -> list[Round]:
    """Return the CPU µs per call of every case in each round."""
    calls = {name: calls_for(case, seconds) for name, case in cases.items()}
    gc.disable()
    try:
        return [
            {
                name: {"cpu_us": round(timed(case, calls[name]) / calls[name] * 1e6, 4)}
                for name, case in cases.items()
            }
            for _ in range(rounds)
        ]
    finally:
        gc.enable()

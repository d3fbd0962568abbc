import numpy as np
import pytest

from estimator.errors import Refused
from estimator.series.counter import refuse_counters
from estimator.series.rps import RpsSeries


def series(*rows: np.ndarray) -> RpsSeries:
    names = tuple(f"/r{n}" for n in range(len(rows)))
    return RpsSeries("test", 0, 60, names, np.array(rows))


def test_a_counter_is_refused_also_with_restarts_and_gaps() -> None:
    counter = 17e6 + np.arange(1000) * 60.0
    with pytest.raises(Refused, match="route /r0 falls 0 times in 999 changes, from 1.7e"):
        refuse_counters(series(counter))
    counter[500:] -= counter[500]
    counter[100:200] = np.nan
    with pytest.raises(Refused, match="falls 1 times .* a counter and not a rate"):
        refuse_counters(series(np.ones(1000), counter))


def test_traffic_is_no_counter() -> None:
    random = np.random.default_rng(1)
    quiet = random.poisson(0.01, 1000).astype(float)
    busy = random.poisson(np.linspace(1000, 5000, 1000)).astype(float)
    steps = np.repeat([100.0, 200, 300], 300)
    refuse_counters(series(quiet, busy))
    refuse_counters(series(steps, np.full(900, 7.0)))
    # Half an hour of a morning may rise all the time.
    refuse_counters(series(np.arange(30.0)))

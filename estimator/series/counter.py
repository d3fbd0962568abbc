"""Recognises a counter that was taken for a rate: its values rise for ever.

The rate of requests falls about as often as it rises. A counter falls only when its process starts
again. Between 30 and 99 changes none may fall for a series to be a counter, and of more changes at
most one in a hundred.
"""

import numpy as np

from estimator.errors import Refusal, Refused
from estimator.series.rps import RpsSeries

FEWEST_CHANGES = 30
MOST_FALLING_RATIO = 0.01


def refuse_counters(series: RpsSeries) -> RpsSeries:
    """Return the series. Raises Refused if a route of it is a counter."""
    for route, row in zip(series.routes, series.rps, strict=True):
        values = row[~np.isnan(row)]
        changes = np.diff(values)
        changes = changes[changes != 0]
        falling = int((changes < 0).sum())
        if len(changes) < FEWEST_CHANGES or falling > int(len(changes) * MOST_FALLING_RATIO):
            continue
        reason = (
            f"route {route} falls {falling} times in {len(changes)} changes, from {values[0]:g} to"
            f" {values[-1]:g}: that is a counter and not a rate"
        )
        advice = (
            "Take its rate, such as rate(mirror_requests_total[60s]) in PromQL or .as_count() at"
            " Datadog, or in a file the difference between each value and the one before"
        )
        raise Refused([Refusal(series.source, reason, advice)])
    return series

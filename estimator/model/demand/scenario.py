"""From the observed demand to the demand that is sized for: each factor by itself.

    peak = u * (1 + g)^months * event
    u    = the highest tau-mean expected in the series (peaks.py) or, with `return_days`, the level
           that daily maxima exceed once in N days, whichever is higher

| symbol | meaning | unit |
|---|---|---|
| u | peak over the averaging window that must be served | requests/s |
| g | growth per month | fraction |
| event | factor of an event | fraction |

Worked: 1000 rps observed as one-second values, 3 % a month for 12 months and an event of 2.5:
1000 * 1.42576 * 2.5 = 3564.4 rps.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from estimator import units
from estimator.model.demand import peaks
from estimator.model.demand.spikes import Spike, spike_of
from estimator.model.figure import ExplanationLine, Figure, Flag, digits, explained
from estimator.model.policy import Policy

SHOWN_RETURN_DAYS = 365


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """The demand of a set of routes, as recorded in the series."""

    what: str
    """The routes in words: `all routes`, or their tags."""
    demand: NDArray[np.float64]
    """Rps of each bucket; NaN if nobody looked. At least one value above 0."""
    start: int
    """Unix time of the first bucket."""
    resolution_s: int
    averaging_s: int
    """Each value is a mean over this long, or the highest such mean in its bucket."""
    peak_rps: float
    peak_second: int
    """Unix time of the start of its bucket."""


@dataclass(frozen=True, slots=True)
class Demand:
    """The observed peak, each factor, and the peak that is sized for."""

    observed: Figure
    """Highest bucket of the series."""
    window_correction: Figure
    """Ratio: peak over `peak_window_s` to the highest bucket."""
    growth: Figure
    """Ratio, over the horizon."""
    event: Figure
    """Ratio."""
    return_level: Figure | None
    """Rps that is exceeded once in 365 days (or `return_days`), before growth and event; None with
    fewer than 14 daily maxima."""
    daily_maxima: tuple[tuple[int, float], ...]
    """Unix time of the day and its highest rps, for every day observed at least by half."""
    peak: Figure
    """The peak that determines the size."""
    spike: Spike | None = None
    """The few seconds that decide the observed peak; None if no few of them do."""
    peak_without_spike_rps: float | None = None
    """The peak without them, each factor included; 0 if they held all requests. None without a
    spike."""


def demand_of(observed: Observed, policy: Policy) -> Demand:
    """Return the peak to size for, with each factor."""
    highest = Figure(
        observed.peak_rps,
        "rps",
        _source_of_peak(observed),
        formula="observed = max over t of sum of the routes",
        numbers="read from the series",
    )
    correction = _correction(observed, policy)
    growth = _growth(policy)
    event = Figure(policy.event_factor, "ratio", "given" if policy.event_factor != 1 else "none")
    days = peaks.daily_maxima(observed.demand, observed.start, observed.resolution_s)
    level = _return_level([rps * correction.value for _, rps in days], policy)
    base, reason = observed.peak_rps * correction.value, highest.reason
    factors = {"observed": highest, "correction": correction, "growth": growth, "event": event}
    if correction.value != 1:
        reason += f", times {correction.value:.3f} ({correction.reason})"
    if policy.return_days is not None and level is not None and level.value > base:
        base, reason = level.value, level.reason
        factors = {"level": level, "growth": growth, "event": event}
    factor = growth.value * event.value
    if factor != 1:
        reason += f", times {factor:.3f} for growth ({growth.reason}) and event ({event.reason})"
    high = None
    if level is not None and level.high is not None and policy.return_days is not None:
        high = max(base, level.high) * factor
    peak = Figure(
        base * factor,
        "rps",
        reason,
        low=None if high is None else observed.peak_rps * factor,
        high=high,
        flags=correction.flags,
        formula=f"peak = {' * '.join(factors)}",
        numbers=" * ".join(digits(figure.value) for figure in factors.values()),
    )
    spike = spike_of(observed.demand, observed.resolution_s, observed.averaging_s)
    without = None if spike is None else spike.rest_rps * correction.value * factor
    return Demand(highest, correction, growth, event, level, tuple(days), peak, spike, without)


def explain_demand(demand: Demand) -> Iterator[ExplanationLine]:
    """Yield the arithmetic of the peak that is sized for."""
    observed, correction, growth = demand.observed, demand.window_correction, demand.growth
    level = demand.return_level if "level" in demand.peak.formula else None
    yield from explained("demand", observed, correction, growth, level)
    factors = [("observed", observed), ("correction", correction), ("growth", growth)]
    inputs = (*factors, ("event", demand.event))
    peak = demand.peak
    yield ExplanationLine("demand", peak.formula, peak.numbers, peak, inputs)


def _growth(policy: Policy) -> Figure:
    rate, months = policy.growth_per_month, policy.horizon_months
    if not rate:
        return Figure(1.0, "ratio", "no growth was given")
    return Figure(
        (1 + rate) ** months,
        "ratio",
        f"{rate:.1%} a month for {months:g} months",
        formula="growth = (1 + g)^months",
        numbers=f"(1 + {digits(rate)})^{digits(months)}",
    )


def _source_of_peak(observed: Observed) -> str:
    step = observed.resolution_s
    every = "every second" if step == 1 else f"each {step} s bucket"
    return f"maximum over {every} of the sum over {observed.what}"


def _correction(observed: Observed, policy: Policy) -> Figure:
    averaging = float(observed.averaging_s if policy.averaging_s is None else policy.averaging_s)
    window = policy.peak_window_s
    if averaging <= window:
        return Figure(1.0, "ratio", f"the series already holds means over {averaging:g} s")
    scatter, origin = policy.dispersion, "given"
    flags: tuple[Flag, ...] = ()
    if scatter is None:
        scatter = peaks.dispersion(observed.demand, averaging, window)
        origin = "estimated from the series"
    if scatter is None:
        scatter, origin = peaks.DEFAULT_DISPERSION, "assumed"
        flags = (Flag.ASSUMED,)
    peak = peaks.expected_peak(observed.demand, averaging, window, scatter)
    return Figure(
        peak / observed.peak_rps,
        "ratio",
        f"peak over {window:g} s expected within means over {averaging:g} s, with variance"
        f" {scatter:.2f} times the mean, {origin}",
        flags=flags,
        formula="correction = u / observed, with u: sum_w (T / tau) P(rps over tau > u | m_w) = 1",
        numbers="by bisection over all windows w of the series",
    )


def _return_level(maxima: list[float], policy: Policy) -> Figure | None:
    law = peaks.gumbel(maxima)
    if law is None:
        return None
    # A level that is exceeded every day is no return level.
    days = max(2, policy.return_days or SHOWN_RETURN_DAYS)
    value = max(law.level(days), max(maxima))
    reach = float(ndtri(policy.confidence)) * law.level_error(days)
    return Figure(
        value,
        "rps",
        f"exceeded once in {days} days by a Gumbel law of {len(maxima)} daily maxima, and no less"
        f" than the highest of them, {units.format_rps(max(maxima))}",
        low=max(law.level(days) - reach, max(maxima)) if value > max(maxima) else max(maxima),
        high=max(value, law.level(days) + reach),
        formula="level = mu - sigma ln(-ln(1 - 1/N)), from the daily maxima",
        numbers=f"{len(maxima)} daily maxima, N = {days}",
    )

"""Fills the plots of a component from its demand and its evidence."""

import numpy as np

from estimator.model.demand.peaks import daily_maxima
from estimator.model.demand.scenario import Observed
from estimator.model.evidence.evidence import Evidence
from estimator.model.evidence.prediction import Prediction
from estimator.model.plots import CurvePlot, DemandPlot, MarkedPeak, PlottedRow, thin
from estimator.model.policy import Policy
from estimator.model.sizing.replicas import Sizing
from estimator.table.load_points import LoadPoint

CURVE_POINTS = 121
MARKED_DAYS = 10


def demand_plot(observed: Observed) -> DemandPlot:
    """Return the demand over time with its highest peak and the peaks of its ten highest days."""
    highest, mean, width = thin(observed.demand)
    marked = [MarkedPeak(observed.peak_second, observed.peak_rps, "highest")]
    days = daily_maxima(observed.demand, observed.start, observed.resolution_s)
    for day, rps in sorted(days, key=lambda day: -day[1])[:MARKED_DAYS]:
        # The buckets that begin on this day of UTC, whatever hour the series begins at.
        first, last = (
            max(0, -(-(midnight - observed.start) // observed.resolution_s))
            for midnight in (day, day + 86_400)
        )
        place = first + int(np.nanargmax(observed.demand[first:last]))
        second = observed.start + place * observed.resolution_s
        if second != observed.peak_second:
            marked.append(MarkedPeak(second, rps, f"highest of {np.datetime64(second, 's')}"[:21]))
    return DemandPlot(observed.start, width * observed.resolution_s, highest, mean, tuple(marked))


def curves_of(evidence: Evidence, sizing: Sizing, policy: Policy) -> tuple[CurvePlot, ...]:
    """Return a plot for the cpu of each container, and one for p99 where rows state it."""
    component = evidence.component
    plots = []
    for container, curve in evidence.cpu.items():
        budget = policy.target_utilisation * component.requests[container].cpu_millicores
        rows = [_row(p, p.usage[container].cpu_millicores) for p in evidence.rows]
        name = f"cpu of {container}"
        plots.append(_plot((name, "millicores"), curve, rows, budget, sizing.rps_per_replica))
    if evidence.p99 is not None:
        rows = [_row(p, p.p99_ms) for p in evidence.rows if p.p99_ms is not None]
        chosen = sizing.rps_per_replica
        plots.append(_plot(("p99", "ms"), evidence.p99, rows, policy.slo_p99_ms, chosen))
    return tuple(plots)


def _row(point: LoadPoint, value: float) -> PlottedRow:
    verdict = "ok"
    if point.judgement is not None and str(point.judgement.verdict) != "ok":
        verdict = f"{point.judgement.verdict}: {point.judgement.rule}"
    return PlottedRow(point.row, point.rps_per_replica, value, verdict, point.exclusion is None)


def _plot(
    axis: tuple[str, str],
    curve: Prediction,
    rows: list[PlottedRow],
    budget: float | None,
    chosen_rps: float,
) -> CurvePlot:
    x = np.linspace(0.0, curve.limit_rps, CURVE_POINTS)
    value, low, high = curve.at_each(x)
    if not curve.has_interval:
        low, high = np.full_like(low, np.nan), np.full_like(high, np.nan)
    return CurvePlot(
        quantity=axis[0],
        unit=axis[1],
        rps=x,
        value=value,
        low=low,
        high=high,
        lowest_row_rps=curve.curve.lowest_rps,
        highest_row_rps=curve.curve.highest_rps,
        rows=tuple(rows),
        budget=budget,
        chosen_rps=chosen_rps,
    )

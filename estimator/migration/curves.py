"""The load curve of every container of a component, with the error when rows are left out.

The prediction itself is the model's (model/evidence/prediction.py). This module applies it to each
container of one component and puts the curves beside their rows. Pure.
"""

from dataclasses import dataclass
from statistics import median

import numpy as np

from estimator.model.evidence.prediction import Prediction, left_out_errors, predict
from estimator.model.plots import CurvePlot, PlottedRow
from estimator.table.load_points import Component, Verdict

DRAWN_POINTS = 121
"""Points of the line that is drawn for a curve."""


@dataclass(frozen=True, slots=True, eq=False)
class ContainerCurve:
    """The cpu of one container as a function of rps per replica."""

    component: Component
    container: str
    prediction: Prediction
    left_out: tuple[float, ...]
    """Relative error of each row that lies between others, when that row is left out."""

    @property
    def median_error(self) -> float | None:
        """The median of the absolute errors; None if no row lies between others."""
        return median(abs(error) for error in self.left_out) if self.left_out else None

    @property
    def worst_error(self) -> float | None:
        """The error with the largest absolute value; None if no row lies between others."""
        return max(self.left_out, key=abs) if self.left_out else None


def curves_of(component: Component) -> dict[str, ContainerCurve]:
    """Return the curve of each container; empty if the component has no usable row."""
    rows = component.used_points
    if not rows:
        return {}
    rps = [row.rps_per_replica for row in rows]
    curves = {}
    for container in component.requests:
        cpu = [row.usage[container].cpu_millicores for row in rows]
        left_out = left_out_errors(np.array(rps), np.array(cpu))
        curves[container] = ContainerCurve(
            component, container, predict(rps, cpu), tuple(float(error) for error in left_out)
        )
    return curves


def plot_of(curve: ContainerCurve) -> CurvePlot:
    """Return what is drawn for a curve: the line, its bounds, and every row with its verdict."""
    prediction = curve.prediction
    x = np.linspace(0.0, prediction.limit_rps, DRAWN_POINTS)
    value, low, high = prediction.at_each(x)
    if not prediction.has_interval:
        low, high = np.full_like(low, np.nan), np.full_like(high, np.nan)
    rows = []
    for point in curve.component.points:
        judgement = point.judgement
        assert judgement is not None
        verdict = judgement.verdict.value
        if judgement.verdict is not Verdict.OK:
            verdict = f"{verdict}: {judgement.rule}"
        cpu = point.usage[curve.container].cpu_millicores
        rows.append(PlottedRow(point.row, point.rps_per_replica, cpu, verdict, judgement.is_usable))
    return CurvePlot(
        quantity=f"cpu of {curve.container}",
        unit="millicores",
        rps=x,
        value=value,
        low=low,
        high=high,
        lowest_row_rps=prediction.curve.lowest_rps,
        highest_row_rps=prediction.curve.highest_rps,
        rows=tuple(rows),
        budget=None,
        chosen_rps=None,
    )

"""The load curve of every container of a component, with the error of leaving rows out.

The model predicts (model/evidence/prediction.py); this module asks it for one component and puts
the curves beside the rows that they rest on. Pure.
"""

from dataclasses import dataclass
from statistics import median

import numpy as np

from estimator.model.evidence.prediction import Prediction, left_out_errors, predict
from estimator.model.plots import CurvePlot, PlottedRow
from estimator.table.load_points import Component, Verdict

DRAWN_POINTS = 121


@dataclass(frozen=True, slots=True, eq=False)
class ContainerCurve:
    """Cpu of one container as a function of rps per replica."""

    component: Component
    container: str
    prediction: Prediction
    left_out: tuple[float, ...]
    """Relative errors of the rows that others enclose, each left out in turn; may be empty."""

    @property
    def median_error(self) -> float | None:
        return median(abs(error) for error in self.left_out) if self.left_out else None

    @property
    def worst_error(self) -> float | None:
        return max(self.left_out, key=abs) if self.left_out else None


def curves_of(component: Component) -> dict[str, ContainerCurve]:
    """Return a curve for each container; none where the component has no row that can be used."""
    rows = component.used_points
    if not rows:
        return {}
    rps = [row.rps_per_replica for row in rows]
    curves = {}
    for container in component.requests:
        cpu = [row.usage[container].cpu_millicores for row in rows]
        left_out = left_out_errors(np.array(rps), np.array(cpu))
        curves[container] = ContainerCurve(
            component, container, predict(rps, cpu), tuple(float(each) for each in left_out)
        )
    return curves


def plot_of(curve: ContainerCurve) -> CurvePlot:
    """Return what is drawn of a curve: the line, its band, and every row with its verdict."""
    prediction = curve.prediction
    x = np.linspace(0.0, prediction.limit_rps, DRAWN_POINTS)
    value, low, high = prediction.at_each(x)
    if not prediction.has_interval:
        low, high = np.full_like(low, np.nan), np.full_like(high, np.nan)
    rows = []
    for point in curve.component.points:
        judgement = point.judgement
        assert judgement is not None
        told = judgement.verdict.value
        if judgement.verdict is not Verdict.OK:
            told = f"{told}: {judgement.rule}"
        cpu = point.usage[curve.container].cpu_millicores
        rows.append(PlottedRow(point.row, point.rps_per_replica, cpu, told, judgement.is_usable))
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

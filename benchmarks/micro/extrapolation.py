"""How far extrapolations of a load curve are off at 1.2 and 1.5 times the largest row.

Three ways to continue a curve beyond its rows (docs/adr/0036-the-last-rows-continue-as-a-power.md):

    line or slope   the larger of the weighted line and the last slope, as until then
    power           y_n (x / x_n)^p, p the log-log slope of the last four loads
    held power      the same, between the last slope and that of the weighted line, both drawn
                    through the last row: what the model does

on curves that are known: a power (0.75 to 0.98, the range of 20 Istio series) above an idle cost; a
line above an idle cost; a cost that rises with utilisation as in a queue; and contention as in the
scaling law. Each has 4, 6 or 10 rows over a decade with a normal error of 0, 2, 4 or 8 %. Then
tables that were measured or written by hand: the rows below a row, if near enough, predict it.

Run: python -m benchmarks.micro.extrapolation [--ladders 60] [--ladder FILE]
"""

import argparse
import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import result
from estimator.model.evidence import load_curve
from estimator.model.evidence.prediction import _line, predict
from estimator.table.files import read_table

_Floats = NDArray[np.float64]

ROWS = (4, 6, 10)
ERRORS = (0.0, 0.02, 0.04, 0.08)
TIMES = (1.2, 1.5)
SATURATED_MILLICORES = 900
TABLE = Path("docs/example/table.yaml")


def line_or_slope(x: _Floats, y: _Floats, at: float) -> float:
    """Return what was predicted until ADR 36."""
    curve = load_curve.fit(x, y)
    slope = (curve.y[-1] - curve.y[-2]) / (curve.x[-1] - curve.x[-2])
    segment = float(curve.y[-1] + slope * (at - curve.x[-1]))
    line = _line(x, y, 0.9)
    return segment if line is None else max(segment, line.intercept + line.slope * at)


def power(x: _Floats, y: _Floats, at: float) -> float:
    """Return the power law through the last load, with the slope of the last four."""
    curve = load_curve.fit(x, y)
    chosen = (curve.x > 0) & (curve.y > 0)
    u, v = np.log(curve.x[chosen][-4:]), np.log(curve.y[chosen][-4:])
    slope = float(np.polyfit(u, v, 1)[0]) if len(u) > 1 else 1.0
    return float(curve.y[-1] * (at / curve.x[-1]) ** slope)


def current(x: _Floats, y: _Floats, at: float) -> float:
    """Return what the model predicts."""
    return predict(x.tolist(), y.tolist()).at(at).value


METHODS: dict[str, Callable[[_Floats, _Floats, float], float]] = {
    "line or slope": line_or_slope,
    "power": power,
    "held power": current,
}


def curves(random: np.random.Generator) -> Iterator[tuple[str, Callable[[_Floats], _Floats]]]:
    """Yield one random curve of each kind, over rps up to 1."""
    idle, slope = random.uniform(0, 0.1), random.uniform(0.5, 2)
    bend = random.uniform(0.75, 0.98)
    full = random.uniform(1.8, 4)
    yield "power", lambda x: idle + slope * x**bend
    yield "line", lambda x: idle + slope * x
    yield "queue", lambda x: idle + slope * x * (1 + 0.2 * x / (full - x))
    yield "contention", lambda x: idle + slope * x / (1 - 0.1 * x)


def generated(count: int) -> result.Round:
    """Return median, 90th percentile and worst absolute error by kind and method."""
    errors: dict[str, list[float]] = {}
    random = np.random.default_rng(36)
    for _ in range(count):
        for kind, curve in curves(random):
            for rows in ROWS:
                x = np.geomspace(0.1, 1, rows)
                for error in ERRORS:
                    y = curve(x) * (1 + error * random.standard_normal(rows))
                    for times in TIMES:
                        true = float(curve(np.array([times]))[0])
                        for name, method in METHODS.items():
                            off = method(x, y, times) / true - 1
                            errors.setdefault(f"{kind} x{times:g} {name}", []).append(off)
    return {name: _summary(found) for name, found in sorted(errors.items())}


def measured(ladder: Path | None) -> result.Round:
    """Return the errors on the tables: the rows below a row, if near enough, predict it."""
    errors: dict[str, list[float]] = {}
    for x, y in _tables(ladder):
        for end in range(3, len(x)):
            if x[end - 1] * 1.02 < x[end] <= x[end - 1] * 1.5:
                for name, method in METHODS.items():
                    off = method(x[:end], y[:end], float(x[end])) / y[end] - 1
                    errors.setdefault(f"measured {name}", []).append(float(off))
    return {name: _summary(found) for name, found in sorted(errors.items())}


def _tables(ladder: Path | None) -> Iterator[tuple[_Floats, _Floats]]:
    for component in read_table(TABLE).components:
        rows = sorted(component.used_points, key=lambda point: point.rps_per_replica)
        x = np.array([point.rps_per_replica for point in rows])
        for container in component.requests:
            yield x, np.array([point.usage[container].cpu_millicores for point in rows])
    if ladder is not None:
        with ladder.open(newline="") as file:
            points = [
                (float(r["achieved_rps"]), float(r["cpu_millicores"])) for r in csv.DictReader(file)
            ]
        points = sorted(point for point in points if point[1] < SATURATED_MILLICORES)
        yield np.array([p[0] for p in points]), np.array([p[1] for p in points])


def _summary(errors: list[float]) -> result.Row:
    off = np.array(errors)
    return {
        "median": round(float(np.median(np.abs(off))), 4),
        "p90": round(float(np.quantile(np.abs(off), 0.9)), 4),
        "lowest": round(float(off.min()), 4),
        "highest": round(float(off.max()), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--ladders", type=int, default=60)
    parser.add_argument("--ladder", type=Path)
    parser.add_argument("--output", type=Path, default=result.path_of("extrapolation"))
    options = parser.parse_args()
    found = generated(options.ladders) | measured(options.ladder)
    for name, row in found.items():
        print(f"{name:32}", "  ".join(f"{key} {value:+.3f}" for key, value in row.items()))
    document = {"benchmark": "extrapolation", "ladders": options.ladders, "medians": found}
    options.output.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()

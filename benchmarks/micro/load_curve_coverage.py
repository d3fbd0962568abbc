"""How often a new measurement is within the bounds of a load curve; this should be `confidence`.

The benchmark generates ladders from a known curve: cpu = a + b x^p with p from 0.75 to 0.98 (the
range of 20 Istio load series). Each row has a normal relative error of 2, 4 or 8 %, and the rows
span a decade of rps. A curve is fitted to n rows of each ladder and compared with new rows of the
same error: inside its range, and beyond it at 1.2 and 1.5 times the largest rps.

The result is the share of new rows at or below `high` and at or above `low` (each should be the
confidence, 0.9), and the median width of the band divided by the value. It does not cover rows
whose errors depend on each other, or a service whose curve bends elsewhere.

With a ladder file (`--ladder`, columns achieved_rps and cpu_millicores), the benchmark also leaves
out each of its unsaturated rows in turn and predicts it.

Run: python -m benchmarks.micro.load_curve_coverage [--ladders 400] [--ladder FILE]
"""

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks import result
from estimator.model.evidence.prediction import Confidence, predict

ROWS = (3, 5, 8, 12, 20)
ERRORS = (0.02, 0.04, 0.08)
CONFIDENCE = 0.9
SATURATED_MILLICORES = 900


def ladders(count: int, rows: int, error: float) -> Iterator[result.Row]:
    """Yield for each ladder whether new rows are within the bounds, and the width of the band."""
    random = np.random.default_rng([count, rows, round(error * 1000)])
    for _ in range(count):
        power = random.uniform(0.75, 0.98)
        idle, slope = random.uniform(0, 30), random.uniform(0.5, 3)

        def measured(x: np.ndarray, power=power, idle=idle, slope=slope) -> np.ndarray:
            true = idle + slope * x**power
            return true * (1 + error * random.standard_normal(len(x)))

        largest = random.uniform(200, 2000)
        x = np.geomspace(largest / 10, largest, rows)
        curve = predict(x.tolist(), measured(x).tolist(), Confidence(CONFIDENCE))
        inside = random.uniform(largest / 10, largest, 8)
        for place, new in (
            ("inside", inside),
            ("x1.2", [1.2 * largest]),
            ("x1.5", [1.5 * largest]),
        ):
            points = np.minimum(np.asarray(new), curve.limit_rps)
            seen = measured(points)
            value, low, high = curve.at_each(points)
            yield {
                f"{place} below high": float(np.mean(seen <= high)),
                f"{place} above low": float(np.mean(seen >= low)),
                f"{place} width": float(np.median((high - low) / value)),
            }


def coverage(count: int) -> result.Round:
    """Return the mean share within each bound and the median width, by rows and error."""
    found: result.Round = {}
    for rows in ROWS:
        for error in ERRORS:
            collected: dict[str, list[float]] = {}
            for ladder in ladders(count, rows, error):
                for name, value in ladder.items():
                    collected.setdefault(name, []).append(value)
            found[f"{rows} rows, {error:.0%} error"] = {
                name: round(float(np.median(v) if "width" in name else np.mean(v)), 3)
                for name, v in collected.items()
            }
    return found


def left_out(path: Path) -> result.Row:
    """Return the coverage of a measured ladder whose unsaturated rows are left out in turn."""
    with path.open(newline="") as file:
        rows = [
            (float(r["achieved_rps"]), float(r["cpu_millicores"])) for r in csv.DictReader(file)
        ]
    rows = sorted(row for row in rows if row[1] < SATURATED_MILLICORES)
    errors, below, above = [], [], []
    for k in range(1, len(rows) - 1):
        others = rows[:k] + rows[k + 1 :]
        x, y = zip(*others, strict=True)
        band = predict(x, y, Confidence(CONFIDENCE)).at(rows[k][0])
        errors.append(abs(rows[k][1] / band.value - 1))
        below.append(rows[k][1] <= band.high)
        above.append(rows[k][1] >= band.low)
    return {
        "rows": float(len(errors)),
        "below high": float(np.mean(below)),
        "above low": float(np.mean(above)),
        "median error": float(np.median(errors)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--ladders", type=int, default=400)
    parser.add_argument("--ladder", type=Path)
    parser.add_argument("--output", type=Path, default=result.path_of("load_curve_coverage"))
    options = parser.parse_args()
    found = coverage(options.ladders)
    if options.ladder is not None:
        found["measured ladder"] = left_out(options.ladder)
    for name, row in found.items():
        print(f"{name:24}", "  ".join(f"{key} {value:.3f}" for key, value in row.items()))
    options.output.write_text(
        json.dumps(
            {
                "benchmark": "load_curve_coverage",
                "confidence": CONFIDENCE,
                "ladders": options.ladders,
                "medians": found,
            },
            indent=1,
        )
        + "\n"
    )


if __name__ == "__main__":
    main()

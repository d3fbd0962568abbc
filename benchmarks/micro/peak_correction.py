"""How close the corrected peak is to the true peak if a series has only averages.

The benchmark averages synthetic days with known seconds over 10, 60 and 300 s:

    poisson   400 rps all day with independent requests
    diurnal   the same with a daily wave from 40 to 760 rps
    bursty    400 rps with negative binomial seconds, whose variance is four times the mean
    ramps     diurnal and bursty with lasting bursts (a gamma factor with a memory of 20 s)

The result for each day is the true highest second divided by an estimate; a value above 1 means
that the estimate is too low. `naive` is the highest average. `corrected` is the peak for which
`estimate` sizes, with the dispersion estimated from the averages if possible (10 s), and the
default otherwise. `told` uses the true dispersion of the traffic, as given by `--dispersion`.

Run: python -m benchmarks.micro.peak_correction [--rounds 20]
"""

import argparse
import json
from typing import Any

import numpy as np

from benchmarks import result
from estimator.model.demand.peaks import DEFAULT_DISPERSION, dispersion, expected_peak

DAY_S = 86_400
MEAN_RPS = 400.0
WINDOWS_S = (10, 60, 300)
DISPERSION = 4.0
BURST_S = 20
KINDS = ("poisson", "diurnal", "bursty", "ramps")

_Counts = np.ndarray


def day(kind: str, random: np.random.Generator) -> _Counts:
    """Return the requests of each second of one day."""
    at = np.arange(DAY_S)
    wave = 1 - 0.9 * np.cos(2 * np.pi * at / DAY_S) if kind in ("diurnal", "ramps") else 1.0
    mean = MEAN_RPS * wave * np.ones(DAY_S)
    if kind in ("poisson", "diurnal"):
        return random.poisson(mean)
    if kind == "bursty":
        # Mean m and variance I m: successes n = m / (I - 1), probability 1 / I.
        return random.negative_binomial(mean / (DISPERSION - 1), 1 / DISPERSION)
    shocks = random.gamma(4.0, 0.25, DAY_S // BURST_S + 1)
    lasting = np.interp(at, np.arange(len(shocks)) * BURST_S, shocks)
    return random.poisson(mean * (1 + 0.2 * (lasting - 1)))


def measured(random: np.random.Generator) -> result.Round:
    """Return the ratios for one day of each kind and each window."""
    rows: result.Round = {}
    for kind in KINDS:
        seconds = day(kind, random).astype(np.float64)
        truth = float(seconds.max())
        known = dispersion(seconds, 1) or DEFAULT_DISPERSION
        for window_s in WINDOWS_S:
            means = seconds.reshape(-1, window_s).mean(axis=1)
            used = dispersion(means, window_s) or DEFAULT_DISPERSION
            rows[f"{kind} {window_s} s"] = {
                "naive": truth / float(means.max()),
                "corrected": truth / expected_peak(means, window_s, 1, used),
                "told": truth / expected_peak(means, window_s, 1, known),
                "dispersion": used,
                "true_dispersion": known,
            }
    return rows


def summarise(rounds: list[result.Round]) -> result.Round:
    """Return the medians over the days, and the day with the lowest estimate."""
    medians = result.medians_of(rounds)
    for row, values in medians.items():
        for name in ("naive", "corrected", "told"):
            values[f"{name}_worst"] = round(max(found[row][name] for found in rounds), 4)
    return medians


def table(found: dict[str, Any]) -> str:
    """Return the table for benchmarks/README.md."""
    medians = found["medians"]
    lines = [
        "| true peak ÷ told, median (worst of the days) | highest average | corrected |"
        " with the traffic's dispersion | dispersion used (true) |",
        "|---|---:|---:|---:|---:|",
    ]
    for row, values in medians.items():
        cells = [
            f"{values[name]:.2f} ({values[f'{name}_worst']:.2f})"
            for name in ("naive", "corrected", "told")
        ]
        used = f"{values['dispersion']:.1f} ({values['true_dispersion']:.1f})"
        lines.append(f"| {row} | {' | '.join(cells)} | {used} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    def add(parser: argparse.ArgumentParser) -> None:
        # Each round is a day.
        parser.add_argument("--rounds", type=int, default=20)

    options = result.options_of(__doc__, "peaks", add, argv)
    rounds = [measured(np.random.default_rng(number)) for number in range(options.rounds)]
    print(json.dumps(result.write(options, rounds, summarise(rounds))["medians"], indent=1))


if __name__ == "__main__":
    main()

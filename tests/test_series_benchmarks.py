"""Checks that the benchmarks of the series measure what they claim, without any timing."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import result
from benchmarks.macro import access_log
from benchmarks.micro import peak_correction
from mirror.demo.processes import find_program


@pytest.mark.parametrize("kind", peak_correction.KINDS)
def test_a_day_has_the_mean_it_names(kind: str) -> None:
    counts = peak_correction.day(kind, np.random.default_rng(1))
    assert len(counts) == peak_correction.DAY_S
    assert counts.mean() == pytest.approx(peak_correction.MEAN_RPS, rel=0.02)


def test_bursty_seconds_have_their_dispersion() -> None:
    counts = peak_correction.day("bursty", np.random.default_rng(1))
    assert counts.var() / counts.mean() == pytest.approx(peak_correction.DISPERSION, rel=0.05)


def test_peaks_are_measured_against_the_truth() -> None:
    rows = peak_correction.measured(np.random.default_rng(1))
    assert len(rows) == len(peak_correction.KINDS) * len(peak_correction.WINDOWS_S)
    # An average never exceeds the highest second in its window.
    assert all(values["naive"] >= 1 for values in rows.values())
    assert rows["poisson 300 s"]["dispersion"] == 2


def test_anybody_measures_the_published_peaks() -> None:
    found = result.read(result.path_of("peaks"))
    # The random days have fixed seeds.
    again = peak_correction.measured(np.random.default_rng(0))
    for row, values in found["rounds"][0].items():
        assert values == pytest.approx(again[row], rel=1e-6)


@pytest.mark.topology
def test_both_tools_read_every_line(tmp_path: Path) -> None:
    if find_program("goaccess") is None:
        pytest.skip("goaccess is not installed (Debian: apt-get install goaccess)")
    for form in access_log.FORMATS:
        for name in (f"{form}.log", f"{form}.small.log"):
            (tmp_path / name).write_text("".join(access_log.lines(form, 50)))
    rows = access_log.measured(tmp_path, 50)
    assert set(rows) == {f"{f} {t}" for f in access_log.FORMATS for t in ("kagami", "goaccess")}
    for form in access_log.FORMATS:
        report = json.loads((tmp_path / f"{form}.report.json").read_text())
        assert report["general"]["valid_requests"] == 50

"""Changes a few files for every reader; `make fuzz-files` goes on for a minute with other seeds."""

import os
import subprocess
import sys
from random import Random

import pytest

from tests.fuzz.files import READERS, changed


@pytest.fixture(scope="module")
def run() -> subprocess.CompletedProcess[str]:
    """Run all readers once, because starting Python takes longer than reading these files."""
    words = ["--seed", "1", "--rounds", "20", "--seconds", "1200"]
    command = [sys.executable, "-m", "tests.fuzz.files", *words]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=280, check=False
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", READERS)
def test_a_changed_file_is_read_or_refused(
    run: subprocess.CompletedProcess[str], name: str
) -> None:
    said = run.stdout + run.stderr
    assert f"{name}: 20 files" in run.stdout, said
    assert f"{name}: ended with" not in run.stdout, said


def test_every_reader_ends_well(run: subprocess.CompletedProcess[str]) -> None:
    assert (run.returncode, run.stderr) == (0, "")


def test_a_seed_repeats_its_file() -> None:
    for original in (seed for _, seeds, _ in READERS.values() for seed in seeds()[:1]):
        files = {changed(original, Random(seed)) for seed in (1, 1, 2, 3, 4)}
        assert 1 < len(files) < 5

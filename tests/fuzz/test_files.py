"""Changes a few files for every reader; `make fuzz-files` goes on for a minute with other seeds."""

import subprocess
import sys
from random import Random

import pytest

from tests.fuzz.files import READERS, changed


@pytest.mark.parametrize("name", READERS)
def test_a_changed_file_is_read_or_refused(name: str) -> None:
    words = ["--reader", name, "--seed", "1", "--rounds", "20", "--seconds", "60"]
    command = [sys.executable, "-m", "tests.fuzz.files", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{name}: " in done.stdout


def test_a_seed_repeats_its_file() -> None:
    for original in (seed for _, seeds, _ in READERS.values() for seed in seeds()[:1]):
        files = {changed(original, Random(seed)) for seed in (1, 1, 2, 3, 4)}
        assert 1 < len(files) < 5

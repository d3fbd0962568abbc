import csv
from pathlib import Path

import pytest

from estimator.table.rows import LoadPoint, Resources

SAMPLES = Path(__file__).parents[2] / "load_tool_samples"


@pytest.fixture(scope="session")
def load_tool_samples() -> Path:
    """Return the folder with result files of load tools; its README states their origin."""
    return SAMPLES


@pytest.fixture(scope="session")
def nginx_ladder() -> tuple[LoadPoint, ...]:
    """Return a measured ladder of one nginx worker, with one row of a starved generator."""
    return read_ladder(SAMPLES / "nginx_ladder.csv")


def read_ladder(path: Path) -> tuple[LoadPoint, ...]:
    """Return the rows of a ladder of one nginx worker, which can use at most one core."""
    with path.open(newline="") as file:
        return tuple(
            LoadPoint(
                number,
                1,
                float(line["achieved_rps"]),
                {
                    "nginx": Resources(
                        float(line["cpu_millicores"]), int(float(line["rss_mib"]) * 2**20)
                    )
                },
                float(line["p99_ms"]),
                0.0,
                rps_target=float(line["target_rps"]),
                connections=int(line["connections"]),
                workers={"nginx": 1},
            )
            for number, line in enumerate(csv.DictReader(file), start=1)
        )

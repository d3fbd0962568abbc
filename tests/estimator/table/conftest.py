import csv
import os
from pathlib import Path

import pytest

from estimator.table.rows import LoadPoint, Resources

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture(scope="session")
def load_tool_samples() -> Path:
    """Real result files that are not part of this repository; absent ones skip, visibly."""
    data = Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared" / "data"))
    path = data / "loadtool-samples"
    if not path.is_dir():
        pytest.skip(f"no load-tool samples at {path}; set SHARED_DATA to the folder above")
    return path


@pytest.fixture(scope="session")
def nginx_ladder(load_tool_samples: Path) -> tuple[LoadPoint, ...]:
    """A measured ladder against one nginx worker on one core, by a generator that starved twice."""
    with (load_tool_samples / "nginx_gzip_proxy_ladder.csv").open() as file:
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

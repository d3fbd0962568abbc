"""Writes the tables of benchmarks/README.md from the result files.

Each table is between `<!-- NAME -->` and `<!-- end -->`, and names its processor and commit. The
text around the tables is written by hand. A test makes sure that each table matches its result.

Run: python -m benchmarks.tables
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import micro, profile_worker, result
from benchmarks.macro import (
    access_log,
    bodies,
    capture_cost,
    connections,
    faults,
    ground_truth,
    import_speed,
    latency,
    mirror_vs_peers,
    replay_schedule,
    replay_speed,
)
from benchmarks.micro import peak_correction

README = Path(__file__).parent / "README.md"
TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "mirror_vs_peers": mirror_vs_peers.table,
    "latency": latency.table,
    "connections": connections.table,
    "bodies": bodies.table,
    "faults": faults.table,
    "micro": micro.table,
    "profile": profile_worker.table,
    "ground_truth": ground_truth.markdown,
    "peaks": peak_correction.table,
    "access_log": access_log.table,
    "replay_speed": replay_speed.table,
    "replay_schedule": replay_schedule.table,
    "capture_cost": capture_cost.table,
    "import_speed": import_speed.table,
}


def path_of(name: str) -> Path:
    """Return the path of a table's result."""
    return ground_truth.RESULT if name == "ground_truth" else result.path_of(name)


def rewritten(readme: str) -> str:
    """Return the text with every table made from its result; raise KeyError for unknown names."""

    def block(found: re.Match[str]) -> str:
        name = found[1]
        table = TABLES[name]
        measured = result.read(path_of(name))
        where = f"{measured['machine']['cpu']}, commit {measured['versions']['commit']}"
        return f"<!-- {name} -->\n{table(measured)}\n\n({where})\n<!-- end -->"

    return re.sub(r"<!-- (\w+) -->\n.*?<!-- end -->", block, readme, flags=re.DOTALL)


def main() -> None:
    README.write_text(rewritten(README.read_text()))


if __name__ == "__main__":
    main()

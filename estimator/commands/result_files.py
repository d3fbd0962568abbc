"""Results of load generators: their files, completed by options where a file does not state it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from estimator.errors import InputError, Problem
from estimator.observed.usage_file import parse_time
from estimator.table.load_tools.detect import read_result
from estimator.table.load_tools.run import LoadResult, LoadRun, steady
from estimator.table.rows import Loop

_Command = TypeVar("_Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--start",
        "starts",
        multiple=True,
        metavar="TIME",
        help="When a run began, where its file does not say: once for each such RESULT, in order.",
    ),
    click.option(
        "--rps-target",
        "targets",
        multiple=True,
        type=click.FloatRange(min=0, min_open=True),
        metavar="RPS",
        help="The requested rate, where a file does not state it: once for each such RESULT, in"
        " order, or not at all.",
    ),
    click.option(
        "--loop",
        type=click.Choice(["open", "closed"]),
        help="Override how the load was generated, for all runs.",
    ),
)


def result_options(command: _Command) -> _Command:
    """Add the options that complete result files to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A result file; each of its runs is a steady part with a start."""

    path: Path
    result: LoadResult

    @property
    def windows(self) -> list[tuple[float, float]]:
        """Start and end of each run, Unix time."""
        runs = self.result.runs
        return [(run.start or 0.0, (run.start or 0.0) + run.duration_s) for run in runs]


def read_files(
    paths: Sequence[Path], starts: Sequence[str], targets: Sequence[float], loop: str | None
) -> list[ResultFile]:
    """Return the steady parts of the runs in these files.

    `starts` and `targets` (rps) are for the runs that state none, in their order; `loop` replaces
    what a file says. Raises InputError that lists every bad file and option.
    """
    problems: list[Problem] = []
    results: list[tuple[Path, LoadResult]] = []
    for path in paths:
        try:
            results.append((path, read_result(path)))
        except InputError as error:
            problems += error.problems
    instants: list[float] = []
    for text in starts:
        try:
            instants.append(parse_time(text))
        except ValueError as error:
            problems.append(Problem("--start", str(error)))
    if not problems:
        problems = _miscounted(results, len(instants), len(targets))
    if problems:
        raise InputError(problems)
    start, target = iter(instants), iter(targets)

    def completed(run: LoadRun) -> LoadRun:
        if run.start is None:
            run = replace(run, start=next(start))
        if run.rps_target is None:
            run = replace(run, rps_target=next(target, None))
        if loop is not None:
            run = replace(run, loop=Loop(loop))
        return steady(run)

    return [
        ResultFile(path, replace(result, runs=tuple(map(completed, result.runs))))
        for path, result in results
    ]


def _miscounted(
    results: Sequence[tuple[Path, LoadResult]], starts: int, targets: int
) -> list[Problem]:
    runs = [(path.name, run) for path, result in results for run in result.runs]
    problems = []
    timeless = [name for name, run in runs if run.start is None]
    if starts != len(timeless):
        rule = f"expected once for each result without a time ({', '.join(timeless) or 'none'})"
        problems.append(Problem("--start", f"{rule}, got {starts}"))
    aimless = [name for name, run in runs if run.rps_target is None]
    if targets not in (0, len(aimless)):
        rule = f"expected once for each result without a rate ({', '.join(aimless) or 'none'})"
        problems.append(Problem("--rps-target", f"{rule}, got {targets}"))
    return problems

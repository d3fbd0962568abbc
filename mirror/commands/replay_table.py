"""`mirror replay --sample … --table FILE`: the steps of a result become rows of a table.

Owns both options and what is said of rows that could not be had. Sampling never breaks a replay:
what is wrong with the options is told before anything is sent, what fails later on stderr.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from mirror.errors import ConfigError
from mirror.formats.replay_result import ReplayResult, StepResult
from mirror.sampling.sources import sampling
from mirror.sampling.table import Step, Table
from mirror.sampling.usage import Window

GOOD = ("2xx", "3xx")
"""As `estimate table import` counts: a 404 of a gateway is no work that it will do."""

_Command = TypeVar("_Command", bound=Callable[..., Any])


def table_options(command: _Command) -> _Command:
    """Add --sample and --table to a command."""
    sample = click.option(
        "--sample",
        "samples",
        multiple=True,
        metavar="SOURCE",
        help="Where cpu and memory of components come from: pid=NAME:PID,… (NAME is COMPONENT or "
        "COMPONENT/CONTAINER), csv=FILE, prometheus=URL,COMPONENT,… or datadog=COMPONENT,…; "
        "repeated for several.",
    )
    table = click.option(
        "--table",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write a correspondence table of the steps, which estimate --table reads; rows are "
        "added to a file that exists.",
    )
    return sample(table(command))


@contextmanager
def tabulated(
    path: Path | None, samples: Sequence[str]
) -> Iterator[Callable[[ReplayResult], None]]:
    """Sample while the block lasts; what it yields, called after the block, writes the table.

    Raises InputError for a table that cannot be added to, click.UsageError for what else is wrong,
    both before the block.
    """
    if (path is None) != (not samples):
        raise click.UsageError("--sample SOURCE and --table FILE go together")
    if path is None:
        yield lambda result: None
        return
    table = Table(path)
    with ExitStack() as opened:
        try:
            samplers = opened.enter_context(sampling(samples, os.environ))
        except ConfigError as error:
            raise click.UsageError(str(error)) from error
        yield lambda result: _write(table, path, table.add(steps_of(result), samplers))


def steps_of(result: ReplayResult) -> list[Step]:
    """The steady parts that were reached."""
    return [_step(step) for step in result.steps if step.steady_from is not None and step.due]


def _step(step: StepResult) -> Step:
    assert step.steady_from is not None
    good = sum(step.outcomes.get(name, 0) for name in GOOD)
    return Step(
        rps_target=step.offered_rps if step.rate_rps is None else step.rate_rps,
        rps=step.achieved_rps,
        window=Window(step.steady_from, step.steady_from + step.window_s),
        error_ratio=1 - good / step.due,
        # Of a late generator they are its own lag.
        p50_ms=step.from_intended_ms.p50 if step.is_valid else None,
        p99_ms=step.from_intended_ms.p99 if step.is_valid else None,
    )


def _write(table: Table, path: Path, troubles: Sequence[str]) -> None:
    for trouble in troubles:
        click.echo(f"table: {trouble}", err=True)
    try:
        table.write()
    except OSError as error:
        raise click.FileError(str(path), str(error)) from error

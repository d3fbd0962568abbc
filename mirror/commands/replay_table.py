"""`mirror replay --sample SOURCE --table FILE`: usage in the result, and a table made of it.

Owns the two options. The rows are made by `estimate table import`, which runs as a process on the
result: the two packages share files and nothing else. What can be known to be wrong is said before
anything is sent; the result is kept, whatever fails afterwards.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from mirror.errors import InputError
from mirror.formats.replay_result import ProcessUsage, ReplayResult, to_json
from mirror.formats.terminal import say
from mirror.formats.usage_source import FromDatadog, FromProcesses, read_usage_source
from mirror.formats.whole_files import writing_whole
from mirror.replay.process_usage import ProcessSampler

ESTIMATE = (sys.executable, "-m", "estimator", "table")
BAD_INPUT = 2
"""The exit code of `estimate` for files that cannot be used and packages that are missing."""

_Command = TypeVar("_Command", bound=Callable[..., Any])


def table_options(command: _Command) -> _Command:
    """Add --sample and --table to a command."""
    sample = click.option(
        "--sample",
        "samples",
        multiple=True,
        metavar="SOURCE",
        help="Where cpu and memory of components come from: pid=COMPONENT/CONTAINER:PID,…, which"
        " needs no --table, csv=FILE, prometheus=URL,COMPONENT,… or datadog=COMPONENT,…;"
        " repeatable.",
    )
    table = click.option(
        "--table",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Make a correspondence table of the steps, or add to the table in this file, by"
        " `estimate table import`. The result is kept beside it.",
    )
    return sample(table(command))


@contextmanager
def sampled(
    samples: Sequence[str], table: Path | None
) -> Iterator[Callable[[], list[ProcessUsage]]]:
    """Sample processes while the block lasts; what it yields returns their usage afterwards.

    Raises, before the block, click.UsageError for wrong options and InputError for a process that
    does not exist or a table that cannot be added to.
    """
    sources = _sources(samples, table)
    if table is not None:
        _check_table(table)
    processes = [
        process
        for source in sources
        if isinstance(source, FromProcesses)
        for process in source.processes
    ]
    if not processes:
        yield list
        return
    with closing(ProcessSampler(processes)) as sampler:
        yield sampler.usage


def _sources(samples: Sequence[str], table: Path | None) -> list[object]:
    if table is not None and not samples:
        raise click.UsageError("--table FILE needs --sample SOURCE")
    sources: list[object] = []
    for text in samples:
        try:
            source = read_usage_source(text)
        except ValueError as error:
            raise click.UsageError(f"--sample: {error}, got {text!r}") from error
        if table is None and not isinstance(source, FromProcesses):
            raise click.UsageError(
                f"--sample {text} needs --table FILE: a result holds the usage of processes only"
            )
        keys = ("DD_API_KEY", "DD_APP_KEY")
        if isinstance(source, FromDatadog) and not all(map(os.environ.get, keys)):
            raise click.UsageError("--sample datadog needs DD_API_KEY and DD_APP_KEY")
        sources.append(source)
    return sources


def _check_table(table: Path) -> None:
    """Raise InputError if `estimate` is not installed, or would refuse to add to the table."""
    if not table.parent.is_dir():
        raise InputError(f"{table}: there is no directory {table.parent}")
    arguments = ["check", str(table)] if table.exists() else ["--help"]
    completed = subprocess.run([*ESTIMATE, *arguments], capture_output=True, text=True, check=False)
    if completed.returncode == BAD_INPUT:
        raise InputError(f"--table runs `estimate` (kagami[estimate]): {completed.stderr.strip()}")


def write_table(result: ReplayResult, table: Path, samples: Sequence[str]) -> bool:
    """Write the result beside the table, and its rows into the table; return whether both worked.

    What `estimate` prints goes to stderr, so that stdout holds the report alone.
    """
    kept = table.with_name(f"{table.stem}.replay-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json")
    try:
        with writing_whole(kept) as file:
            file.write(f"{to_json(result)}\n".encode())
    except OSError as error:
        say(f"{kept}: cannot be written, so there are no new rows: {error}", err=True)
        return False
    command = [*ESTIMATE, "import", str(kept), "-o", str(table)]
    if table.exists():
        command += ["--table", str(table)]
    for text in samples:
        if not isinstance(read_usage_source(text), FromProcesses):
            command += ["--samples", text]
    say(f"result kept in {kept}", err=True)
    sys.stderr.flush()
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode == 0:
        return True
    again = shlex.join(["estimate", *command[command.index("table") :]])
    say(f"no rows were written to {table}; to try again: {again}", err=True)
    return False

"""`mirror replay --sample SOURCE --table FILE`: usage in the result, and a table made of it.

Owns these options, and --request and --route. The rows are made by `estimate table import`, which
runs as a process on the result: the two packages share files and nothing else. What can be known to
be wrong is said before anything is sent; the result is kept, whatever fails afterwards.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from mirror.errors import InputError
from mirror.formats.replay_result import ProcessUsage, ReplayResult, StepResult, to_json
from mirror.formats.terminal import say
from mirror.formats.usage_source import FromDatadog, FromProcesses, read_usage_source
from mirror.formats.whole_files import writing_whole
from mirror.replay.process_usage import ProcessSampler
from mirror.replay.result import served_of
from mirror.replay.text import errors

FAILING_RATIO = 0.01
"""Share of requests that were not served above which `estimate` does not use a row."""

ESTIMATE = (sys.executable, "-m", "estimator", "table")

_Command = TypeVar("_Command", bound=Callable[..., Any])


def table_options(command: _Command) -> _Command:
    """Add --sample, --table, --request and --route to a command."""
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
    request = click.option(
        "--request",
        "requests",
        multiple=True,
        metavar="CONTAINER=CPU,MEMORY",
        help="Kubernetes request of a container of the one new component in --table, such as"
        " app=500m,256Mi; repeatable [default: the highest measured, marked as assumed].",
    )
    route = click.option(
        "--route",
        "routes",
        multiple=True,
        metavar="TEMPLATE",
        help="A route that reaches the one new component in --table, such as '/api/*' or '*';"
        " repeatable [default: '*', marked as assumed].",
    )
    return sample(table(request(route(command))))


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What --sample, --table, --request and --route say."""

    samples: tuple[str, ...]
    table: Path | None
    requests: tuple[str, ...]
    routes: tuple[str, ...]

    def command(self, *arguments: str) -> list[str]:
        """Return the command that imports into the table, from the sources that it reads itself."""
        assert self.table is not None
        command = [*ESTIMATE, "import", *arguments, "-o", str(self.table)]
        if self.table.exists():
            command += ["--table", str(self.table)]
        for text in self.samples:
            if not isinstance(read_usage_source(text), FromProcesses):
                command += ["--samples", text]
        command += [word for text in self.requests for word in ("--request", text)]
        return command + [word for text in self.routes for word in ("--route", text)]


@contextmanager
def sampled(options: TableOptions) -> Iterator[Callable[[], list[ProcessUsage]]]:
    """Sample processes while the block lasts; what it yields returns their usage afterwards.

    Raises, before the block, click.UsageError for wrong options and InputError for a process that
    does not exist, a source that does not answer or a table that cannot be added to.
    """
    sources = _sources(options)
    processes = [
        process
        for source in sources
        if isinstance(source, FromProcesses)
        for process in source.processes
    ]
    if options.table is not None:
        _check_table(options, dict.fromkeys(process.component for process in processes))
    if not processes:
        yield list
        return
    with closing(ProcessSampler(processes)) as sampler:
        yield sampler.usage


def _sources(options: TableOptions) -> list[object]:
    if options.table is not None and not options.samples:
        raise click.UsageError("--table FILE needs --sample SOURCE")
    if options.table is None and (options.requests or options.routes):
        raise click.UsageError("--request and --route describe a component of --table FILE")
    sources: list[object] = []
    for text in options.samples:
        try:
            source = read_usage_source(text)
        except ValueError as error:
            raise click.UsageError(f"--sample: {error}, got {text!r}") from error
        if options.table is None and not isinstance(source, FromProcesses):
            raise click.UsageError(
                f"--sample {text} needs --table FILE: a result holds the usage of processes only"
            )
        keys = ("DD_API_KEY", "DD_APP_KEY")
        if isinstance(source, FromDatadog) and not all(map(os.environ.get, keys)):
            raise click.UsageError("--sample datadog needs DD_API_KEY and DD_APP_KEY")
        sources.append(source)
    return sources


def _check_table(options: TableOptions, components: Iterable[str]) -> None:
    """Raise InputError if `estimate` is not installed, or says that an import would fail.

    A source that does not answer now would be noticed only when the load is over.
    """
    table = options.table
    assert table is not None
    if not table.parent.is_dir():
        raise InputError(f"{table}: there is no directory {table.parent}")
    named = [word for name in components for word in ("--component", name)]
    command = options.command("--ask", *named)
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if completed.returncode != 0:
        raise InputError(f"--table runs `estimate` (kagami[estimate]): {completed.stderr.strip()}")


def write_table(result: ReplayResult, options: TableOptions) -> bool:
    """Write the result beside the table, and its rows into the table; return whether both worked.

    Rows of which none can be used are written too, and count as a failure. What `estimate` prints
    goes to stderr, so that stdout holds the report alone.
    """
    table = options.table
    assert table is not None
    kept = table.with_name(f"{table.stem}.replay-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json")
    try:
        with writing_whole(kept) as file:
            file.write(f"{to_json(result)}\n".encode())
    except OSError as error:
        say(f"{kept}: cannot be written, so there are no new rows: {error}", err=True)
        return False
    command = options.command(str(kept))
    say(f"result kept in {kept}", err=True)
    sys.stderr.flush()
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode == 0:
        if why := _why_no_row_is_usable(result):
            say(f"no row of this replay can be used: {why}", err=True)
        return not why
    again = shlex.join(["estimate", *command[command.index("table") :]])
    say(f"no rows were written to {table}; to try again: {again}", err=True)
    return False


def _why_no_row_is_usable(result: ReplayResult) -> str:
    """Return why `estimate` will use no row of these steps; empty if it may use one."""
    if not all(_is_failing(step) for step in result.steps if step.steady_from is not None):
        return ""
    answers = f" ({errors(result)})" if result.statuses else ""
    return (
        f"in every step more than {FAILING_RATIO:.0%} of the requests were not answered with 2xx or"
        f" 3xx{answers}; see --filter"
    )


def _is_failing(step: StepResult) -> bool:
    return step.due - served_of(step.outcomes) > FAILING_RATIO * step.due

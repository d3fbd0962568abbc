"""`estimate table import`: results of load generators and samples of cpu and memory become rows.

Prints which part of each run was used and what its row is worth, and writes the table whole.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import click

from estimator import units
from estimator.commands.component_options import (
    Description,
    component_options,
    description_of,
    new_component,
)
from estimator.commands.exits import endings
from estimator.commands.result_files import ResultFile, read_files, result_options
from estimator.commands.usage_options import UsageOptions, read_samples, usage_options
from estimator.errors import InputError, Problem
from estimator.observed.join import Setup, join
from estimator.observed.process_accounts import usage_of_processes
from estimator.observed.usage import Usage, combined
from estimator.table.files import read_table, write_table
from estimator.table.load_points import Component, LoadPoint, Table
from estimator.table.load_tools.run import LoadRun
from mirror.formats.terminal import say

BEFORE_S, AFTER_S = 120, 60
"""How much more is read of a remote source than the runs took: rate() looks back."""

ASKED_S = 900
"""How much --ask reads: Datadog shows a sample minutes after it was taken."""

_Value = TypeVar("_Value")

EPILOG = """\b
Examples:
  estimate table import replay.json -o table.yaml
  estimate table import fortio-*.json --samples usage.csv --component api \\
      --replicas 2 --kind pod --route '/api/*' --request app=1,512Mi -o table.yaml
  estimate table import step3.json --samples prometheus --namespace shop \\
      --prometheus-url http://prometheus:9090 --component api --replicas 2 \\
      --table table.yaml -o table.yaml
  estimate table import replay.json --table table.yaml -o table.yaml \\
      --samples prometheus=http://prometheus:9090,site-gateway,api
  estimate table import wrk2.txt --start 2026-03-01T10:00:00Z --rps-target 500 \\
      --samples usage.csv --component api --replicas 2 --table table.yaml -o table.yaml

\b
Exit codes:
  0  written
  2  bad input: every problem is listed on stderr
  4  refused: Datadog or Prometheus has no usable answer
"""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """The options as click names them."""

    samples: tuple[str, ...]
    components: tuple[str, ...]
    replicas: int | None
    output: Path
    existing: Path | None
    kind: str | None
    routes: tuple[str, ...]
    requests: tuple[str, ...]
    cpu_limits: tuple[str, ...]
    workers: tuple[str, ...]
    starts: tuple[str, ...]
    targets: tuple[float, ...]
    loop: str | None
    ask: bool
    usage: UsageOptions

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Sort what click passes to the command."""
        own = {field.name: values[field.name] for field in fields(cls) if field.name != "usage"}
        return cls(**own, usage=UsageOptions.of(values))


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row of one component, and the run that it comes from."""

    path: Path
    run: LoadRun
    point: LoadPoint


@click.command("import", epilog=EPILOG)
@click.argument("results", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--samples",
    multiple=True,
    metavar="SOURCE",
    help="Cpu and memory of the components' pods over time: a CSV file with the columns time,"
    "container,cpu,memory and perhaps pod,component; `prometheus` or `datadog` for every"
    " --component; or prometheus=URL,COMPONENT,… or datadog=COMPONENT,… for those named there;"
    " repeatable. What a replay sampled itself is read from its result.",
)
@click.option(
    "--component",
    "components",
    multiple=True,
    metavar="NAME",
    help="A component that was loaded; repeatable [default: every component of the samples].",
)
@click.option(
    "--replicas",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="How many replicas of each component shared the load [default: the pods in the samples].",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="The table to write, .yaml or .csv.",
)
@click.option(
    "--table",
    "existing",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A table to add the rows to. Its descriptions of components stay as they are.",
)
@component_options
@click.option(
    "--cpu-limit",
    "cpu_limits",
    multiple=True,
    metavar="CONTAINER=CPU",
    help="Cpu limit of a container during the runs, which shows saturated rows; repeatable.",
)
@click.option(
    "--workers",
    "workers",
    multiple=True,
    metavar="CONTAINER=N",
    help="Threads that do a container's work, such as Envoy's concurrency; repeatable.",
)
@result_options
@click.option(
    "--ask",
    is_flag=True,
    help="Before a load test: read no RESULT and write nothing, but check the options, and ask"
    " each source of --samples for its last minutes.",
)
@click.option("--site", envvar="DD_SITE", show_envvar=True, help="With `datadog`: the site.")
@click.option(
    "--api-url", metavar="URL", help="With `datadog`: the address of its API, if not at the site."
)
@usage_options
def import_results(results: tuple[Path, ...], **values: Any) -> None:
    """Make rows of RESULT files: fortio, vegeta, k6, wrk, wrk2, hey, oha, locust, ghz and replay.

    The content of a file decides its format. Of each run the first 62 s and the last 30 s are left
    out where two minutes remain; of a replay every step gives a row of its steady part. Cpu and
    memory are those of that time. A new component is a pod, or a gateway where its name says so;
    it takes all routes, and requests what was measured at most, unless options describe it.
    """
    options = ImportOptions.of(values)
    if bool(results) == options.ask:
        raise click.UsageError("Missing argument 'RESULTS...', or --ask, which takes none.")
    with endings():
        if options.ask:
            _ask(options)
        else:
            _import(results, options)


def _ask(options: ImportOptions) -> None:
    """Raise what `_import` would raise later for the same options, as far as that is known."""
    table = read_table(options.existing) if options.existing else Table("", ())
    known = {component.name: component for component in table.components}
    description = description_of(options.kind, options.routes, options.requests)
    _check_output(options.output, options.existing)
    containers = {name: tuple(component.requests) for name, component in known.items()}
    period = (time.time() - ASKED_S, time.time())
    asked = dict.fromkeys(options.components, ())
    names = dict.fromkeys(options.components)
    for text in options.samples:
        usage = read_samples(text, options.usage, asked | containers, period).attributed(None)
        names |= dict.fromkeys(usage.components)
        for name in usage.components:
            requested = set(containers.get(name) or description.requests)
            if unrequested := set(usage.of(name)) - requested if requested else ():
                rule = f"has containers without a request: {', '.join(sorted(unrequested))}"
                raise InputError([Problem(text, rule, name)])
    if names:
        _check_names(tuple(names), known, description, options)


def _import(paths: Sequence[Path], options: ImportOptions) -> None:
    table = read_table(options.existing) if options.existing else Table("", ())
    known = {component.name: component for component in table.components}
    description = description_of(options.kind, options.routes, options.requests)
    files = read_files(paths, options.starts, options.targets, options.loop)
    _check_output(options.output, options.existing)

    def containers_of(name: str) -> tuple[str, ...]:
        return tuple(known[name].requests if name in known else description.requests)

    usages = _usages(files, options, {name: containers_of(name) for name in options.components})
    measured = dict.fromkeys(name for usage in usages for name in usage.components)
    names = options.components or tuple(measured)
    _check_names(names, known, description, options)
    limits, workers = _of_containers(options, usages, names)
    rows: dict[str, list[NewRow]] = {}
    problems: list[Problem] = []
    left_out: list[Problem] = []
    for name in names:
        setup = Setup(name, containers_of(name), options.replicas, limits, workers)
        rows[name] = []
        for file, usage in zip(files, usages, strict=True):
            added, misfits = _rows(file, usage, setup)
            rows[name] += added
            # One of several steps may fail; a file that gives no row at all is a mistake.
            (left_out if added else problems).extend(misfits)
    if problems:
        raise InputError(problems)
    components = _components(table, description, rows)
    count = sum(map(len, rows.values()))
    if not count:
        raise InputError([Problem(str(options.output), "is not written: there is no row for it")])
    write_table(Table(str(options.output), components), options.output)
    _print(components, rows, files)
    for component in components:
        if component.assumed and component.name not in known:
            keys = " and ".join(component.assumed)
            say(
                f"{component.name} is new: its {keys} are assumed and decide how many replicas it"
                " gets; put its own into the table"
            )
    for problem in left_out:
        say(f"estimate: left out: {problem}", err=True)
    say(f"{options.output}: {count} row(s) of {', '.join(names)} written")


def _usages(
    files: Sequence[ResultFile], options: ImportOptions, containers: Mapping[str, tuple[str, ...]]
) -> list[Usage]:
    """Return the usage for each file: what every source has, and what the file itself holds."""
    if not options.samples and not any(file.result.processes for file in files):
        rule = (
            "missing: no result holds samples of its own; name prometheus=URL,COMPONENT,… or such"
        )
        raise InputError([Problem("--samples", rule)])
    windows = [window for file in files for window in file.windows]
    period = (min(w[0] for w in windows) - BEFORE_S, max(w[1] for w in windows) + AFTER_S)
    shared = [
        _attributed(read_samples(text, options.usage, containers, period), text, options)
        for text in options.samples
    ]
    return [
        combined([usage_of_processes(file.result.processes, file.windows, str(file.path)), *shared])
        for file in files
    ]


def _attributed(usage: Usage, source: str, options: ImportOptions) -> Usage:
    """Give samples without a component to the only --component, or to that of their container."""
    if "" in usage.components and len(options.components) > 1:
        rule = "has samples that name no component, and there are several: add a column `component`"
        raise InputError([Problem(source, rule)])
    return usage.attributed(options.components[0] if options.components else None)


def _check_names(
    names: Sequence[str],
    known: Mapping[str, Component],
    description: Description,
    options: ImportOptions,
) -> None:
    if not names:
        raise InputError([Problem("--samples", "no source has a sample in the time of the runs")])
    if description.is_empty:
        return
    if len(names) > 1:
        rule = "describes one component, as --kind and --route do: leave them out, edit the table"
        raise InputError([Problem("--request", rule, ", ".join(names))])
    if names[0] in known:
        rule = f"is described in {options.existing}; leave --kind, --route and --request out"
        raise InputError([Problem("--component", rule, names[0])])


def _check_output(output: Path, existing: Path | None) -> None:
    if output.exists() and (existing is None or not output.samefile(existing)):
        rule = "exists; name it as --table to add rows to it"
        raise InputError([Problem(str(output), rule)])


def _of_containers(
    options: ImportOptions, usages: Sequence[Usage], names: Sequence[str]
) -> tuple[dict[str, float], dict[str, int]]:
    """Return cpu limits in millicores, and workers, by container. Raises InputError."""
    containers = {container for usage in usages for name in names for container in usage.of(name)}
    problems: list[Problem] = []

    def read(
        option: str, texts: Sequence[str], parse: Callable[[str], _Value]
    ) -> dict[str, _Value]:
        values = {}
        for text in texts:
            container, _, value = text.partition("=")
            try:
                values[container] = parse(value)
                if not values[container]:
                    raise ValueError(f"expected more than 0, got {value!r}")
            except ValueError as error:
                problems.append(Problem(option, f"{error}, in {text!r}"))
            if container not in containers:
                expected = ", ".join(sorted(containers))
                problems.append(Problem(option, f"expected one of {expected}, got {container!r}"))
        return values

    limits = read("--cpu-limit", options.cpu_limits, units.parse_cpu)
    workers = read("--workers", options.workers, _count)
    if problems:
        raise InputError(problems)
    return limits, workers


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _rows(file: ResultFile, usage: Usage, setup: Setup) -> tuple[list[NewRow], list[Problem]]:
    """Return the rows that a file gives for one component, and what keeps others from being one."""
    rows: list[NewRow] = []
    problems: list[Problem] = []
    for run in file.result.runs:
        joined = join(run, usage, setup, str(file.path))
        if isinstance(joined, LoadPoint):
            rows.append(NewRow(file.path, run, joined))
        else:
            problems += joined
    return rows, problems


def _components(
    table: Table, description: Description, rows: Mapping[str, Sequence[NewRow]]
) -> tuple[Component, ...]:
    """Return the components of the table with the new rows, then the new components."""
    components = {component.name: component for component in table.components}
    for name, added in rows.items():
        before = components[name].points if name in components else ()
        points = (
            *before,
            *(replace(row.point, row=len(before) + n) for n, row in enumerate(added, start=1)),
        )
        components[name] = (
            replace(components[name], points=points)
            if name in components
            else new_component(name, description, points)
        )
    return tuple(components.values())


def _print(
    components: Sequence[Component],
    rows: Mapping[str, Sequence[NewRow]],
    files: Sequence[ResultFile],
) -> None:
    for file in files:
        for note in file.result.notes:
            say(f"{file.path}: {note}")
    for component in components:
        added = rows.get(component.name, ())
        points = component.points[len(component.points) - len(added) :]
        for row, point in zip(added, points, strict=True):
            assert point.judgement is not None
            cpu = ", ".join(
                f"{name} {units.format_cpu(used.cpu_millicores)}"
                f" {units.format_memory(used.memory_bytes)}"
                for name, used in point.usage.items()
            )
            say(
                f"{component.name}, row {point.row}: {row.path}:"
                f" {units.format_rps(point.rps)} rps, {cpu}"
            )
            for note in row.run.notes:
                say(f"  used: {note}")
            say(f"  {point.judgement.verdict}: {point.judgement.rule}")
            if point.judgement.latency_doubt is not None:
                say(f"  doubted: {point.judgement.latency_doubt}")

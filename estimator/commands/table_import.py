"""`estimate table import`: results of load generators and samples of cpu and memory to rows.

Prints what of each run was used and what the row is worth, and writes the table whole.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from estimator import units
from estimator.commands.exits import endings
from estimator.commands.usage_options import UsageSource, usage_options
from estimator.errors import InputError, Problem
from estimator.observed.join import Setup, join
from estimator.observed.usage_file import parse_time
from estimator.series.rps import ALL_ROUTES
from estimator.table.files import read_table, write_table
from estimator.table.load_points import Component, Kind, LoadPoint, Loop, Resources, Table
from estimator.table.load_tools.detect import read_result
from estimator.table.load_tools.run import Run, steady
from mirror.formats.routes import route_tag

EPILOG = """\b
Examples:
  estimate table import fortio-*.json --samples usage.csv --component api \\
      --replicas 2 --kind pod --route '/api/*' --request app=1,512Mi -o table.yaml
  estimate table import step3.json --samples prometheus --namespace shop \\
      --prometheus-url http://prometheus:9090 --component api --replicas 2 \\
      --table table.yaml -o table.yaml
  estimate table import wrk2.txt --start 2026-03-01T10:00:00Z --rps-target 500 \\
      --samples usage.csv --component api --replicas 2 --table table.yaml -o table.yaml

\b
usage.csv has the columns time,container,cpu,memory and may have pod,component.
"""


@dataclass(frozen=True, slots=True)
class _Result:
    path: Path
    run: Run


@click.command("import", epilog=EPILOG)
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--samples",
    required=True,
    metavar="FILE|prometheus|datadog",
    help="Cpu and memory of the component's pods over time.",
)
@click.option("--component", required=True, metavar="NAME", help="What was loaded.")
@click.option(
    "--replicas",
    required=True,
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="How many of it shared the load.",
)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="A .yaml or .csv file."
)
@click.option(
    "--table",
    "existing",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A table to add the rows to; where it has the component, that is not described again.",
)
@click.option("--kind", type=click.Choice(["pod", "gateway"]), help="Of a new component.")
@click.option("--route", "routes", multiple=True, help="Of a new component; repeatable.")
@click.option(
    "--request",
    "requests",
    multiple=True,
    metavar="CONTAINER=CPU,MEMORY",
    help="Kubernetes request of a container of a new component; repeatable.",
)
@click.option(
    "--cpu-limit",
    "cpu_limits",
    multiple=True,
    metavar="CONTAINER=CPU",
    help="Its limit during the runs: shows which rows are saturated; repeatable.",
)
@click.option(
    "--workers",
    "workers",
    multiple=True,
    metavar="CONTAINER=N",
    help="Threads that do its work, such as Envoy's concurrency; repeatable.",
)
@click.option(
    "--start",
    "starts",
    multiple=True,
    metavar="TIME",
    help="When a run began, where its file does not say: once for each such RESULT, in order.",
)
@click.option(
    "--rps-target",
    "targets",
    multiple=True,
    type=click.FloatRange(min=0, min_open=True),
    metavar="RPS",
    help="The rate asked for, where its file does not say: once for each such RESULT, in order,"
    " or not at all.",
)
@click.option("--loop", type=click.Choice(["open", "closed"]), help="Of all runs, if known better.")
@click.option("--site", envvar="DD_SITE", show_envvar=True, help="With `datadog`: its site.")
@click.option("--api-url", metavar="URL", help="With `datadog`: where its API is instead.")
@usage_options
def import_results(results: tuple[Path, ...], **given: Any) -> None:
    """Make rows of RESULT files: fortio, vegeta, k6, wrk, wrk2, hey, locust, ghz, mirror replay.

    The format is told by the content. Of each run the first 62 s and the last 30 s are left out
    where two minutes remain; cpu and memory are those of that time.
    """
    with endings():
        _import(results, given)


def _import(results: tuple[Path, ...], given: dict[str, Any]) -> None:
    table, component = _component(given)
    runs = _runs(results, given)
    _check_output(given["output"], given["existing"])
    setup = Setup(
        component.name,
        tuple(component.requests),
        given["replicas"],
        _by_container("--cpu-limit", given["cpu_limits"], component, units.parse_cpu),
        _by_container("--workers", given["workers"], component, _count),
    )
    starts = [each.run.start or 0.0 for each in runs]
    ends = [start + each.run.duration_s for start, each in zip(starts, runs, strict=True)]
    # rate() looks back: ask for a little before the first run.
    period = (min(starts) - 120, max(ends) + 60)
    source = UsageSource(given["samples"], given)
    usage = source.read({component.name: setup.containers}, period)
    rows: list[LoadPoint] = []
    problems: list[Problem] = []
    for each in runs:
        joined = join(each.run, usage, setup, str(each.path))
        if isinstance(joined, LoadPoint):
            rows.append(replace(joined, row=len(component.points) + len(rows) + 1))
        else:
            problems += joined
    if problems:
        raise InputError(problems)
    done = replace(component, points=(*component.points, *rows))
    others = tuple(each for each in table.components if each.name != component.name)
    kept = [each.name for each in table.components]
    place = kept.index(component.name) if component.name in kept else len(others)
    write_table(
        Table(str(given["output"]), (*others[:place], done, *others[place:])), given["output"]
    )
    for each, point in zip(runs, done.points[len(component.points) :], strict=True):
        _print(each, point)
    click.echo(f"{given['output']}: {len(rows)} row(s) of {component.name} written")


def _component(given: dict[str, Any]) -> tuple[Table, Component]:
    """Return the table to add to, and the component as it is there or as it is described."""
    name, described = given["component"], [given["kind"], given["routes"], given["requests"]]
    existing = given["existing"]
    table = read_table(existing) if existing else Table("", ())
    for component in table.components:
        if component.name == name:
            if any(described):
                rule = f"is described in {existing}; leave --kind, --route and --request out"
                raise InputError([Problem("--component", rule, name)])
            return table, component
    if not all(described):
        rule = "is new: describe it by --kind, --route and --request"
        raise InputError([Problem("--component", rule, name)])
    templates = tuple(given["routes"])
    problems = [
        Problem("--route", f'expected a template such as /api/*, "other" or "*", got {each!r}')
        for each in templates
        if each not in (ALL_ROUTES, "other") and not each.startswith("/")
    ]
    requests: dict[str, Resources] = {}
    for text in given["requests"]:
        container, _, amounts = text.partition("=")
        cpu, _, memory = amounts.partition(",")
        try:
            requests[container] = Resources(units.parse_cpu(cpu), units.parse_memory(memory))
        except ValueError as error:
            problems.append(Problem("--request", f"{error}, in {text!r}"))
    if problems:
        raise InputError(problems)
    tags = tuple(each if each == ALL_ROUTES else route_tag(each) for each in templates)
    return table, Component(name, Kind(given["kind"]), tags, requests, (), templates)


def _runs(results: tuple[Path, ...], given: dict[str, Any]) -> list[_Result]:
    problems: list[Problem] = []
    found: list[_Result] = []
    for path in results:
        try:
            found.append(_Result(path, read_result(path)))
        except InputError as error:
            problems += error.problems
    starts: list[float] = []
    for text in given["starts"]:
        try:
            starts.append(parse_time(text))
        except ValueError as error:
            problems.append(Problem("--start", str(error)))
    timeless = [each.path.name for each in found if each.run.start is None]
    if not problems and len(starts) != len(timeless):
        rule = f"expected once for each result without a time ({', '.join(timeless) or 'none'})"
        problems.append(Problem("--start", f"{rule}, got {len(starts)}"))
    aimless = [each.path.name for each in found if each.run.rps_target is None]
    if not problems and len(given["targets"]) not in (0, len(aimless)):
        rule = f"expected once for each result without a rate ({', '.join(aimless) or 'none'})"
        problems.append(Problem("--rps-target", f"{rule}, got {len(given['targets'])}"))
    if problems:
        raise InputError(problems)
    start, target = iter(starts), iter(given["targets"])
    runs = []
    for each in found:
        run = each.run
        if run.start is None:
            run = replace(run, start=next(start))
        if run.rps_target is None:
            run = replace(run, rps_target=next(target, None))
        if given["loop"]:
            run = replace(run, loop=Loop(given["loop"]))
        runs.append(_Result(each.path, steady(run)))
    return runs


def _check_output(output: Path, existing: Path | None) -> None:
    if output.exists() and (existing is None or not output.samefile(existing)):
        rule = "exists; name it as --table to add rows to it"
        raise InputError([Problem(str(output), rule)])


def _by_container(
    option: str, texts: tuple[str, ...], component: Component, parse: Any
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    problems = []
    for text in texts:
        container, _, value = text.partition("=")
        try:
            found[container] = parse(value)
        except ValueError as error:
            problems.append(Problem(option, f"{error}, in {text!r}"))
        if container not in component.requests:
            known = ", ".join(component.requests)
            problems.append(Problem(option, f"expected one of {known}, got {container!r}"))
    if problems:
        raise InputError(problems)
    return found


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _print(result: _Result, point: LoadPoint) -> None:
    assert point.judgement is not None
    judgement = point.judgement
    cpu = ", ".join(
        f"{name} {units.format_cpu(used.cpu_millicores)} {units.format_memory(used.memory_bytes)}"
        for name, used in point.usage.items()
    )
    click.echo(f"row {point.row}: {result.path}: {units.format_rps(point.rps)} rps, {cpu}")
    for note in result.run.notes:
        click.echo(f"  used: {note}")
    click.echo(f"  {judgement.verdict}: {judgement.rule}")
    if judgement.latency_doubt is not None:
        click.echo(f"  doubted: {judgement.latency_doubt}")

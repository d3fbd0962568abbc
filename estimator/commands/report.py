"""`estimate` itself: from a series, a table and a policy to a report in the chosen formats.

Every problem that is visible before the series is read (options, table, nodes, output paths) is
reported at once. Files are written only after all of them are made.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from estimator import __version__
from estimator.cluster.files import EXAMPLE as EXAMPLE_NODES
from estimator.cluster.files import read_cluster
from estimator.commands.exits import end_with_doubts
from estimator.commands.policy_options import read_policy
from estimator.commands.quantities import Bounds, ratio
from estimator.commands.sources import Source, check_source, read_source
from estimator.errors import InputError, Problem
from estimator.model.nodes.capacity import Cluster
from estimator.model.policy import Policy
from estimator.model.projection import Projection, project
from estimator.report.blocks import Document
from estimator.report.content import document_of
from estimator.report.data import to_csv, to_json
from estimator.report.drift.comparison import Gate, compare, present_replicas
from estimator.report.drift.listing import drift_csv, drift_document, drift_json
from estimator.report.explain import explained
from estimator.report.manifests import manifests
from estimator.report.markdown import to_markdown
from estimator.report.page import page_of
from estimator.report.summary import summary_of
from estimator.report.text import print_text
from estimator.series.rps import RpsSeries
from estimator.table.files import EXAMPLE, read_table
from estimator.table.load_points import Table
from estimator.text_files import write_set, write_whole
from mirror.formats.progress import working
from mirror.formats.terminal import say, say_json

_Command = TypeVar("_Command", bound=Callable[..., Any])
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Output:
    """The evidence beside the series, and the outputs; the names are click's."""

    table: str
    nodes: str | None
    format: str
    html: Path | None
    manifests: Path | None
    against: Path | None
    tolerance: str | None
    only: str | None
    explain: str | None
    full: bool

    @property
    def prints_report(self) -> bool:
        return self.against is None and self.explain is None


_EVIDENCE_OPTIONS = (
    click.option(
        "--table",
        default="example",
        metavar="FILE",
        help="Correspondence table (YAML or CSV). The default `example` is a bundled table that"
        " only shows the format.",
    ),
    click.option(
        "--nodes",
        metavar="FILE",
        help="Nodes, DaemonSets and prices (YAML), for the sections on nodes and cost. `example` is"
        " a bundled file that only shows the format.",
    ),
)
_OUTPUT_OPTIONS = (
    click.option(
        "--format",
        type=click.Choice(["text", "json", "csv", "markdown"]),
        default="text",
        show_default=True,
        help="Output format: text to read, JSON or CSV as in docs/formats.md, or Markdown.",
    ),
    click.option(
        "--full",
        is_flag=True,
        help="Print the complete report instead of its summary, as text or Markdown.",
    ),
    click.option(
        "--html",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Also write one page with charts that opens offline and prints.",
    ),
    click.option(
        "--manifests",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Also write manifests: HPA, requests and limits, PDB and rate limits, each number"
        " with its reason.",
    ),
    click.option(
        "--against",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Instead of the report, list where the manifests in DIR differ from it, with the"
        " reasons; exit with 5 if they differ.",
    ),
    click.option(
        "--tolerance",
        metavar="SHARE",
        help="With --against: amounts within this share of the projected one, such as 10%, do not"
        " count as a difference.",
    ),
    click.option(
        "--only",
        type=click.Choice(["too-small"]),
        help="With --against: count only what gives less than the projection asks for.",
    ),
    click.option(
        "--explain",
        metavar="COMPONENT",
        help="Instead of the report, print the arithmetic of a component line by line.",
    ),
)
_TOLERANCES = Bounds(0.0, 1.0)
SECTIONS = {
    **dict.fromkeys(("table", "nodes"), "Evidence and targets"),
    **dict.fromkeys(
        ("format", "full", "html", "manifests", "against", "tolerance", "only", "explain"), "Output"
    ),
}
"""Heading in the help, by click's name of the option."""


def evidence_options(command: _Command) -> _Command:
    """Add the options of the evidence beside the series to a command."""
    for option in reversed(_EVIDENCE_OPTIONS):
        command = option(command)
    return command


def output_options(command: _Command) -> _Command:
    """Add the options of the outputs to a command."""
    for option in reversed(_OUTPUT_OPTIONS):
        command = option(command)
    return command


def output_of(options: Mapping[str, Any]) -> Output:
    """Return the outputs. Raises click.UsageError for options that exclude each other."""
    output = Output(**{name: options[name] for name in Output.__dataclass_fields__})
    if output.against is not None and output.explain is not None:
        raise click.UsageError("Give one of --against DIR and --explain COMPONENT.")
    if output.against is None and (output.tolerance or output.only):
        raise click.UsageError("--tolerance and --only are for --against DIR.")
    if output.explain is not None and output.format != "text":
        raise click.UsageError(
            "--explain prints text; the JSON report contains the same arithmetic."
        )
    if output.full and (output.format not in ("text", "markdown") or not output.prints_report):
        raise click.UsageError(
            "--full is for the report as text or Markdown; JSON, CSV, --explain and --against are"
            " always complete."
        )
    return output


def run(source: Source, output: Output, policy_words: Mapping[str, Any]) -> None:
    """Make the report, and exit with its exit code if that is not 0.

    Raises InputError and Refused.
    """
    problems: list[Problem] = []
    policy = attempt(lambda: read_policy(policy_words), problems)
    table = attempt(lambda: table_of(output.table), problems)
    cluster = attempt(lambda: _read_nodes(output.nodes), problems)
    attempt(lambda: check_source(source), problems)
    gate = attempt(lambda: _gate(output), problems)
    problems += _places(output)
    if table is not None:
        named = () if policy is None else policy.downstream_rps
        problems += _unknown_components(named, output, table)
    if problems or policy is None or table is None or gate is None:
        raise InputError(problems)
    series = read_source(source, table.templates)
    check_paths(policy, series)
    with working(f"Sizing {len(table.components)} components"):
        projection = project(series, table, policy, cluster)
    _write_files(projection, output)
    drifts = _print(projection, output, gate)
    are_printed = output.prints_report and output.format == "text"
    end_with_doubts(projection.low_confidence, are_printed, has_drifted=bool(drifts))


def attempt(read: Callable[[], _Read], problems: list[Problem]) -> _Read | None:
    """Return what `read` returns, or collect its problems so that later checks still run."""
    try:
        return read()
    except InputError as error:
        problems.extend(error.problems)
        return None


def missing_folder(option: str, file: Path | None) -> list[Problem]:
    """Return the problem of a file to write whose directory does not exist."""
    if file is None or file.absolute().parent.is_dir():
        return []
    return [Problem(option, f"no such directory: {file.parent}")]


def table_of(name: str) -> Table:
    """Read the table of --table: a file, or the bundled example. Raises InputError."""
    return read_table(EXAMPLE if name == "example" else Path(name))


def _gate(output: Output) -> Gate:
    """Return what counts as a difference. Raises InputError."""
    words = output.tolerance
    try:
        tolerance = 0.0 if words is None else ratio(_TOLERANCES)(words)
    except ValueError as error:
        raise InputError([Problem("--tolerance", str(error))]) from error
    return Gate(tolerance, output.only == "too-small")


def _read_nodes(name: str | None) -> Cluster | None:
    if name is None:
        return None
    return read_cluster(EXAMPLE_NODES if name == "example" else Path(name))


def _places(output: Output) -> list[Problem]:
    problems = missing_folder("--html", output.html)
    if output.manifests is not None and output.manifests.exists() and not output.manifests.is_dir():
        problems.append(
            Problem("--manifests", f"expected a directory, got the file {output.manifests}")
        )
    if output.against is not None and not output.against.is_dir():
        problems.append(Problem("--against", f"no such directory: {output.against}"))
    return problems


def _unknown_components(
    downstream: Iterable[tuple[str, float]], output: Output, table: Table
) -> list[Problem]:
    in_table = [component.name for component in table.components]
    named = [("--downstream", name) for name, _ in downstream]
    if output.explain is not None:
        named.append(("--explain", output.explain))
    return [
        Problem(option, f"no component {name!r} in the table; it has {', '.join(in_table)}")
        for option, name in named
        if name not in in_table
    ]


def check_paths(policy: Policy, series: RpsSeries) -> None:
    """Raise InputError for every path of the policy that the series does not have."""
    unknown = [path for path in policy.paths if path not in series.routes]
    if unknown:
        routes = ", ".join(series.routes)
        raise InputError(
            [
                Problem("--paths", f"route {path} is not in the series; it has {routes}")
                for path in unknown
            ]
        )


def _write_files(projection: Projection, output: Output) -> None:
    # Make every file before writing the first, so that a failure leaves nothing behind.
    page = None
    if output.html is not None:
        against = output.against
        today = {} if against is None else present_replicas(projection, against)
        page = page_of(projection, __version__, today)
    files = {} if output.manifests is None else manifests(projection)
    if output.html is not None and page is not None:
        write_whole(output.html, page)
    if output.manifests is not None:
        write_set(output.manifests, files)
        for path in sorted(output.manifests.glob("*-*.yaml")):
            # Such as an HPA of a component that has a fixed count now.
            if path.name not in files:
                rule = "not of this projection, and the pattern of the guide would apply it"
                say(f"estimate: {path}: {rule}", err=True)


def _print(projection: Projection, output: Output, gate: Gate) -> bool:
    """Print the chosen output; return whether manifests drifted."""
    if output.explain is not None:
        (component,) = (item for item in projection.components if item.name == output.explain)
        say(explained(projection, component), nl=False)
        return False
    if output.against is not None:
        drifts = compare(projection, output.against, gate)
        _print_as(
            output.format,
            lambda: drift_document(drifts, str(output.against)),
            {"json": lambda: drift_json(drifts), "csv": lambda: drift_csv(drifts)},
        )
        return bool(drifts)
    _print_as(
        output.format,
        lambda: document_of(projection, __version__) if output.full else summary_of(projection),
        {"json": lambda: to_json(projection), "csv": lambda: to_csv(projection)},
    )
    return False


def _print_as(
    form: str, document: Callable[[], Document], data: Mapping[str, Callable[[], str]]
) -> None:
    if form == "json":
        say_json(data[form](), nl=False)
    elif form in data:
        say(data[form](), nl=False)
    elif form == "markdown":
        say(to_markdown(document()), nl=False)
    else:
        print_text(document(), sys.stdout)

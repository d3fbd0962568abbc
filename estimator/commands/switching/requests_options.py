"""The options that name what production received, and the observations that they mean."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from estimator.commands.sources import LOG_OPTIONS, flag_of
from estimator.errors import InputError
from estimator.requests.asked import Asked
from estimator.requests.capture import observe_capture
from estimator.requests.observations import Observations
from estimator.requests.series import observe_series
from estimator.requests.uris import observe_uris
from estimator.series.access_log.files import files_of, problem_of
from mirror.formats.access_log.line_reader import Reading
from mirror.formats.progress import working

_Command = TypeVar("_Command", bound=Callable[..., Any])
_SOURCES = ("from_access_log", "from_capture", "from_series", "from_uris")
_OF_ACCESS_LOG = ("format_of", "fields", "time_zone", "jobs")
SECTIONS = dict.fromkeys((*_SOURCES, *_OF_ACCESS_LOG), "Requests")
"""Heading in the help, by click's name of the option."""


@dataclass(frozen=True, slots=True)
class RequestsSource:
    """The options of the source, with click's names."""

    from_access_log: tuple[str, ...]
    from_capture: Path | None
    from_series: tuple[Path, ...]
    from_uris: str | None
    format_of: str | None
    fields: str | None
    time_zone: str | None
    jobs: int | None


_OPTIONS = (
    click.option(
        "--from-access-log",
        multiple=True,
        metavar="FILE",
        help="Requests of access logs, with production's own answers: those of nginx, Apache,"
        " Envoy, Istio, HAProxy, Traefik, Caddy, ingress-nginx, AWS, or JSON lines; plain, gzip or"
        " zstd; `-` is standard input. Repeatable; a quoted pattern such as"
        " '/var/log/nginx/access.log*' names several files.",
    ),
    click.option(
        "--from-capture",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Requests of a capture, with their headers: a file, or the directory of its segments.",
    ),
    click.option(
        "--from-series",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="FILE",
        help="Route tags of a series.db, CSV or Parquet: whole templates, each judged by one"
        " sample path, so the confidence is low. Repeatable: the files of several hosts.",
    ),
    click.option(
        "--from-uris",
        metavar="URL|FILE",
        help="The counts of URIs of a running sidecar, by the URL of its admin port, such as"
        " http://127.0.0.1:9911, or saved to a file.",
    ),
    *LOG_OPTIONS,
)


def requests_options(command: _Command) -> _Command:
    """Add the options that name what production received to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def requests_source_of(options: Mapping[str, Any]) -> RequestsSource:
    """Return the source that the options name.

    Raises click.UsageError if they name none or two, or an option does not apply to the source.
    """
    chosen = [name for name in _SOURCES if options[name]]
    if len(chosen) != 1:
        names = ", ".join(map(flag_of, _SOURCES))
        raise click.UsageError(f"Give exactly one of {names}.")
    wrong = [name for name in _OF_ACCESS_LOG if options[name] is not None]
    if wrong and chosen != ["from_access_log"]:
        applies = "; ".join(f"{flag_of(name)} applies only to --from-access-log" for name in wrong)
        raise click.UsageError(f"{applies}.")
    return RequestsSource(**{name: options[name] for name in SECTIONS})


def requests_of(source: RequestsSource, asked: Asked) -> Observations:
    """Return what production received; `asked` is what decides beside authority, method and path.

    Raises InputError and Refused.
    """
    if source.from_capture is not None:
        with working(f"Reading {source.from_capture}"):
            return observe_capture(source.from_capture, asked)
    if source.from_series:
        with working(f"Reading {', '.join(map(str, source.from_series))}"):
            return observe_series(source.from_series)
    if source.from_uris is not None:
        with working(source.from_uris):
            return observe_uris(source.from_uris, asked)
    # Imported here, because no other source needs the reader of logs.
    from estimator.requests.access_log import observe_access_logs
    from estimator.series.access_log.workers import Workers

    reading = Reading(source.format_of, source.fields, source.time_zone)
    if problems := [*problem_of(reading)]:
        raise InputError(problems)
    names = files_of(source.from_access_log)
    with working("Reading access logs") as bar:
        return observe_access_logs(names, asked, reading, Workers(source.jobs, progress=bar))

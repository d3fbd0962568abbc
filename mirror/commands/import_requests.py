"""`mirror import`: turns logs, HAR and GoReplay files into a capture for `mirror replay`.

This module owns the arguments, the choice of the reader by the content of a file, and the writing
of the capture. The capture is written as a whole or not at all, so that nothing reads half of it.
"""

import sys
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, BinaryIO

import click
import zstandard

from mirror.capture.importing import ImportCounts, Importing, ImportWorkers, import_files
from mirror.capture.sorter import Sorter
from mirror.errors import InputError
from mirror.formats.access_log.blocks import jobs_for, line_at, open_log
from mirror.formats.access_log.line_reader import FORMATS, LineReader, Reading, explained
from mirror.formats.access_log.remote import is_url, matching
from mirror.formats.access_log.request import NO_HOST, NOT_REPLAYABLE
from mirror.formats.access_log.tally import (
    LOW_CONFIDENCE_RATIO,
    SAID_FIRST_RATIO,
    WHAT_IS_READ,
)
from mirror.formats.capture.record import encode_header, is_host
from mirror.formats.foreign_text import visible
from mirror.formats.terminal import say
from mirror.formats.whole_files import writing_whole

EXIT_UNUSABLE = 2
EXIT_LOW_CONFIDENCE = 3

MOST_PLACES = 12
FRAME_BYTES = 1 << 20


@click.command(name="import")
@click.argument("logs", nargs=-1, metavar="FILE...")
@click.option("-o", "--output", "path", metavar="FILE", type=Path, help="The capture to write.")
@click.option(
    "--host",
    metavar="NAME",
    help="Host of requests that name none, such as all lines of the combined format.",
)
@click.option(
    "--format-of",
    type=click.Choice(FORMATS),
    help="Read access logs in this format only; without it, each line is recognised by itself.",
)
@click.option(
    "--fields",
    metavar="MEANING=KEY,...",
    help="Keys of JSON logs: time=ts,method=verb,target=url.path,host=vhost,duration_ms=ms.",
)
@click.option(
    "--time-zone",
    metavar="ZONE",
    help="Zone of times without an offset (HAProxy): UTC, +09:00 or Europe/Berlin.",
)
@click.option(
    "--explain-line",
    metavar="FILE:N",
    help="Say what is read from line N of FILE, and write nothing.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    metavar="N",
    help="Read N files at once.  [default: one for each core]",
)
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Read the files on the workers of this Dask scheduler, such as tcp://scheduler:8786.",
)
@click.option("--keep-secrets", is_flag=True, help="Keep credentials, cookies, tokens and bodies.")
@click.option(
    "--keep-bodies", is_flag=True, help="Keep bodies, in which no secret can be recognised."
)
def import_requests(
    logs: tuple[str, ...],
    path: Path | None,
    host: str | None,
    keep_secrets: bool,
    keep_bodies: bool,
    explain_line: str | None,
    format_of: str | None,
    fields: str | None,
    time_zone: str | None,
    jobs: int | None,
    dask: str | None,
) -> None:
    """Turn access logs and recordings into a capture for `mirror replay`.

    Reads access logs, HAR files and GoReplay files, plain or compressed with gzip or zstd; `-` is
    standard input. The logs are those of nginx, Apache, Envoy, Istio, HAProxy, Traefik, Caddy,
    ingress-nginx and AWS's load balancers, or JSON lines, as files or as Docker, Kubernetes, syslog
    and the journal pass them on (docs/formats.md). All files are merged in the order of time. A
    request is dated to when it began, if the log has its duration, else to when its response ended.
    If a log knows only the second, the requests of that second are spread evenly over it. Logs hold
    no bodies, so a POST is imported without one. Values that are secrets by their name or by their
    form are removed and listed; bodies, which may hold passwords, are left out and counted. The
    capture is its owner's alone (0600), and compressed if its name ends in .zst.

    \b
    Examples:
      mirror import /var/log/nginx/access.log -o requests.jsonl --host www.example.com
      mirror import access.log access.log.1 access.log.2.gz -o requests.zst
      mirror import session.har requests_0.gor requests_1.gor.gz -o requests.zst --keep-secrets
      docker service logs web | mirror import - -o requests.jsonl --host www.example.com
      mirror import app.jsonl -o requests.zst --fields time=ts,method=verb,target=req.url
      mirror import haproxy.log -o requests.zst --time-zone Europe/Berlin --host www.example.com
      mirror import 's3://logs/2026-01-*.gz' -o requests.zst --dask tcp://scheduler:8786
      mirror import --explain-line access.log:17

    \b
    Exit codes:
      0  written; lines that were left out are counted by reason, and the first are shown
      2  a file cannot be read or written, or no line is usable
      3  written, but more than 5 % of the lines of the logs were left out
    """
    if host is not None and not is_host(host):
        raise click.BadParameter("expected a host name", param_hint="--host")
    reading = Reading(format_of, fields, time_zone)
    try:
        reader = LineReader(reading)
    except ValueError as error:
        raise click.UsageError(f"--fields or --time-zone: {error}") from error
    if explain_line is not None:
        _explain(explain_line, reader)
        return
    if path is None or not logs:
        raise click.UsageError("Give FILE... and -o, or --explain-line FILE:N.")
    try:
        workers = ImportWorkers(jobs or jobs_for(logs), dask)
        _import(logs, path, Importing(reading, host, keep_secrets, keep_bodies), workers)
    except InputError as error:
        say(error, err=True)
        sys.exit(EXIT_UNUSABLE)


def _files_of(logs: tuple[str, ...]) -> list[str]:
    """Return the files: the shell has expanded patterns of paths, and here those of URLs are."""
    files: list[str] = []
    for log in logs:
        names = matching(log) if is_url(log) else [log]
        if not names:
            raise InputError(f"{log}: no such file")
        files += names
    return files


def _import(
    logs: tuple[str, ...], path: Path, importing: Importing, workers: ImportWorkers
) -> None:
    """Write the capture and say what it holds. Raises InputError."""
    # Runs are beside the capture, where there is room for them too.
    folder = str(path.parent) if path.parent.is_dir() else None
    with closing(Sorter(folder)) as sorter:
        counts = import_files(_files_of(logs), importing, sorter, folder, workers)
        _report_losses(counts)
        if not sorter.number:
            is_strange = counts.tally.lost.keys() - {NO_HOST, NOT_REPLAYABLE}
            advice = f". {WHAT_IS_READ}" if is_strange else ""
            raise InputError(
                f"{', '.join(logs)}: no line is a request that can be replayed{advice}"
            )
        first_s, last_s = _write(path, sorter)
    listed = ", ".join(f"{method} {count}" for method, count in counts.methods.most_common())
    begin = datetime.fromtimestamp(first_s, UTC).isoformat(timespec="seconds")
    seconds = f"{last_s - first_s:.1f} s from {begin}"
    say(f"{path}: {sorter.number} requests over {seconds} ({listed})", err=True)
    _report_secrets(counts)
    if counts.tally.lost_ratio > LOW_CONFIDENCE_RATIO:
        sys.exit(EXIT_LOW_CONFIDENCE)


def _explain(place: str, reader: LineReader) -> None:
    """Print what is read from one line."""
    name, _, number = place.rpartition(":")
    if not name or not number.isdigit() or number == "0":
        raise click.BadParameter("expected FILE:N", param_hint="--explain-line")
    try:
        with open_log(name) as stream:
            line = line_at(stream, int(number))
    except InputError as error:
        say(error, err=True)
        sys.exit(EXIT_UNUSABLE)
    if line is None:
        say(f"{name}: has no line {number}", err=True)
        sys.exit(EXIT_UNUSABLE)
    said = explained(line, reader)
    for key, value in said:
        say(f"{key + ':':<12}{visible(value)}")
    if said[-1][0] == "left out":
        sys.exit(EXIT_UNUSABLE)


def _write(path: Path, sorter: Sorter) -> tuple[float, float]:
    """Write the capture; return the times of the first and the last request."""
    lines = sorter.lines()
    first_s, last_s, first = next(lines)
    try:
        with (
            writing_whole(path, is_private=True) as stream,
            _Frames(stream, path.suffix == ".zst") as frames,
        ):
            frames.write(encode_header(first_s))
            frames.write(first)
            for _, time_s, chunk in lines:
                frames.write(chunk)
                last_s = time_s
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    return first_s, last_s


class _Frames:
    """Writes whole lines, plain or in zstd frames of about a mebibyte."""

    def __init__(self, stream: BinaryIO | IO[bytes], is_packed: bool) -> None:
        self._stream = stream
        packing = zstandard.ZstdCompressor(write_checksum=True)
        self._pack = packing.compress if is_packed else bytes
        self._lines: list[bytes] = []
        self._size_bytes = 0

    def __enter__(self) -> "_Frames":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None:
            self._flush()

    def write(self, line: bytes) -> None:
        self._lines.append(line)
        self._size_bytes += len(line)
        if self._size_bytes >= FRAME_BYTES:
            self._flush()

    def _flush(self) -> None:
        self._stream.write(self._pack(b"".join(self._lines)))
        self._lines, self._size_bytes = [], 0


def _report_secrets(counts: ImportCounts) -> None:
    if counts.secrets:
        number = counts.secrets.total()
        say(f"{number} secrets removed: {_listed(counts.secrets)}", err=True)
    if counts.doubtful:
        where = _listed(counts.doubtful)
        say(f"kept, although they look random and may be secrets: {where}", err=True)
    if counts.hidden_bodies:
        say(
            f"{counts.hidden_bodies} bodies left out, because they may hold secrets; only their"
            " lengths are kept (--keep-bodies keeps them)",
            err=True,
        )


def _listed(places: Counter[str]) -> str:
    """Return the commonest places with their counts; their names come from the recording."""
    named = [f"{visible(place)} {count}" for place, count in places.most_common(MOST_PLACES)]
    more = len(places) - len(named)
    return ", ".join([*named, f"{more} other places"] if more else named)


def _report_losses(counts: ImportCounts) -> None:
    tally = counts.tally
    if tally.lost_ratio > SAID_FIRST_RATIO:
        say(f"WARNING: {tally.loss()}", err=True)
    elif tally.lost:
        say(tally.loss(), err=True)
    if others := tally.other_lines():
        say(others, err=True)
    if counts.left_out:
        reasons = ", ".join(f"{reason} {n}" for reason, n in counts.left_out.most_common())
        entries = counts.left_out.total()
        say(f"{entries} entries never went to a server, left out: {reasons}", err=True)
    if counts.lost_bodies:
        say(
            f"{counts.lost_bodies} bodies are not in the file as they were sent; only their lengths"
            " are kept",
            err=True,
        )
    if not counts.unusable:
        return
    say(f"{counts.unusable} unusable lines, left out:", err=True)
    for line in counts.shown:
        say(f"  {line}", err=True)
    if counts.unusable > len(counts.shown):
        say(f"  and {counts.unusable - len(counts.shown)} more", err=True)

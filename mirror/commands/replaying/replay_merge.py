"""`mirror replay-merge`: adds up the results of all shards to the result of their schedule."""

import sys
from pathlib import Path

import click

from mirror.errors import InputError
from mirror.formats.replay_result import read, to_json
from mirror.formats.terminal import say, say_json
from mirror.formats.whole_files import writing_whole
from mirror.replay.merge import merge
from mirror.replay.text import as_text

EXIT_UNUSABLE = 2
EXIT_INVALID = 3

_FILE = click.Path(path_type=Path)


@click.command("replay-merge")
@click.argument("results", nargs=-1, required=True, metavar="FILE…", type=_FILE)
@click.option(
    "-o",
    "--output",
    type=_FILE,
    metavar="FILE",
    help="Write the JSON to this file, and print the text.",
)
def replay_merge(results: tuple[Path, ...], output: Path | None) -> None:
    """Add up the results of all shards (mirror replay --shard I/N --format json).

    Histograms add up exactly: the percentiles are those of all requests together. The usage of
    sampled processes is kept. Without -o the JSON is printed.

    \b
    Examples:
      mirror replay-merge shard-*.json
      mirror replay-merge shard-*.json -o all.json && estimate table import all.json -o table.yaml

    \b
    Exit codes:
      0  the result is valid
      2  a file cannot be used, is of another schedule, or a shard is missing
      3  the result is invalid, and says why
    """
    try:
        merged = merge([(str(path), read(path)) for path in results])
        if output is None:
            say_json(to_json(merged))
        else:
            _write(output, to_json(merged))
            say(as_text(merged))
    except InputError as error:
        say(error, err=True)
        sys.exit(EXIT_UNUSABLE)
    sys.exit(0 if merged.is_valid else EXIT_INVALID)


def _write(path: Path, text: str) -> None:
    try:
        with writing_whole(path) as file:
            file.write(f"{text}\n".encode())
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error}") from error

"""`mirror export`: writes a capture in the format of another load generator.

This module owns the arguments and the format: vegeta's JSON targets, one a line, as `vegeta attack
-format=json` reads them (its README, "JSON format"). They hold no times: vegeta sends at its own
rate.
"""

import base64
import json
import sys
from contextlib import ExitStack
from pathlib import Path

import click

from mirror.addresses import Url, read_url
from mirror.capture.redaction import Redaction
from mirror.errors import InputError
from mirror.formats.capture.reader import read_records
from mirror.formats.capture.record import Record
from mirror.formats.terminal import say
from mirror.formats.whole_files import writing_whole

EXIT_UNUSABLE = 2


@click.command()
@click.argument("path", metavar="FILE", type=Path)
@click.option(
    "--vegeta",
    "base",
    required=True,
    metavar="URL",
    help="Write targets for vegeta that go to URL.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=Path,
    help="The file to write.  [default: standard output]",
)
@click.option("--salvage", is_flag=True, help="Use what can be read of a damaged capture.")
@click.option("--keep-secrets", is_flag=True, help="Keep credentials, cookies and tokens.")
def export(path: Path, base: str, output: Path | None, salvage: bool, keep_secrets: bool) -> None:
    """Write the requests of a capture as targets for vegeta, in their order and without times.

    The recorded host becomes the header Host. The requests carry no mark, so a sidecar counts them
    as production. Secrets that the capture still holds are removed and counted. The file is its
    owner's alone (0600).

    \b
    Examples:
      mirror export requests.zst --vegeta http://10.0.0.7:30080 -o targets.jsonl
      mirror export capture/ --vegeta http://10.0.0.7:30080 | \\
        vegeta attack -format=json -lazy -rate=500 -duration=60s | vegeta report

    \b
    Exit codes:
      0  written
      2  the capture cannot be read, or the file cannot be written
    """
    try:
        url = read_url(base)
    except ValueError as error:
        raise click.BadParameter(
            f"expected {error}, got {base!r}", param_hint="--vegeta"
        ) from error
    if not url.port:
        raise click.BadParameter("vegeta cannot send to unix sockets", param_hint="--vegeta")

    def lose(loss: str) -> None:
        say(loss, err=True)

    redaction = Redaction(keeps_bodies=True)
    try:
        with ExitStack() as stack:
            stream = sys.stdout.buffer
            if output is not None:
                stream = stack.enter_context(writing_whole(output, is_private=True))
            for record in read_records(path, lose if salvage else None):
                kept = record if keep_secrets else redaction.redacted(record)
                stream.write(vegeta_target(kept, url) + b"\n")
            stream.flush()
    except InputError as error:
        say(error, err=True)
        sys.exit(EXIT_UNUSABLE)
    except BrokenPipeError:  # the reader, such as `head`, has enough
        sys.stderr.close()
    except OSError as error:
        say(f"{output or 'standard output'}: cannot be written: {error.strerror}", err=True)
        sys.exit(EXIT_UNUSABLE)
    if removed := redaction.redactor.redacted:
        say(f"{removed} secrets removed; --keep-secrets keeps them", err=True)


def vegeta_target(record: Record, url: Url) -> bytes:
    """Return a target as one line, without its line break."""
    header: dict[str, list[str]] = {"Host": [record.host]}
    for name, value in record.headers:
        header.setdefault(name, []).append(value)
    target: dict[str, object] = {
        "method": record.method,
        "url": str(url) + ("" if record.target == "*" else record.target),
        "header": header,
    }
    if record.body is not None:
        target["body"] = base64.b64encode(record.body).decode()
    return json.dumps(target).encode()

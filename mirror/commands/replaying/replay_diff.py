"""`mirror replay-diff`: is the second result worse than the first, or is that noise?"""

import sys
from pathlib import Path

import click

from mirror.commands.arguments import Number
from mirror.errors import InputError
from mirror.formats.replay_result import read
from mirror.formats.terminal import say
from mirror.noise import Difference
from mirror.replay.diff import compare

EXIT_WORSE = 1
EXIT_UNUSABLE = 2

_FILE = click.Path(path_type=Path)


@click.command("replay-diff")
@click.argument("before", type=_FILE)
@click.argument("after", type=_FILE)
@click.option(
    "--max-ratio",
    type=Number(min=1),
    default=1.1,
    show_default=True,
    metavar="X",
    help="Accept a latency or error share up to X times that of BEFORE.",
)
def replay_diff(before: Path, after: Path, max_ratio: float) -> None:
    """Compare two results of mirror replay --format json, in total and step by step.

    The interval contains the ratio with 95 % confidence for independent requests. Requests close
    in time are not independent, so measure small differences again.

    \b
    Examples:
      mirror replay-diff before.json after.json
      mirror replay-diff before.json after.json --max-ratio 1.25

    \b
    Exit codes:
      0  nothing is worse by more than --max-ratio beyond noise
      1  something is; the report says what
      2  a file cannot be used, or its result is invalid
    """
    try:
        differences = compare(read(before), read(after))
    except InputError as error:
        say(error, err=True)
        sys.exit(EXIT_UNUSABLE)
    say("  where       what        before     after   ratio  95 % interval")
    for difference in differences:
        say(_row(difference, max_ratio))
    sys.exit(EXIT_WORSE if any(change.is_worse(max_ratio) for change in differences) else 0)


def _row(difference: Difference, max_ratio: float) -> str:
    if difference.is_worse(max_ratio):
        verdict = "WORSE"
    elif not difference.is_beyond_noise:
        verdict = "within noise"
    else:
        verdict = "higher" if difference.ratio > 1 else "lower"
    numbers = (
        f"{difference.before.value:9.4g} {difference.after.value:9.4g} {difference.ratio:7.3f}"
    )
    interval = f"{difference.low:.3f} to {difference.high:.3f}"
    return f"  {difference.where:<11} {difference.name:<7} {numbers}  {interval:<16} {verdict}"

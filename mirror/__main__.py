"""The `mirror` command: argv to the subcommand that does it."""

import click

from mirror import __version__, errors
from mirror.commands.capture import capture
from mirror.commands.check import check
from mirror.commands.demo import demo
from mirror.commands.export import export
from mirror.commands.import_requests import import_requests
from mirror.commands.inspect import inspect
from mirror.commands.replay import replay
from mirror.commands.replay_diff import replay_diff
from mirror.commands.replay_merge import replay_merge
from mirror.commands.series import series
from mirror.commands.serve import serve
from mirror.commands.set_ratio import set_group

_BUILD = "plain Python" if errors.__file__.endswith(".py") else "compiled"
"""Which of the two builds this is (setup.py)."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(f"{__version__} ({_BUILD})", prog_name="mirror")
def main() -> None:
    """Tee production requests to a new cluster, count them, never disturb them."""


main.add_command(demo)
main.add_command(serve)
main.add_command(set_group)
main.add_command(check)
main.add_command(capture)
main.add_command(import_requests)
main.add_command(inspect)
main.add_command(export)
main.add_command(replay)
main.add_command(replay_diff)
main.add_command(replay_merge)
main.add_command(series)

if __name__ == "__main__":
    main()

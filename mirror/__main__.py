"""The `mirror` command: argv to the subcommand that does it.

A subcommand is imported when it is asked for, so that a sidecar that runs for months holds only
what serving needs: with all of them loaded the supervisor takes 6 MiB more.
"""

from importlib import import_module

import click

from mirror import __version__
from mirror.build import BUILD

COMMANDS = {
    "capture": "mirror.commands.capture:capture",
    "check": "mirror.commands.check:check",
    "demo": "mirror.commands.demo:demo",
    "export": "mirror.commands.export:export",
    "import": "mirror.commands.import_requests:import_requests",
    "inspect": "mirror.commands.inspect:inspect",
    "replay": "mirror.commands.replay:replay",
    "replay-diff": "mirror.commands.replay_diff:replay_diff",
    "replay-merge": "mirror.commands.replay_merge:replay_merge",
    "series": "mirror.commands.series:series",
    "serve": "mirror.commands.serve:serve",
    "set": "mirror.commands.set_ratio:set_group",
}
"""By the word on the command line: the module and the name of its command."""


class LazyGroup(click.Group):
    """The group of COMMANDS, each of which is imported when it is first used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(f"{__version__} ({BUILD})", prog_name="mirror")
def main() -> None:
    """Tee production requests to a new cluster, count them, never disturb them."""


if __name__ == "__main__":
    main()

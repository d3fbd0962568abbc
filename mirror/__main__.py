"""The `mirror` command, which runs one of its subcommands.

A subcommand is imported only when it is used, so a sidecar that runs for months loads only what
serving needs. Loading all subcommands would cost the supervisor 6 MiB.
"""

import click

from mirror import __version__
from mirror.build import BUILD
from mirror.formats.terminal import VisibleGroup

COMMANDS = {
    "audit": "mirror.commands.audit:audit",
    "canary": "mirror.commands.canary:canary",
    "capture": "mirror.commands.capture:capture",
    "check": "mirror.commands.check:check",
    "compare": "mirror.commands.compare:compare",
    "demo": "mirror.commands.demo:demo",
    "export": "mirror.commands.export:export",
    "import": "mirror.commands.import_requests:import_requests",
    "inspect": "mirror.commands.inspect:inspect",
    "replay": "mirror.commands.replaying.replay:replay",
    "replay-diff": "mirror.commands.replaying.replay_diff:replay_diff",
    "replay-merge": "mirror.commands.replaying.replay_merge:replay_merge",
    "series": "mirror.commands.series:series",
    "serve": "mirror.commands.serve:serve",
    "set": "mirror.commands.set_ratio:set_group",
    "status": "mirror.commands.status:status",
}
"""Subcommand -> module and name of its click command."""


@click.group(
    cls=VisibleGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(f"{__version__} ({BUILD})", prog_name="mirror")
def main() -> None:
    """Tee production requests to a new cluster, count them, never disturb them."""


if __name__ == "__main__":
    main()

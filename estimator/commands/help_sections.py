"""Help of a command with many options, under headings in the order of a reader's questions."""

from typing import Any

import click

from estimator.commands.exits import end_at_closed_pipe
from mirror.formats.terminal import VisibleGroup

LAST_HEADING = "Other"


class SectionedGroup(VisibleGroup):
    """A group whose help lists options under the headings of `sections`.

    An option without a heading is listed under the last one.
    """

    def __init__(self, *arguments: Any, sections: dict[str, str], **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.sections = sections
        """Heading by click's name of the option, in the order of their appearance."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and end by SIGPIPE where the reader of its output has left."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            end_at_closed_pipe()
        except SystemExit as ending:
            # rich turns a BrokenPipeError into an exit code of its own.
            if isinstance(ending.__context__, BrokenPipeError):
                end_at_closed_pipe()
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by heading, then the commands."""
        _write_options(self, self.sections, ctx, formatter)
        self.format_commands(ctx, formatter)


class SectionedCommand(click.Command):
    """A command whose help lists options likewise."""

    def __init__(self, *arguments: Any, sections: dict[str, str], **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.sections = sections
        """Heading by click's name of the option, in the order of their appearance."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by heading."""
        _write_options(self, self.sections, ctx, formatter)


def _write_options(
    command: click.Command,
    sections: dict[str, str],
    ctx: click.Context,
    formatter: click.HelpFormatter,
) -> None:
    headings: dict[str, list[tuple[str, str]]] = {heading: [] for heading in sections.values()}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        heading = sections.get(parameter.name or "", LAST_HEADING)
        if record is not None:
            headings.setdefault(heading, []).append(record)
    for heading, records in headings.items():
        with formatter.section(heading):
            formatter.write_dl(records)

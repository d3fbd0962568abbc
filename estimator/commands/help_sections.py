"""Help of a command with many options, under headings in the order of a reader's questions."""

from typing import Any, ClassVar

import click

from estimator.commands.exits import end_at_closed_pipe
from mirror.formats.terminal import VisibleGroup


class SectionedGroup(VisibleGroup):
    """A group whose help lists options under the headings of `sections`.

    An option without a heading is listed under the last one.
    """

    last_heading: ClassVar[str] = "Other"

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
        headings: dict[str, list[tuple[str, str]]] = {
            heading: [] for heading in self.sections.values()
        }
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            heading = self.sections.get(parameter.name or "", self.last_heading)
            if record is not None:
                headings.setdefault(heading, []).append(record)
        for heading, records in headings.items():
            with formatter.section(heading):
                formatter.write_dl(records)
        self.format_commands(ctx, formatter)

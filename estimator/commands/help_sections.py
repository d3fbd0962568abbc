"""Help of a command with many options: under headings, in the order of a reader's questions."""

from typing import Any, ClassVar

import click

from estimator.commands.exits import end_at_closed_pipe


class SectionedGroup(click.Group):
    """A group whose options stand under the headings that `sections` gives them.

    An option without one stands under the last heading.
    """

    last_heading: ClassVar[str] = "Other"

    def __init__(self, *arguments: Any, sections: dict[str, str], **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.sections = sections
        """By click's name of the option; the headings appear in the order of this dict."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; where the reader of its output has left, end as other programs do."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            end_at_closed_pipe()
        except SystemExit as ending:
            # rich makes an exit code of its own of it.
            if isinstance(ending.__context__, BrokenPipeError):
                end_at_closed_pipe()
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by heading, then the commands."""
        headings: dict[str, list[tuple[str, str]]] = {one: [] for one in self.sections.values()}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            heading = self.sections.get(parameter.name or "", self.last_heading)
            if record is not None:
                headings.setdefault(heading, []).append(record)
        for heading, records in headings.items():
            with formatter.section(heading):
                formatter.write_dl(records)
        self.format_commands(ctx, formatter)

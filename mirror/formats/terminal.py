"""The exit of both commands to a terminal: whatever they print passes through here.

Text may hold names and messages of others, so what a terminal would obey becomes visible. Printed
JSON stays the same JSON. Tables and colours have an exit of their own (rich_console.py).
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from mirror.formats.completion import offer_files
from mirror.formats.foreign_text import visible, visible_json


def say(text: object, err: bool = False, nl: bool = True) -> None:
    """Print lines on stdout, or on stderr with `err`; a line end follows unless `nl` is false."""
    click.echo("\n".join(map(visible, str(text).split("\n"))), err=err, nl=nl)


def say_json(text: str, nl: bool = True) -> None:
    """Print JSON on stdout."""
    click.echo(visible_json(text), nl=nl)


class VisibleGroup(click.Group):
    """A group of commands whose usage errors are printed as `say` prints.

    The commands of `lazy` are imported when they are first used, so that one command does not load
    what only another one needs. It maps a name to module and name of the click command, such as
    `mirror.commands.serve:serve`.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy or {}

    def main(self, *args: Any, **kwargs: Any) -> Any:
        offer_files()
        return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, _, name = self.lazy[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except click.ClickException as error:
            _show(error)
            raise

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            _show(error)
            raise


def _show(error: click.ClickException) -> None:
    # click declares the message final, although it reads it only when it prints the error.
    vars(error)["message"] = "\n".join(map(visible, error.message.split("\n")))

"""The exit of both commands to a terminal: whatever they print passes through here.

Text may hold names and messages of others, so what a terminal would obey becomes visible. Printed
JSON stays the same JSON. Tables and colours have an exit of their own (rich_console.py).
"""

from typing import Any

import click

from mirror.formats.foreign_text import visible, visible_json


def say(text: object, err: bool = False, nl: bool = True) -> None:
    """Print lines on stdout, or on stderr with `err`; a line end follows unless `nl` is false."""
    click.echo("\n".join(map(visible, str(text).split("\n"))), err=err, nl=nl)


def say_json(text: str, nl: bool = True) -> None:
    """Print JSON on stdout."""
    click.echo(visible_json(text), nl=nl)


class VisibleGroup(click.Group):
    """A group of commands whose usage errors are printed as `say` prints."""

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

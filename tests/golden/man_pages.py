"""Writes a man page for each command, from the help that the command prints itself.

    .venv/bin/python -m tests.golden.man_pages build/man

The pages use the macros of groff_man(7): `man -l build/man/man1/mirror-serve.1` shows one.
"""

import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click

from mirror import __version__
from tests.golden.reference import commands

SECTIONS = {"Exit codes": "EXIT STATUS", "Examples": "EXAMPLES"}
"""Heading of a block of the help, and that of man-pages(7)."""


def pages() -> Iterator[tuple[str, str]]:
    """Yield the file name and the text of each page."""
    for words, command in commands():
        yield f"{words.replace(' ', '-')}.1", page(words, command)


def page(words: str, command: click.Command) -> str:
    """Return the page of a command; `words` is how a user calls it, such as `mirror set ratio`."""
    name = words.replace(" ", "-")
    context = click.Context(command, info_name=words)
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [
        f'.TH "{_text(name.upper())}" "1" "" "kagami {__version__}" "User Commands"',
        ".SH NAME",
        f"{_text(name)} \\- {_text(command.get_short_help_str(200).rstrip('.'))}",
        ".SH SYNOPSIS",
        f".B {_text(words)}",
        *_filled(usage),
        ".SH DESCRIPTION",
        *_prose(command.help or ""),
        *_options(command, context),
        *_subcommands(words, command, context),
        *_prose(command.epilog or ""),
        ".SH SEE ALSO",
        *_related(words, command, context),
    ]
    return "\n".join(lines) + "\n"


def _prose(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help text; one after `\\b` keeps its lines."""
    for paragraph in cleandoc(text).split("\n\n"):
        lines = paragraph.strip("\n").split("\n")
        if keeps_lines := lines[0] == "\b":
            del lines[0]
        heading = SECTIONS.get(lines[0].partition(",")[0].rstrip(":")) if keeps_lines else None
        if heading is None:
            yield ".PP"
        else:
            yield f'.SH "{heading}"'
            del lines[0]
        if keeps_lines:
            yield from (".nf", *map(_line, lines), ".fi")
        else:
            yield from map(_line, lines)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    headings: dict[str, str] = getattr(command, "sections", {})
    by_heading: dict[str, list[tuple[str, str]]] = {name: [] for name in headings.values()}
    for parameter in command.get_params(context):
        if (record := parameter.get_help_record(context)) is not None:
            by_heading.setdefault(headings.get(parameter.name or "", ""), []).append(record)
    yield ".SH OPTIONS"
    for heading, records in by_heading.items():
        if heading:
            yield f'.SS "{_text(heading)}"'
        for option, meaning in records:
            yield from (".TP", f".B {_text(option)}", *_filled(meaning))


def _subcommands(words: str, command: click.Command, context: click.Context) -> Iterator[str]:
    if isinstance(command, click.Group):
        yield ".SH COMMANDS"
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from (".TP", f".B {_text(f'{words} {name}')}")
            yield from _filled(inner.get_short_help_str(200))


def _related(words: str, command: click.Command, context: click.Context) -> Iterator[str]:
    names = [words.rpartition(" ")[0]] if " " in words else []
    if isinstance(command, click.Group):
        names += [f"{words} {name}" for name in command.list_commands(context)]
    for name in names:
        comma = "," if name != names[-1] else ""
        yield f".BR {_text(name.replace(' ', '-'))} (1){comma}"


def _filled(text: str) -> list[str]:
    return [_line(line) for line in text.split("\n") if line.strip()]


def _line(line: str) -> str:
    # A line that begins with one of these would be a request to roff.
    return f"\\&{_text(line)}" if line.startswith((".", "'")) else _text(line)


def _text(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")


def write(folder: Path) -> None:
    """Write all pages to man1 in `folder`."""
    section = folder / "man1"
    section.mkdir(parents=True, exist_ok=True)
    for name, text in pages():
        (section / name).write_text(text)


if __name__ == "__main__":
    write(Path(sys.argv[1]))

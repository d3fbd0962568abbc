"""Makes the tables of docs/configuration.md and docs/exit-codes.md from the program.

    .venv/bin/python -m tests.golden.reference

A table stands between `<!-- NAME -->` and `<!-- end -->`. The keys come from the sections of the
configuration, whose docstrings are their meanings; the exit codes come from the help texts.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from inspect import cleandoc
from pathlib import Path
from typing import Any

import click

from estimator.commands.estimate import main as estimate
from mirror import config_sections as sections
from mirror.__main__ import main as mirror
from mirror.config import Config

ROOT = Path(__file__).parents[2]
SECTIONS = {
    "shadow": sections.ShadowSection,
    "shadow.tls": sections.TlsSection,
    "shadow.breaker": sections.BreakerSection,
    "shadow.ramp": sections.RampSection,
    "primary_tls": sections.TlsSection,
    "timeouts": sections.TimeoutsSection,
    "datadog": sections.DatadogSection,
    "series": sections.SeriesSection,
    "capture": sections.CaptureSection,
    "uris": sections.UrisSection,
    "comparison": sections.ComparisonSection,
}


def meanings() -> dict[tuple[str, str], str]:
    """Return the docstring below each field of each section and of Config."""
    found = {}
    sources = ("mirror/config_sections.py", "mirror/config.py")
    for section in (
        node for source in sources for node in ast.parse((ROOT / source).read_text()).body
    ):
        if isinstance(section, ast.ClassDef):
            for field, doc in zip(section.body, section.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(doc, ast.Expr):
                    assert isinstance(field.target, ast.Name) and isinstance(
                        doc.value, ast.Constant
                    )
                    text = " ".join(str(doc.value.value).split())
                    found[section.name, field.target.id] = text
    return found


def shown(default: Any) -> str:
    if default is None:
        return ""
    if isinstance(default, tuple):
        return f"`[{', '.join(default)}]`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`"


def key_tables(
    section: type[Any] = Config, name: str = "", text: str = ""
) -> Iterator[tuple[str, str, list[str]]]:
    """Yield name, text and rows of each section, the keys outside any section first."""
    docs = meanings()
    rows, inner = [], []
    for key in fields(section):
        path = f"{name}.{key.name}".lstrip(".")
        meaning = docs.get((section.__name__, key.name), "")
        if path in SECTIONS:
            inner.append((SECTIONS[path], path, meaning))
        else:
            default = "required" if key.default is MISSING else shown(key.default)
            assert meaning, path
            rows.append(f"| `{path}` | {default} | {meaning} |")
    yield name, text, rows
    for each in inner:
        yield from key_tables(*each)


def keys() -> str:
    """Return a table of the keys of each section."""
    parts = []
    for name, text, rows in key_tables():
        parts += [f"### `{name}`" if name else "### The sidecar", text]
        parts.append("\n".join(["| key | default | meaning |", "|---|---|---|", *rows]))
    return "\n\n".join(part for part in parts if part)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command of both programs with its words, such as `mirror set ratio`."""

    def walk(command: click.Command, words: str) -> Iterator[tuple[str, click.Command]]:
        yield words, command
        if isinstance(command, click.Group):
            context = click.Context(command, info_name=words)
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                yield from walk(inner, f"{words} {name}")

    yield from walk(mirror, "mirror")
    yield from walk(estimate, "estimate")


def exit_codes_of(command: click.Command) -> dict[int, str]:
    """Return the meaning of each exit code that the help of a command names; empty without any."""
    text = f"{cleandoc(command.help or '')}\n{command.epilog or ''}"
    _, found, after = text.partition("Exit codes")
    if not found:
        return {}
    codes: dict[int, str] = {}
    code = -1
    for line in after.split("\n")[1:]:
        if row := re.match(r"  (\d+)  +(.*)", line):
            code = int(row[1])
            codes[code] = row[2].strip()
        elif line.startswith("    "):
            codes[code] += f" {line.strip()}"
        else:
            break
    return codes


def exit_codes() -> str:
    """Return a table with a row for each command and code."""
    rows = ["| command | code | meaning |", "|---|---|---|"]
    for words, command in commands():
        codes = exit_codes_of(command)
        for code, meaning in codes.items():
            name = f"`{words}`" if code == min(codes) else ""
            rows.append(f"| {name} | {code} | {meaning} |")
    return "\n".join(rows)


def with_tables(text: str) -> str:
    """Return a page with its tables brought up to date."""
    for name, make in {"keys": keys, "exit codes": exit_codes}.items():
        head, found, rest = text.partition(f"<!-- {name} -->\n")
        if found:
            tail = rest.partition("<!-- end -->")[2]
            text = f"{head}{found}\n{make()}\n\n<!-- end -->{tail}"
    return text


PAGES = [ROOT / "docs" / name for name in ("configuration.md", "exit-codes.md")]


def write() -> None:
    """Replace the tables."""
    for page in PAGES:
        page.write_text(with_tables(page.read_text()))


if __name__ == "__main__":
    write()

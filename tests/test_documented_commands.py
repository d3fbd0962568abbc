"""Checks every command line of `mirror` and `estimate` in the documents against the commands.

Each line is parsed by click as the command itself would parse it, except that no file has to exist:
an option that does not exist, a value that its type refuses, an argument too many or too few fail.
Commands that run elsewhere, such as behind `docker exec` or `kubectl exec`, are parsed as well.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from estimator.commands.estimate import main as estimate
from estimator.commands.policy_options import SECTIONS, read_policy
from estimator.errors import InputError
from mirror.__main__ import main as mirror
from mirror.commands.admin_client import TokenFile

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")],
)
PROGRAMS: dict[str, click.Command] = {"mirror": mirror, "estimate": estimate}
ENDS = {"|", "||", "&&", "&", ";", ">", ">>", "2>", "<", ")"}


def lines(text: str) -> Iterator[str]:
    """Yield the lines of the shell in a page: of its fenced blocks, with continuations joined."""
    for language, block in re.findall(
        r"(?ms)^ *```(sh|bash|console|shell|text)\n(.*?)^ *```", text
    ):
        for line in block.replace("\\\n", " ").splitlines():
            if language == "console":
                if not line.startswith("$ "):
                    continue
                line = line[2:]
            # estimate.md quotes as text what needs a server to run; the rest of `text` is output.
            if language == "text" and not re.match(r"(mirror|estimate) [^:]*--", line):
                continue
            # A line that is wrong on purpose says so; tests/golden runs it.
            if not line.endswith("# exit code 2"):
                yield line.strip()


def commands(line: str) -> Iterator[list[str]]:
    """Yield the words of each command of ours in a line of the shell, from its name on."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    words = list(lexer)
    while words:
        here = next((n for n, word in enumerate(words) if set(word) <= set("();<>|&")), len(words))
        part, words = words[:here], words[here + 1 :]
        for n, word in enumerate(part):
            if Path(word).name in PROGRAMS and is_a_command(part[:n], word):
                yield [Path(word).name, *part[n + 1 :]]
                break


def is_a_command(before: list[str], word: str) -> bool:
    """Tell a command from a word that only has its name, such as the user of `sudo -u mirror`."""
    if word.startswith("/") and not word.startswith("/opt/kagami/bin/"):
        return False
    if not before or before[-1] == "--" or re.fullmatch(r"[A-Z_]+=.*", before[-1]):
        return True
    if before[0] == "sudo":
        return before[-1] != "-u"
    return before[0] in ("time", "watch") or before[:2] in (["docker", "exec"], ["docker", "run"])


def parse(words: list[str]) -> None:
    """Parse a command line.

    Raises click.UsageError where click would refuse it, and InputError for a value of the policy.
    """
    command, args, parent = PROGRAMS[words[0]], words[1:], None
    while True:
        context = click.Context(command, info_name=words[0], parent=parent)
        for name, value in command.context_settings.items():
            setattr(context, name, value)
        if isinstance(command, click.Group):
            context.allow_interspersed_args = command.allow_interspersed_args
        values, rest, _ = command.make_parser(context).parse_args(list(args))
        asks_help = values.get("help") or values.get("version")
        for param in command.get_params(context):
            value = values.get(param.name or "")
            is_missing = value is None or value == () or value == []
            if asks_help or is_missing or "UNSET" in repr(value):
                is_left_out = asks_help or not param.required
                if not is_left_out:
                    raise click.MissingParameter(ctx=context, param=param)
            elif not isinstance(param.type, click.Path | click.File | TokenFile):
                param.type_cast_value(context, value)
        if words[0] == "estimate":
            read_policy({name: values.get(name) for name in SECTIONS if name in values})
        if not isinstance(command, click.Group) or not rest:
            if rest:
                raise click.UsageError(f"one argument too many: {rest[0]}", context)
            return
        _, inner, args = command.resolve_command(context, rest)
        assert inner is not None
        command, parent = inner, context


def documented() -> list[tuple[str, str]]:
    return [
        (str(page.relative_to(ROOT)), shlex.join(words))
        for page in PAGES
        for line in lines(page.read_text())
        for words in commands(line)
    ]


def test_commands_are_found() -> None:
    text = (
        "```sh\nA=b mirror check -c x.yaml && mirror \\\n  serve -c x.yaml &   # mirror none\n```\n"
    )
    text += (
        "```console\n$ sudo -u mirror /opt/kagami/bin/mirror status\nmirror says\n```\nmirror no"
    )
    text += "\n```sh\nkubectl exec mirror-0 -- mirror status | estimate table check t > f\n```"
    assert [shlex.join(words) for line in lines(text) for words in commands(line)] == [
        "mirror check -c x.yaml",
        "mirror serve -c x.yaml",
        "mirror status",
        "mirror status",
        "estimate table check t",
    ]
    assert len(documented()) > 30


@pytest.mark.parametrize(
    "line",
    [
        "mirror check -c x --no-such-option",
        "mirror check",
        "mirror check -c",
        "mirror check -c x y",
        "mirror no-such-command",
        "mirror compare --max-slower none",
        "estimate table no-such-command",
        "estimate order --no-such-option",
        "estimate switch-plan --phase 9",
    ],
)
def test_a_wrong_line_is_refused(line: str) -> None:
    with pytest.raises((click.UsageError, InputError)):
        parse(shlex.split(line))


@pytest.mark.parametrize(("page", "line"), documented())
def test_line_can_be_parsed(page: str, line: str) -> None:
    parse(shlex.split(line))


def named_inline() -> list[tuple[str, str, str]]:
    """Return page, command and option of the commands in prose, without a changelog's old ones."""
    return sorted(
        {
            (str(page.relative_to(ROOT)), found[1], option)
            for page in PAGES
            if page.name != "CHANGELOG.md"
            for found in re.finditer(
                r"`((?:mirror|estimate)(?: [a-z][a-z-]*)*)((?: [^`]*)?)`",
                re.sub(r"(?ms)^ *```.*?^ *```", "", page.read_text()),
            )
            for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", found[2])
        }
    )


@pytest.mark.parametrize(("page", "line", "option"), named_inline())
def test_option_named_in_prose_exists(page: str, line: str, option: str) -> None:
    name, *words = line.split()
    command = PROGRAMS[name]
    while words and isinstance(command, click.Group):
        inner = command.get_command(click.Context(command), words.pop(0))
        if inner is None:
            break
        command = inner
    assert option in {"--help"}.union(*(param.opts for param in command.params))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_targets_of_commands_exist(page: Path) -> None:
    """Checks what a line names of this repository: files below deploy and docs, targets of make."""
    missing = []
    targets = re.findall(r"(?m)^([\w-]+):", (ROOT / "Makefile").read_text())
    for line in lines(page.read_text()):
        paths = r"(?<![\w/.-])(?:deploy|docs|tests|benchmarks)/[\w./-]+"
        # `deploy/NAME` of kubectl and istioctl is a Deployment.
        is_resource = re.search(r"\b(kubectl|istioctl)\b.* deploy/[\w-]+( |$)", line)
        for word in [] if is_resource else re.findall(paths, line):
            missing += [word] if not (ROOT / word).exists() else []
        missing += [
            name for name in re.findall(r"\bmake ([a-z][\w-]*)", line) if name not in targets
        ]
    assert missing == []

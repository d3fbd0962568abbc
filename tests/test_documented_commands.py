"""Checks every command line in the documents: it is run, or named here as one that cannot be.

tests/topology/test_documented_commands.py runs them, unless another test of the page does. NOT_RUN
is the closed list of what needs a cluster, a Docker daemon, or a host that may be changed. A line
with any other program is in neither, and fails here until it is run.

Each line of `mirror` and `estimate` is also parsed by click as the command itself would parse it,
except that no file has to exist: an option that does not exist, a value that its type refuses, an
argument too many or too few fail. That holds behind `docker exec` and `kubectl exec` as well.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from estimator.commands.estimate import main as estimate
from estimator.commands.policy_options import SECTIONS, read_policy
from estimator.errors import InputError
from mirror.__main__ import main as mirror
from mirror.commands.admin_client import TokenFile
from tests.golden import make, switch_plan
from tests.golden.guides import GUIDES
from tests.topology import test_getting_started

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/**/*.md", "tests/**/*.md")
    for path in ROOT.glob(pattern)
)
HEADS = sorted(
    path
    for path in [*ROOT.glob("deploy/**/*"), ROOT / "docker-compose.yml", ROOT / "Dockerfile"]
    if path.is_file() and path.suffix != ".json"
)
"""Files whose comments show commands, indented by three spaces."""
PROGRAMS: dict[str, click.Command] = {"mirror": mirror, "estimate": estimate}
KEYWORDS = {"{", "}", "while", "do", "done", "sudo", "-u", "!"}

RUN = {
    *("mirror", "estimate", "curl", "jq"),
    *(
        "break",
        "cp",
        "cat",
        "cut",
        "echo",
        "export",
        "for",
        "grep",
        "mkdir",
        "printf",
        "python3",
        "read",
        "return",
        "sed",
        "sha256sum",
        "sort",
        "uniq",
    ),
}
"""Programs that tests/topology/test_documented_commands.py runs, unless they only read what one of
NOT_RUN would print."""
NOT_RUN = {
    # A cluster, and the tools of its administrator. tests/test_deploy_kubernetes.py builds every
    # kustomization.
    "kubectl": {
        *(
            "annotate",
            "apply",
            "cp",
            "create",
            "delete",
            "diff",
            "exec",
            "get",
            "kustomize",
            "label",
            "logs",
        ),
        *("patch", "port-forward", "rollout", "scale", "wait"),
    },
    # test_deploy_sidecar.py runs this function of docs/deploying.md, for kubectl.
    "each_sidecar": set(),
    "openssl": {"rand"},
    "istioctl": {"proxy-config"},
    "helm": {"upgrade"},
    # A Docker daemon. tests/packaging builds the images, tests/test_deploy*.py read the files.
    "docker": {"build", "compose", "exec", "node", "ps", "push", "service", "stack", "volume"},
    # The nodes of a swarm. tests/test_deploy_swarm.py runs these lines with stand-ins.
    "ssh": set(),
    # A host that is changed. tests/packaging installs with pip; tests/test_deploy.py and
    # tests/topology run nginx, Apache and the unit with the files of this repository.
    "apt-get": {"install"},
    "apachectl": {"configtest", "graceful"},
    "install": set(),
    "nginx": {"-t"},
    "pip": {"install"},
    "python3": {"-m"},
    "runuser": {"-u"},
    "systemctl": set(),
    "useradd": set(),
    "usermod": set(),
    # What a developer runs here: the tests themselves, and what they compare with.
    "git": {"diff"},
    "make": set(),
    "man": {"-l"},
    "python": {"-m"},
    # tests/test_deploy_audit.py runs it with a kubectl of its own.
    "sh": {"deploy/kubernetes/audit.sh"},
    # A cluster of Dask, and files in S3: the extra `dask` is no part of the tests here.
    "estimate": {"--dask"},
    # A pause.
    "sleep": set(),
}
"""Programs with the verbs or options that cannot be run in a test; an empty set means all."""


class Statement(NamedTuple):
    """A line of the shell in a document; several where the shell needs them as one."""

    page: str
    section: str
    text: str


def blocks(text: str) -> Iterator[tuple[str, str, str, bool]]:
    """Yield language, section and text of each fenced block, and whether it quotes an output."""
    for section in re.split(r"(?m)^(?=## )", text):
        for comment, language, block in re.findall(
            r"(?ms)(-->\n)?^ *```(\w*)\n(.*?)^ *```", section
        ):
            yield language, section.partition("\n")[0], block, bool(comment)


def lines(language: str, block: str) -> Iterator[str]:
    """Yield the lines of the shell in a fenced block, with continuations joined."""
    if language == "yaml":  # the steps of a pipeline
        yield from re.findall(r"(?m)^- run: (.*)", block)
    if language not in ("sh", "bash", "console", "shell", "text"):
        return
    whole = ""
    for line in block.replace("\\\n", " ").splitlines():
        if language == "console":
            if not line.startswith("$ "):
                continue
            line = line[2:]
        # estimate.md quotes as text what needs a server to run; the rest of `text` is output.
        if language == "text" and not re.match(r"(mirror|estimate) [^:]*--", line):
            continue
        whole += line.strip()
        words = whole.split()
        is_open = any(
            words.count(a) > words.count(b) for a, b in (("{", "}"), ("do", "done"))
        ) or whole.endswith("|")
        if is_open:
            whole += "\n"
        else:
            yield whole
            whole = ""
    assert not whole, f"an open line: {whole}"


def head_lines(text: str) -> Iterator[str]:
    """Yield the commands in the comments of a file; what follows three spaces explains them."""
    comments = "".join(f"{line}\n" for line in re.findall(r"(?m)^#   (.*)", text))
    for line in re.sub(r"\\\n +", "", comments).splitlines():
        line = re.sub(r"(?<=\S) {3,}.*", "", line)
        program, *rest = line.split(" ")
        if program in RUN | NOT_RUN.keys() and rest and "->" not in rest:
            yield line


def statements() -> list[Statement]:
    """Return every line of the shell that a document shows to be run."""
    found = [
        Statement(str(page.relative_to(ROOT)), section, line)
        for page in PAGES
        for language, section, block, is_output in blocks(page.read_text())
        if not is_output
        for line in lines(language, block)
    ]
    found += [
        Statement(str(path.relative_to(ROOT)), "", line)
        for path in HEADS
        for line in head_lines(path.read_text())
    ]
    return [each for each in found if each.text and not each.text.startswith("#")]


def is_run_elsewhere(statement: Statement) -> bool:
    """Tell whether tests/golden, or another test of a page, runs a line of this page."""
    page, section, text = statement
    words = shlex.split(text, comments=True)
    if page == "docs/getting-started.md":
        return section.removeprefix("## ").startswith(test_getting_started.STEPS)
    if page == "docs/commands.md":
        return section == "## Shell completion"  # tests/test_completion_doc.py
    of_golden = [each for each, _ in make.commands()] if page == "docs/estimate.md" else []
    if page == "docs/switching.md":
        of_golden = switch_plan.commands()
    return words[1:] in of_golden or any(
        page == f"docs/{guide.path.name}"
        and section in guide.sections()
        and words[0] == guide.program
        for guide in GUIDES
    )


def simple_commands(line: str) -> Iterator[list[str]]:
    """Yield the words of each simple command in a line, without redirections."""
    lexer = shlex.shlex(line.replace("\n", " ; "), posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    part: list[str] = []
    is_file = False
    for word in [*lexer, ";"]:
        if set(word) <= set("();<>|&"):
            is_file = bool(set(word) & set("<>"))
            if is_file and part and part[-1].isdigit():
                part.pop()  # the number of the file, as in `2> errors`
            if not is_file and part:
                yield part
                part = []
        elif is_file:
            is_file = False
        else:
            part.append(word)


def program_of(words: list[str]) -> list[str]:
    """Return a simple command from its program on; `sudo` and what is set for it are left out."""
    while words and (words[0] in KEYWORDS or re.fullmatch(r"\w+=.*", words[0])):
        words = words[2:] if words[0] == "-u" else words[1:]
    return [Path(words[0]).name, *words[1:]] if words else []


def commands(line: str) -> Iterator[list[str]]:
    """Yield the words of each command of ours in a line of the shell, from its name on."""
    for part in simple_commands(line):
        if part[-3:-1] == ["sh", "-c"]:
            yield from commands(part[-1])
        for n, word in enumerate(part):
            if Path(word).name in PROGRAMS and is_a_command(part[:n], word):
                yield [Path(word).name, *part[n + 1 :]]
                break


def is_not_run(words: list[str]) -> bool:
    """Tell whether a simple command is in the closed list of those that cannot be run."""
    program, *rest = program_of(words) or ["sudo"]
    verbs = NOT_RUN.get(program, {""})
    if program in PROGRAMS:
        return bool(verbs & set(rest))
    while rest and rest[0] == "-n":
        rest = rest[2:]
    return not verbs or bool(rest and rest[0] in verbs)


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
        # `--workers` of `table import` is no part of the policy.
        if words[0] == "estimate" and "table" not in words[1:2]:
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
        (page, shlex.join(words))
        for page, _, line in statements()
        # A line that is wrong on purpose says so; tests/golden runs it.
        if not line.endswith("# exit code 2")
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
    found = [line for language, _, block, _ in blocks(text) for line in lines(language, block)]
    assert [shlex.join(words) for line in found for words in commands(line)] == [
        "mirror check -c x.yaml",
        "mirror serve -c x.yaml",
        "mirror status",
        "mirror status",
        "estimate table check t",
    ]
    assert list(head_lines("#   kubectl apply -k a    b\n#   kubectl -> app\n#   a: b\n")) == [
        "kubectl apply -k a"
    ]
    assert len(documented()) > 30


def unknown(line: str) -> list[str]:
    """Return the programs in a line that are neither run nor in the closed list."""
    return [
        shlex.join(words)
        for words in simple_commands(line)
        if (program_of(words) or ["read"])[0] not in RUN and not is_not_run(words)
    ]


@pytest.mark.parametrize(
    "line",
    ["true && helm install x", "kubectl -n a edit b | jq .", "x=1 sudo -u mirror dig a", "a\nb"],
)
def test_a_line_that_nothing_runs_is_found(line: str) -> None:
    assert unknown(line)


@pytest.mark.parametrize("page", sorted({page for page, _, _ in statements()}))
def test_every_line_is_run_or_cannot_be(page: str) -> None:
    found = [each.text for each in statements() if each.page == page and not is_run_elsewhere(each)]
    assert [each for line in found for each in unknown(line)] == []


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


@pytest.mark.parametrize("page", PAGES + HEADS, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_targets_of_commands_exist(page: Path) -> None:
    """Checks what a line names of this repository: files below deploy and docs, targets of make."""
    missing = []
    targets = re.findall(r"(?m)^([\w-]+):", (ROOT / "Makefile").read_text())
    for line in (line for name, _, line in statements() if name == str(page.relative_to(ROOT))):
        paths = r"(?<![\w/.-])(?:deploy|docs|tests|benchmarks)/[\w./-]+"
        # `deploy/NAME` of kubectl and istioctl is a Deployment.
        is_resource = re.search(r"\b(kubectl|istioctl)\b.* deploy/[\w-]+( |$)", line)
        for word in [] if is_resource else re.findall(paths, line):
            missing += [word] if not (ROOT / word).exists() else []
        missing += [
            name
            for name in re.findall(r"(?<![\w.])make ([a-z][\w-]*)", line)
            if name not in targets
        ]
    assert missing == []


def test_kustomizations_of_commands_can_be_built_alone() -> None:
    """What `estimate --manifests` writes cannot: it is a Component of somebody's kustomization."""
    found = [
        words[words.index("-k") + 1]
        for _, _, line in statements()
        for words in simple_commands(line)
        if words[0] == "kubectl" and "-k" in words
    ]
    assert len(found) > 5
    # A reader's copy of the example, and folders of the reader's own.
    folders = {
        ROOT / each.replace("my-site", "deploy/kubernetes/example")
        for each in found
        if each not in ("my-site/shop", "my-site/replay", "my-site/replay-job")
    }
    assert [each for each in folders if not (each / "kustomization.yaml").exists()] == []

"""Runs the lines of docs/commands.md that install shell completion, and completes with them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[1] / "docs" / "commands.md").read_text()
BIN = Path(sys.executable).parent
pytestmark = [
    pytest.mark.one_python,
    pytest.mark.skipif(
        not (BIN / "mirror").exists(), reason="the commands are not installed beside this Python"
    ),
]
# What a shell does at the key Tab, from bash's own variables.
COMPLETE = """
source "$1"; COMP_WORDS=($2); COMP_CWORD=1
"_${2%% *}_completion" "${2%% *}" "${2##* }"
printf '%s\\n' "${COMPREPLY[@]}"
"""


# What a person does at a terminal of zsh: type, press Tab, see the rest, and take the line back.
TYPE = """
zmodload zsh/zpty
zpty z zsh -i
zpty -r -m z out '*ready> *' || exit 1
while (( $# )); do
    zpty -w -n z "$1"$'\t'
    zpty -r -m z out "*$2*" || exit 1
    zpty -w -n z $'\x15'
    shift 2
done
"""


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a shell that has nothing but a home of its own."""
    paths = {"HOME": str(home), "PATH": f"{BIN}:{os.environ['PATH']}"}
    return {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ} | paths


def installed(shell: str, home: Path) -> list[Path]:
    """Run the lines for a shell, with bash where it is missing, and return the files they wrote."""
    (lines,) = re.findall(rf"```{shell}\n(.*?)```", TEXT, re.S)
    program = shutil.which(shell) or "bash"
    subprocess.run([program, "-c", lines], env=environment(home), check=True)
    # fish also keeps files of its own there.
    written = (path for path in home.rglob("*") if path.is_file())
    return sorted(path for path in written if path.stem in ("estimate", "mirror"))


def program(shell: str) -> str:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed; on Debian: apt-get install {shell}")
    return found


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the scripts of bash by program."""
    return {path.name: path for path in installed("bash", tmp_path_factory.mktemp("home"))}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_lines_install_a_script_for_both_programs(shell: str, tmp_path: Path) -> None:
    estimate, mirror = installed(shell, tmp_path)
    for path, name in ((estimate, "estimate"), (mirror, "mirror")):
        assert f"_{name.upper()}_COMPLETE={shell}_complete" in path.read_text()
        if shutil.which(shell):
            subprocess.run([shell, "-n", path], check=True)


def test_zsh_completes_one_line_after_the_other(tmp_path: Path) -> None:
    zsh = program("zsh")
    installed("zsh", tmp_path)
    (sources,) = re.findall(r"`(source [^`]+)` after `compinit`", TEXT)
    start = f"PS1='ready> '; autoload -Uz compinit; compinit -u; {sources}\n"
    (tmp_path / ".zshrc").write_text(start)
    (tmp_path / "sidecar.yaml").touch()
    typed = ["mirror st", "atus", "mirror serve -c sid", "ecar.yaml"]
    subprocess.run(
        [zsh, "-f", "-c", TYPE, "zsh", *typed],
        env=environment(tmp_path) | {"TERM": "dumb"},
        cwd=tmp_path,
        check=True,
    )


def test_fish_completes_commands_values_and_files(tmp_path: Path) -> None:
    fish = program("fish")
    installed("fish", tmp_path)
    (tmp_path / "sidecar.yaml").touch()
    for words, expected in (
        ("mirror st", ["status"]),
        ("mirror check --format ", ["json", "text"]),
        ("mirror serve -c sid", ["sidecar.yaml"]),
    ):
        done = subprocess.run(
            [fish, "-c", f"complete -C '{words}'"],
            env=environment(tmp_path),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        # A description may follow.
        assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("mirror st", ["status"]),
        ("mirror re", ["replay", "replay-diff", "replay-merge"]),
        ("estimate sw", ["switch-plan"]),
    ],
)
def test_bash_completes_a_command(
    words: str, expected: list[str], scripts: dict[str, Path]
) -> None:
    script = scripts[words.partition(" ")[0]]
    done = subprocess.run(
        ["bash", "-c", COMPLETE, "bash", script, words],
        env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == expected

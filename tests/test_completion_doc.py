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


def installed(shell: str, home: Path) -> list[Path]:
    """Run the lines for a shell, with bash where it is missing, and return the files they wrote."""
    (lines,) = re.findall(rf"```{shell}\n(.*?)```", TEXT, re.S)
    program = shutil.which(shell) or "bash"
    environment = os.environ | {"HOME": str(home), "PATH": f"{BIN}:{os.environ['PATH']}"}
    subprocess.run([program, "-e", "-c", lines], env=environment, check=True)
    return sorted(path for path in home.rglob("*") if path.is_file())


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

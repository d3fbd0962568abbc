"""Checks `make test-pythons`: which Pythons .ci/pythons finds, and what it reports for each.

Shell scripts with the expected answers stand in for the Pythons.
"""

import shutil
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / ".ci" / "pythons"
TOOLS = ("cat", "chmod", "dirname", "grep", "ls", "mkdir", "sed", "sh", "sort", "tail", "tee", "tr")
PYTHON = """#!/bin/sh
case "$*" in
-c*) echo "{version} $0" ;;
"-m venv"*)
    mkdir -p "$4/bin"
    echo '{pip}' >"$4/bin/pip"
    echo 'echo "$@"; {pytest}' >"$4/bin/python"
    chmod +x "$4/bin/pip" "$4/bin/python" ;;
esac
"""
PASSED = 'echo "== 8 passed, 1 skipped in 0.10s =="'
FAILED = 'echo "== 2 failed, 6 passed in 0.10s =="; exit 1'


def add_python(folder: Path, version: str, pytest: str = PASSED, pip: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = f"python{version.rpartition('.')[0]}"
    (folder / name).write_text(PYTHON.format(version=version, pytest=pytest, pip=pip))
    (folder / name).chmod(0o755)


def pyenv(home: Path, version: str) -> Path:
    return home / ".pyenv" / "versions" / version / "bin"


def run_in(home: Path, *arguments: str) -> tuple[int, list[str]]:
    """Run the script in a checkout in `home` with only those Pythons.

    Return its exit code and its lines of output.
    """
    path = home / "path"
    path.mkdir(exist_ok=True)
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (path / tool).symlink_to(found)
    script = home / "checkout" / ".ci" / "pythons"
    script.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(SCRIPT, script)
    environment = {"PATH": str(path), "HOME": str(home)}
    ended = subprocess.run(
        [path / "sh", script, *arguments], env=environment, capture_output=True, text=True
    )
    assert ended.stderr == ""
    return ended.returncode, ended.stdout.splitlines()


def test_no_python_is_no_failure(tmp_path: Path) -> None:
    code, lines = run_in(tmp_path)
    assert code == 0
    assert lines == [f"test-pythons: 3.{minor} not found" for minor in (11, 12, 13, 14)]


def test_newest_patch_level_of_each_is_tested(tmp_path: Path) -> None:
    add_python(tmp_path / "path", "3.12.2")
    for version in ("3.12.9", "3.12.10", "3.14.0"):
        add_python(pyenv(tmp_path, version), version)
    code, lines = run_in(tmp_path, "-n", "2")
    assert code == 0
    assert lines.count("-m pytest -n 2") == 2
    assert lines[-4:] == [
        "test-pythons: 3.11 not found",
        "test-pythons: 3.12.10 passed: 8 passed, 1 skipped in 0.10s",
        "test-pythons: 3.13 not found",
        "test-pythons: 3.14.0 passed: 8 passed, 1 skipped in 0.10s",
    ]


def test_python_of_the_checkout_is_left_to_make_test(tmp_path: Path) -> None:
    own = tmp_path / "checkout" / ".venv" / "bin" / "python"
    own.parent.mkdir(parents=True)
    own.write_text("#!/bin/sh\necho 3.13\n")
    own.chmod(0o755)
    add_python(tmp_path / "path", "3.13.1", FAILED)
    code, lines = run_in(tmp_path)
    assert code == 0
    assert lines[-2] == "test-pythons: 3.13 is the Python of .venv, which make test runs"


def test_one_that_fails_is_named_and_the_others_still_run(tmp_path: Path) -> None:
    add_python(tmp_path / "path", "3.12.2", FAILED)
    add_python(tmp_path / "path", "3.13.1")
    code, lines = run_in(tmp_path)
    assert code == 1
    assert lines[-3:-1] == [
        "test-pythons: 3.12.2 FAILED: 2 failed, 6 passed in 0.10s",
        "test-pythons: 3.13.1 passed: 8 passed, 1 skipped in 0.10s",
    ]


def test_package_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    missing = "ERROR: No matching distribution found for uvloop==0.23.0"
    add_python(tmp_path / "path", "3.14.2", pip=f'echo "{missing}"; exit 1')
    code, lines = run_in(tmp_path)
    assert code == 1
    assert lines[-1] == f"test-pythons: 3.14.2 FAILED to install: {missing}"


def test_shim_that_starts_nothing_is_no_python(tmp_path: Path) -> None:
    shim = tmp_path / "path" / "python3.12"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.12: command not found' >&2; exit 127\n")
    shim.chmod(0o755)
    code, lines = run_in(tmp_path)
    assert (code, lines[1]) == (0, "test-pythons: 3.12 not found")

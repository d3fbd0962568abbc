"""Checks how the distribution is built: its dependencies, and a failure to compile."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from estimator.__main__ import EXTRA

pytestmark = pytest.mark.one_python

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def copy_source(target: Path) -> Path:
    """Copy the source to build in, because the files of an earlier build would be included."""
    target.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "constraints.txt"):
        shutil.copy(ROOT / name, target)
    for name in ("mirror", "estimator"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    return target


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return copy_source(tmp_path / "source")


def build(source: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Build a wheel with the packages of this environment, so that nothing is downloaded."""
    words = "-m pip wheel -v --no-deps --no-build-isolation -w wheels ."
    return subprocess.run(
        [sys.executable, *words.split()],
        cwd=source,
        env={name: value for name, value in os.environ.items() if name != "KAGAMI_COMPILE"}
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def wheel_in(source: Path) -> Path:
    (wheel,) = (source / "wheels").iterdir()
    return wheel


def names(requirements: list[str]) -> set[str]:
    return {Requirement(text).name for text in requirements}


def test_extra_is_what_estimate_asks_for() -> None:
    assert names(PROJECT["optional-dependencies"]["estimate"]) == set(EXTRA)
    assert not names(PROJECT["dependencies"]) & set(EXTRA)


def test_wheel_without_a_compiler_is_plain_python_and_says_so(source: Path) -> None:
    done = build(source, CC="/nonexistent/cc")
    assert done.returncode == 0, done.stdout
    (line,) = (line for line in done.stdout.splitlines() if "kagami: installing" in line)
    assert "installing plain Python, about a quarter more CPU per mirrored request" in line
    assert "needs a C compiler and Python's headers" in line
    wheel = wheel_in(source)
    assert wheel.name.endswith("-py3-none-any.whl")
    files = zipfile.ZipFile(wheel).namelist()
    assert "mirror/proxy/tee.py" in files
    assert not [name for name in files if name.endswith((".so", ".c"))]


def test_compiling_that_was_demanded_must_succeed(source: Path) -> None:
    done = build(source, CC="/nonexistent/cc", KAGAMI_COMPILE="1")
    assert done.returncode != 0
    assert "KAGAMI_COMPILE=1, but the data plane was not compiled: compiling needs" in done.stdout
    assert not list(source.glob("wheels/*"))


def test_source_that_mypyc_rejects_is_installed_as_it_is(source: Path) -> None:
    with (source / "mirror/core/pool.py").open("a") as file:
        file.write("\nWRONG: int = 'text'\n")
    done = build(source)
    assert done.returncode == 0, done.stdout
    assert "mypyc rejects the source" in done.stdout
    assert wheel_in(source).name.endswith("-py3-none-any.whl")


def test_plain_python_can_be_chosen(source: Path) -> None:
    done = build(source, KAGAMI_COMPILE="0")
    assert done.returncode == 0, done.stdout
    assert "kagami: installing" not in done.stdout
    assert wheel_in(source).name.endswith("-py3-none-any.whl")


def test_any_other_choice_is_refused(source: Path) -> None:
    done = build(source, KAGAMI_COMPILE="yes")
    assert done.returncode != 0
    assert "KAGAMI_COMPILE: expected 0 or 1, got 'yes'" in done.stdout

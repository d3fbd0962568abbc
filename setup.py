"""Compile what a request runs through ahead of time, with mypyc, from the same typed source.

A wheel is compiled wherever that succeeds. Where it does not (no C compiler, no Python headers),
the same source is installed as plain Python, which behaves the same and costs more CPU per request;
one line says so and why. KAGAMI_COMPILE=0 leaves compiling out; with KAGAMI_COMPILE=1 a failure to
compile is a failure to build. An editable install is never compiled, because extensions beside the
source would hide every later change to it. All else about the distribution is in pyproject.toml.
"""

import os
import sys
from glob import glob
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError, ExecError, PlatformError

# What a request runs through. The rest (commands, supervisor, sinks) runs once a second or less.
COMPILED = [
    "mirror/errors.py",
    # Not these two: msgspec reads the annotations of their structs, which mypyc would erase.
    *sorted(
        set(glob("mirror/core/[a-z]*.py")) - {"mirror/core/ledger.py", "mirror/core/record.py"}
    ),
    "mirror/proxy/tee.py",
    *sorted(glob("mirror/proxy/downstream/[a-z]*.py")),
    "mirror/formats/routes.py",
    *(
        f"mirror/proxy/upstream/{name}.py"
        for name in ("connection", "discarding", "outbox", "relaying")
    ),
]

# The types of the source are checked by `make check`, against all its dependencies. A build has
# only those of [build-system], so what else is imported counts as untyped: mypyc then compiles the
# same code, except for one function that reads such a value.
OPTIONS = ["--config-file=", "--ignore-missing-imports"]

CHOICE = os.environ.get("KAGAMI_COMPILE", "")
if CHOICE not in ("", "0", "1"):
    sys.exit(f"KAGAMI_COMPILE: expected 0 or 1, got {CHOICE!r}")


def fall_back(reason: str) -> None:
    """Say in one line that plain Python is installed; exit where compiling was demanded."""
    if CHOICE == "1":
        sys.exit(f"kagami: KAGAMI_COMPILE=1, but the data plane was not compiled: {reason}")
    print(
        f"kagami: installing plain Python, about a quarter more CPU per mirrored request: {reason}",
        file=sys.stderr,
    )


def extensions() -> list[Extension]:
    """Translate the modules to C; none where only metadata is asked for, or where it fails."""
    if CHOICE == "0" or "bdist_wheel" not in sys.argv:
        return []
    try:
        from mypyc.build import mypycify

        return mypycify([*OPTIONS, *COMPILED], opt_level="3", debug_level="0")
    except ImportError as error:
        fall_back(f"{error}; [build-system] of pyproject.toml names what a build needs")
    except SystemExit:
        fall_back("mypyc rejects the source; its messages stand above")
    return []


class OptionalBuild(build_ext):
    """Builds every extension or, where one fails, leaves none behind."""

    def run(self) -> None:
        try:
            super().run()
        except (CCompilerError, ExecError, PlatformError):
            for path in map(Path, self.get_outputs()):
                path.unlink(missing_ok=True)
            # The wheel holds nothing of one platform now, and its name must not claim so.
            self.extensions = self.distribution.ext_modules = []
            self.get_finalized_command("bdist_wheel").root_is_pure = True
            fall_back("compiling needs a C compiler and Python's headers; its messages stand above")


setup(ext_modules=extensions(), cmdclass={"build_ext": OptionalBuild})

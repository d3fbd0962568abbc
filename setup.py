"""Compiles the modules that handle requests ahead of time, with mypyc, from the same typed source.

A wheel is compiled if possible. Otherwise (no C compiler, no Python headers) the same source is
installed as plain Python, which behaves identically but takes more CPU per request; one line of
output says so and gives the reason. KAGAMI_COMPILE=0 disables compilation, and KAGAMI_COMPILE=1
makes a failure to compile fail the build. An editable install is never compiled, because extensions
beside the source would hide every later change to it. pyproject.toml has everything else.
"""

import os
import sys
from glob import glob
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError, ExecError, PlatformError

# The modules that every request passes. The others (commands, supervisor, sinks) run once a second
# or less.
COMPILED = [
    "mirror/errors.py",
    # One module is left out, and so are answer.py and piece.py of two packages, because msgspec
    # reads the annotations of their structs, which mypyc would erase.
    *sorted(set(glob("mirror/core/[a-z]*.py")) - {"mirror/core/ledger.py"}),
    *sorted(glob("mirror/core/redaction/[a-z]*.py")),
    *(
        f"mirror/core/comparison/{name}.py"
        for name in ("copies", "envoy_reply", "examples", "pairs", "redirects", "verdict")
    ),
    "mirror/core/uri_counts/canonical.py",
    "mirror/core/uri_counts/collector.py",
    *(
        f"mirror/proxy/{name}.py"
        for name in ("comparing", "exchange", "repeats", "shadow_leg", "tee")
    ),
    *sorted(glob("mirror/proxy/downstream/[a-z]*.py")),
    "mirror/formats/capture/redacted.py",
    "mirror/formats/capture/secret_names.py",
    "mirror/formats/routes.py",
    *(
        f"mirror/proxy/upstream/{name}.py"
        for name in ("connection", "discarding", "head_reader", "outbox", "relaying")
    ),
]

# `make check` checks the types of the source against all its dependencies. A build has only those
# of [build-system], so other imports count as untyped. mypyc then compiles the same code, except
# for one function that reads a value of such a type.
OPTIONS = ["--config-file=", "--ignore-missing-imports"]

CHOICE = os.environ.get("KAGAMI_COMPILE", "")
if CHOICE not in ("", "0", "1"):
    sys.exit(f"KAGAMI_COMPILE: expected 0 or 1, got {CHOICE!r}")


def fall_back(reason: str) -> None:
    """Print one line about the plain-Python install; exit if compilation was required."""
    if CHOICE == "1":
        sys.exit(f"kagami: KAGAMI_COMPILE=1, but the data plane was not compiled: {reason}")
    print(
        f"kagami: installing plain Python, about a quarter more CPU per mirrored request: {reason}",
        file=sys.stderr,
    )


def extensions() -> list[Extension]:
    """Translate the modules to C; return none if only metadata is needed or translation fails."""
    if CHOICE == "0" or "bdist_wheel" not in sys.argv:
        return []
    try:
        from mypyc.build import mypycify

        return mypycify([*OPTIONS, *COMPILED], opt_level="3", debug_level="0")
    except ImportError as error:
        fall_back(f"{error}; [build-system] of pyproject.toml names what a build needs")
    except SystemExit:
        fall_back("mypyc rejects the source; see its messages above")
    return []


class OptionalBuild(build_ext):
    """Builds all extensions, or none if one of them fails."""

    def run(self) -> None:
        try:
            super().run()
        except (CCompilerError, ExecError, PlatformError):
            for path in map(Path, self.get_outputs()):
                path.unlink(missing_ok=True)
            # The wheel is now independent of the platform, and its name must say so.
            self.extensions = self.distribution.ext_modules = []
            self.get_finalized_command("bdist_wheel").root_is_pure = True
            fall_back("compiling needs a C compiler and Python's headers; see its messages above")


setup(ext_modules=extensions(), cmdclass={"build_ext": OptionalBuild})

"""Optional: compile the data plane ahead of time, with mypyc, from the same typed source.

    KAGAMI_COMPILE=1 pip install --no-build-isolation .

needs a C compiler, mypy and setuptools. Without it everything is installed as plain Python and
behaves the same; compiled, a request costs about half as much interpreter time
(benchmarks/README.md). Everything else about the distribution is in pyproject.toml.
"""

import os
from glob import glob

from setuptools import Extension, setup

# What a request runs through. The rest (commands, supervisor, sinks) runs once a second or less.
COMPILED = [
    "mirror/errors.py",
    # Not these two: msgspec reads the annotations of their structs, which mypyc would erase.
    *sorted(
        set(glob("mirror/core/[a-z]*.py")) - {"mirror/core/ledger.py", "mirror/core/record.py"}
    ),
    *(
        f"mirror/proxy/{name}.py"
        for name in (
            "discarding",
            "downstream",
            "inline",
            "outbox",
            "relay",
            "relaying",
            "sink",
            "tee",
            "tunnel",
            "upstream",
        )
    ),
]

modules: list[Extension] = []
if os.environ.get("KAGAMI_COMPILE") == "1":
    from mypyc.build import mypycify

    modules = mypycify(COMPILED, opt_level="3", debug_level="0")

setup(ext_modules=modules)

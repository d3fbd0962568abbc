"""Tells which build of the data plane is installed; setup.py makes both from one source."""

from mirror import errors

IS_COMPILED = not errors.__file__.endswith(".py")
BUILD = "compiled" if IS_COMPILED else "plain Python"

HOW_TO_COMPILE = (
    "plain Python build, about a quarter more CPU per mirrored request; "
    "with a C compiler and Python's headers, `pip install .` makes the compiled one"
)
"""The hint for users of the slower build."""

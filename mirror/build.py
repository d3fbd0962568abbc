"""Which of the two builds of the data plane this is; setup.py makes them from one source."""

from mirror import errors

IS_COMPILED = not errors.__file__.endswith(".py")
BUILD = "compiled" if IS_COMPILED else "plain Python"

HOW_TO_COMPILE = (
    "plain Python build, about a quarter more CPU per mirrored request; "
    "with a C compiler and Python's headers, `pip install .` makes the compiled one"
)
"""What a person is told who runs the slower build."""

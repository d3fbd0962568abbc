"""The entry point of `estimate`, which first checks that its packages are installed.

The base distribution holds what the sidecar needs; `estimate` also needs the extra of the same
name. Where that is missing, one line says what to install.
"""

import sys
from importlib.util import find_spec

from estimator.commands.exits import EXIT_INPUT

EXTRA = {
    "google-re2": "re2",
    "numpy": "numpy",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
    "scipy": "scipy",
}
"""The packages of the extra `estimate` in pyproject.toml, and the modules that they install."""


def main() -> None:
    """Run the command. Exits with code 2 where a package of the extra is missing."""
    if missing := [name for name, module in EXTRA.items() if find_spec(module) is None]:
        problem = f"not installed: {', '.join(missing)}; in the source folder of kagami run: "
        print(f"estimate: {problem}pip install '.[estimate]'", file=sys.stderr)
        sys.exit(EXIT_INPUT)
    from estimator.commands.estimate import main as estimate

    estimate()


if __name__ == "__main__":
    main()

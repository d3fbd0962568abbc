"""The `estimate` command, where what it calculates with is installed.

The base distribution is what the sidecar needs; `estimate` needs the extra of its name as well.
Without it one line says what to install.
"""

import sys
from importlib.util import find_spec

from estimator.commands.exits import EXIT_INPUT

EXTRA = ("numpy", "pandas", "pyarrow", "scipy")
"""The packages of the extra `estimate` in pyproject.toml."""


def main() -> None:
    """Run the command, or end with exit code 2 where a package of the extra is missing."""
    if missing := [name for name in EXTRA if find_spec(name) is None]:
        said = f"not installed: {', '.join(missing)}; in the source folder of kagami run: "
        print(f"estimate: {said}pip install '.[estimate]'", file=sys.stderr)
        sys.exit(EXIT_INPUT)
    from estimator.commands.estimate import main as estimate

    estimate()


if __name__ == "__main__":
    main()

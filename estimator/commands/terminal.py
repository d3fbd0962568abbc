"""The console of text output: as wide as the terminal, or wide enough for a table.

Without a terminal rich assumes 80 columns and cuts what does not fit, so a report in a file would
lose numbers.
"""

import sys

from rich.console import Console

WIDTH = 140


def console() -> Console:
    """Return a console on stdout without automatic highlighting."""
    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else WIDTH)

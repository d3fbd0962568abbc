"""Where text goes: the terminal as wide as it is, a file or a pipe wide enough for a table.

rich takes 80 columns for everything that is no terminal and cuts what does not fit; a report that
was sent to a file would lose its numbers.
"""

import sys

from rich.console import Console

WIDTH = 140


def console() -> Console:
    """Return a console on stdout that highlights nothing by itself."""
    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else WIDTH)

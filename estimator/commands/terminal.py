"""The console of text output, as wide as the terminal or as a table.

Without a terminal rich assumes 80 columns and cuts what does not fit, so a report in a file would
lose numbers.
"""

import sys

from rich.console import Console

from mirror.formats.rich_console import visible_console

WIDTH = 140


def console() -> Console:
    """Return a console on stdout that obeys no text."""
    return visible_console(sys.stdout, width=None if sys.stdout.isatty() else WIDTH)

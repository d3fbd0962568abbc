"""Finds published files that are not part of this repository.

They are in `../shared/data`, or in the folder that SHARED_DATA names. They are optional: every test
of what we read and write has its own samples and referees. Where the folder exists, its files are
one more referee; where it does not, only tests/contract/test_shared_data.py is skipped.
"""

import os
from pathlib import Path

DATA = Path(os.environ.get("SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


def published(name: str) -> list[Path]:
    """Return a list for `parametrize` with this file, or an empty one without the folder."""
    return [DATA / name] if DATA.is_dir() else []

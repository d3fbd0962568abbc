"""Where the files lie that others published and that are not part of this repository.

`../shared/data`, or the folder that SHARED_DATA names. Nobody needs it: every test of what we read
and write has samples and referees of its own. Where the folder is, its files are one more referee;
where it is not, tests/contract/test_shared_data.py is skipped, and nothing else is.
"""

import os
from pathlib import Path

DATA = Path(os.environ.get("SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


def published(name: str) -> list[Path]:
    """Return this file as a list for `parametrize`: of one, or of none without the folder."""
    return [DATA / name] if DATA.is_dir() else []

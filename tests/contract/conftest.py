"""Lets the contract tests import tests/fakes_datadog.py, and finds the shared data."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
# Not tests/ itself: its folder `estimator` would hide the package of that name.
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Specifications that are not part of this repository; absent ones skip the test, visibly."""
    path = Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no shared data at {path}; set SHARED_DATA to its folder")
    return path

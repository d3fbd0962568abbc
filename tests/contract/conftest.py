"""Finds the shared data that the contract tests compare with."""

import os
from pathlib import Path

import pytest

from tests.estimator.conftest import no_outside_environment

__all__ = ["no_outside_environment"]  # the fixture, for these tests too

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Specifications that are not part of this repository; absent ones skip the test, visibly."""
    path = Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no shared data at {path}; set SHARED_DATA to its folder")
    return path

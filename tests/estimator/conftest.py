"""Lets tests below here import tests/fakes_datadog.py, and keeps the environment out of them."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
# Not tests/ itself: its folder `estimator` would hide the package of that name.
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

_OUTSIDE = ("DD_", "DATADOG_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def no_outside_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, sites and proxies of whoever runs the tests must not decide their outcome."""
    for name in os.environ:
        if name.upper().startswith(_OUTSIDE):
            monkeypatch.delenv(name)

"""Keeps the caller's environment out of the tests."""

import os
from pathlib import Path

import pytest

_OUTSIDE = ("DD_", "DATADOG_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "PROMETHEUS_")


@pytest.fixture(autouse=True)
def no_outside_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove keys, sites and proxies from the environment, and use an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in os.environ:
        if name.upper().startswith(_OUTSIDE):
            monkeypatch.delenv(name)

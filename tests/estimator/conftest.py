"""Keeps the environment of whoever runs the tests out of them."""

import os

import pytest

_OUTSIDE = ("DD_", "DATADOG_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def no_outside_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, sites and proxies must not decide an outcome."""
    for name in os.environ:
        if name.upper().startswith(_OUTSIDE):
            monkeypatch.delenv(name)

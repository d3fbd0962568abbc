"""One sidecar process per mode, shared by all rows that need no other configuration."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.process import BUILD, Served, SocketUpstream, serving

if BUILD:
    # These modules run the data plane of the checkout in this process, even where the tests judge
    # another build.
    collect_ignore = [
        "test_clauses.py",
        "test_connections.py",
        "test_h11_referee.py",
        "test_shadow_leaves_primary.py",
        "test_shadow_outcomes.py",
    ]


@pytest.fixture
def directory() -> Iterator[Path]:
    """Yield a directory whose path is short enough for a unix socket, unlike tmp_path."""
    with tempfile.TemporaryDirectory(prefix="kagami-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, Served]]:
    """Yield a sidecar on loopback for each mode."""
    with (
        tempfile.TemporaryDirectory(prefix="kagami-") as directory,
        tempfile.TemporaryDirectory(prefix="kagami-") as other,
        serving(Path(directory), "inline", SocketUpstream(), SocketUpstream()) as inline,
        serving(Path(other), "sink", SocketUpstream(), SocketUpstream()) as sink,
    ):
        yield {"inline": inline, "sink": sink}

"""Sidecar processes: one of each mode, shared by all rows that need no other configuration."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.process import BUILD, Served, SocketUpstream, serving

if BUILD:
    # These run the data plane of the checkout in this process, not the build under test.
    collect_ignore = [
        "test_clauses.py",
        "test_connections.py",
        "test_h11_referee.py",
        "test_shadow_leaves_primary.py",
        "test_shadow_outcomes.py",
    ]


@pytest.fixture
def directory() -> Iterator[Path]:
    """Return a temporary directory; the name of tmp_path may be too long for a unix socket."""
    with tempfile.TemporaryDirectory(prefix="kagami-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, Served]]:
    """Return a sidecar of each mode on loopback."""
    with (
        tempfile.TemporaryDirectory(prefix="kagami-") as inline_directory,
        tempfile.TemporaryDirectory(prefix="kagami-") as sink_directory,
        serving(Path(inline_directory), "inline", SocketUpstream(), SocketUpstream()) as inline,
        serving(Path(sink_directory), "sink", SocketUpstream(), SocketUpstream()) as sink,
    ):
        yield {"inline": inline, "sink": sink}

"""Sidecars as processes, one of each mode for all rows that need no other configuration."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.process import BUILD, Served, SocketUpstream, serving

if BUILD:
    # These play the data plane in this process, which is the checkout's whatever build is judged.
    collect_ignore = [
        "test_clauses.py",
        "test_connections.py",
        "test_h11_referee.py",
        "test_shadow_leaves_primary.py",
        "test_shadow_outcomes.py",
    ]


@pytest.fixture
def directory() -> Iterator[Path]:
    """Not tmp_path: its name may be too long for a unix socket."""
    with tempfile.TemporaryDirectory(prefix="kagami-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, Served]]:
    """A sidecar of each mode on loopback."""
    with (
        tempfile.TemporaryDirectory(prefix="kagami-") as one,
        tempfile.TemporaryDirectory(prefix="kagami-") as other,
        serving(Path(one), "inline", SocketUpstream(), SocketUpstream()) as inline,
        serving(Path(other), "sink", SocketUpstream(), SocketUpstream()) as sink,
    ):
        yield {"inline": inline, "sink": sink}

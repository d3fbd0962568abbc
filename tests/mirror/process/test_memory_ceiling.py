"""Checks what the ceilings of a worker's memory count."""

from pathlib import Path

from mirror.core.comparison.copies import COPY_BYTES, MOST_COPIES
from mirror.core.http1 import PLANS_BYTES
from mirror.core.redaction.redactor import CACHES_BYTES
from mirror.core.uri_counts.collector import ceiling_bytes
from mirror.process.memory_ceiling import heads_memory_ceiling_bytes, memory_ceiling_bytes
from tests.fakes import make_config


def test_ceiling_counts_the_caches_that_clients_fill() -> None:
    least = {"shadow_buffer_bytes": 1, "shadow_connections": 1, "shadow_waiting": 1}
    bare = make_config(**least, uris={"most": 0})
    assert PLANS_BYTES < memory_ceiling_bytes(bare) < PLANS_BYTES + (4 << 20)
    captured = make_config(**least, uris={"most": 0}, capture={"path": "captures"})
    assert memory_ceiling_bytes(captured) - memory_ceiling_bytes(bare) == CACHES_BYTES
    counted = make_config(**least, uris={"most": 1000})
    held_bytes = memory_ceiling_bytes(counted) - memory_ceiling_bytes(bare)
    assert held_bytes == CACHES_BYTES + ceiling_bytes(1000)


def test_ceiling_counts_what_is_compared() -> None:
    log = {"access_log": "udp://127.0.0.1:9912"}
    off = memory_ceiling_bytes(make_config("inline", 9, comparison={"enabled": False}))
    assert memory_ceiling_bytes(make_config("inline", 9)) - off == CACHES_BYTES
    joined = memory_ceiling_bytes(make_config(comparison=log)) - memory_ceiling_bytes(make_config())
    assert joined == CACHES_BYTES + MOST_COPIES * COPY_BYTES


def test_heads_are_counted_for_every_connection() -> None:
    one, many = make_config(max_connections=1), make_config(max_connections=20_000)
    assert heads_memory_ceiling_bytes(many) == 20_000 * heads_memory_ceiling_bytes(one)
    # A head of 40 kB twice, 200 fields and the connection itself: 2.3 GB of 20,000 connections.
    assert 115_000 < heads_memory_ceiling_bytes(one) < 117_000


def test_operations_names_both_ceilings_of_the_defaults() -> None:
    text = (Path(__file__).parents[3] / "docs/operations.md").read_text()
    assert f"that is {memory_ceiling_bytes(make_config()) / 1e6:.0f} MB" in text
    assert f"that is {heads_memory_ceiling_bytes(make_config()) / 1e9:.1f} GB" in text

"""Checks that a comparison reads back as it was written, and that others are refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from mirror.core.comparison.verdict import NEW_ERRORS, RESULTS
from mirror.errors import InputError
from mirror.formats.comparison import (
    FORMAT,
    LIMIT,
    MOST_BUCKETS,
    MOST_EXAMPLES,
    VERSION,
    Comparison,
    Example,
    Log,
    RouteComparison,
    is_new_error,
    read,
    to_json,
)

SHOP = RouteComparison(
    "shop",
    {"2xx>2xx": 7, "2xx>4xx": 2},
    {"same": 7, "route_miss": 2},
    {"extra_copy": 1},
    {100: 5, 300: 4},
    {120: 9},
)
MISS = Example(
    *("shop", "route_miss", "GET", "shop.example", "/items/{number}", ["page"]),
    *(200, 404, "", 2, 1000, 1009, "9f3a"),
)


def document() -> Comparison:
    return Comparison(
        format=FORMAT,
        version=VERSION,
        instance="edge-1",
        mode="sink",
        since_s=990,
        until_s=1010,
        waiting=3,
        shows_origin=True,
        routes=[SHOP],
        examples=[MISS],
        examples_not_kept=0,
        log=Log("udp://127.0.0.1:9912", 11, 9, 2, {"gap": 1}, 1009.25),
    )


def test_read_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "comparison.json"
    path.write_bytes(to_json(document()))
    assert read(path) == document()


def changed(**changes: object) -> dict[str, Any]:
    """Return a change of the first route."""
    route: dict[str, Any] = json.loads(to_json(document()))["routes"][0]
    return {"routes": [route | changes]}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"format": "other"}, "format: expected kagami-comparison"),
        ({"version": 2}, "version: expected 1, got 2"),
        ({"waiting": -1}, "waiting"),
        ({"waiting": 1 << 54}, "waiting"),
        ({"until_s": 1 << 38}, "until_s"),
        ({"routes": [{}]}, "routes[0]"),
        ({"examples": [{}] * (MOST_EXAMPLES + 1)}, "examples"),
        (changed(classes={"2xx>2xx": 8}), "routes[0].classes: expected the sum of its results, 9"),
        (
            changed(shadow_latency={"1": 10}),
            "routes[0].shadow_latency: expected no more answers than results, 9, got 10",
        ),
        (changed(primary_latency={str(MOST_BUCKETS): 1}), "primary_latency"),
        (changed(results={"same": -1}), "results"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, change: dict[str, object], expected: str) -> None:
    path = tmp_path / "comparison.json"
    path.write_text(json.dumps(json.loads(to_json(document())) | change))
    with pytest.raises(InputError) as refused:
        read(path)
    assert str(path) in str(refused.value) and expected in str(refused.value)


def test_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "comparison.json"
    for content in (b"", b"[]", b"{", b"\xff"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="expected the JSON that a sidecar serves"):
            read(path)


def test_bombs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "comparison.json"
    for bomb in ('{"a":' * 100_000, " " * (LIMIT.most_bytes + 1)):
        path.write_text(bomb)
        with pytest.raises(InputError):
            read(path)


def test_new_errors_are_those_of_the_verdict() -> None:
    assert {result for result in RESULTS if is_new_error(result)} == NEW_ERRORS
    assert is_new_error("of_a_newer_version")

"""Checks that counts of URIs read back as they were written, and that others are refused."""

import json
from pathlib import Path

import pytest

from mirror.errors import InputError
from mirror.formats.uri_counts import (
    FORMAT,
    LIMIT,
    MOST_URIS,
    VERSION,
    UriCount,
    UriCounts,
    read,
    to_json,
)

SHOP = UriCount("shop.example", "GET", "/items/{number}", ["page"], 7, 1000, 1009, True, {"2xx": 7})
HOME = UriCount("shop.example", "GET", "/", [], 5, 1001, 1002)


def document() -> UriCounts:
    return UriCounts(
        format=FORMAT,
        version=VERSION,
        instance="edge-1",
        mode="inline",
        since_s=990,
        until_s=1010,
        most=10_000,
        seen=20,
        not_kept=3,
        waiting=4,
        lost=1,
        missing_most=2,
        uris=[SHOP, HOME],
    )


def test_read_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "uris.json"
    path.write_bytes(to_json(document()))
    assert read(path) == document()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"format": "other"}, "format: expected kagami-uri-counts"),
        ({"version": 2}, "version: expected 1, got 2"),
        ({"seen": 19}, "seen: expected the sum of all counts, not_kept, waiting and lost, 20"),
        ({"seen": -1}, "seen"),
        ({"until_s": 1 << 38}, "until_s"),
        ({"uris": [{}]}, "uris[0]"),
        ({"uris": [{}] * (MOST_URIS + 1)}, "uris"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, change: dict[str, object], expected: str) -> None:
    path = tmp_path / "uris.json"
    path.write_text(json.dumps(json.loads(to_json(document())) | change))
    with pytest.raises(InputError) as refused:
        read(path)
    assert str(path) in str(refused.value) and expected in str(refused.value)


def test_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "uris.json"
    for content in (b"", b"[]", b"{", b"\xff"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="expected the JSON that a sidecar serves at /uris"):
            read(path)


def test_bombs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "uris.json"
    for bomb in ('{"a":' * 100_000, " " * (LIMIT.most_bytes + 1)):
        path.write_text(bomb)
        with pytest.raises(InputError):
            read(path)

"""Checks that a test covers every promise in SECURITY.md."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "SECURITY.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", TEXT)))


def test_tests_are_named() -> None:
    assert len(NAMED) > 30
    assert len(re.findall(r"`tests/[^`]*::", TEXT)) == len(re.findall(r"`tests/[^`]*::\w+`", TEXT))


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_named_test_is_there(file: str, test: str) -> None:
    assert re.search(rf"(?m)^(async )?def {test}\(", (ROOT / file).read_text())

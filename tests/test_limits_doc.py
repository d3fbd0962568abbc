"""Checks that the limits in docs/limits.md are those of the program."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from mirror.formats.bounded_files import Limit

TEXT = (Path(__file__).parents[1] / "docs" / "limits.md").read_text()
ROWS = re.findall(r"(?m)^\| [^|]+ \| ([^|]+) \|[^|]*\| `([\w.]+)` \|$", TEXT)


def test_every_row_with_a_number_names_its_constant() -> None:
    rows = [row for row in TEXT.splitlines() if row.startswith("| ") and re.search(r"\d", row)]
    assert len(rows) == len(ROWS) > 20


@pytest.mark.parametrize(("stated", "constant"), ROWS)
def test_limit_is_that_of_the_program(stated: str, constant: str) -> None:
    module, _, name = constant.rpartition(".")
    value = getattr(import_module(module), name)
    number = value.most_bytes if isinstance(value, Limit) else value
    is_bytes = isinstance(value, Limit) or "BYTES" in name
    assert stated == (f"{number / 2**20:g} MiB" if is_bytes else f"{number:,}")

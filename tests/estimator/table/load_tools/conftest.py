from collections.abc import Callable
from pathlib import Path

import pytest

from estimator.errors import InputError
from estimator.table.load_tools.detect import read_result
from estimator.table.load_tools.run import Run

Read = Callable[[str], Run]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write this text to a file whose name says nothing, and read it."""

    def read_text(text: str) -> Run:
        path = tmp_path / "result"
        path.write_text(text, encoding="utf-8")
        return read_result(path)

    return read_text


@pytest.fixture
def refused(read: Read, tmp_path: Path) -> Callable[[str], list[str]]:
    """Read what cannot be read, and return the problems without the file's name."""

    def problems_of(text: str) -> list[str]:
        with pytest.raises(InputError) as caught:
            read(text)
        start = len(str(tmp_path / "result"))
        return [str(problem)[start:].removeprefix(": ") for problem in caught.value.problems]

    return problems_of

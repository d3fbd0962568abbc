from collections.abc import Callable
from pathlib import Path

import pytest

from estimator.errors import InputError
from estimator.table.load_tools.detect import read_result
from estimator.table.load_tools.run import LoadRun

Read = Callable[[str], LoadRun]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that writes a text to a file with a neutral name and reads it."""

    def read_text(text: str) -> LoadRun:
        path = tmp_path / "result"
        path.write_text(text, encoding="utf-8")
        (run,) = read_result(path).runs
        return run

    return read_text


@pytest.fixture
def refused(read: Read, tmp_path: Path) -> Callable[[str], list[str]]:
    """Return a function that reads an invalid text and returns the problems without the file."""

    def problems_of(text: str) -> list[str]:
        with pytest.raises(InputError) as caught:
            read(text)
        start = len(str(tmp_path / "result"))
        return [str(problem)[start:].removeprefix(": ") for problem in caught.value.problems]

    return problems_of

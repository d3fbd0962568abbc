from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from estimator.commands.table import table
from tests.estimator.observed.conftest import prometheus
from tests.estimator.table.conftest import load_tool_samples

__all__ = ["load_tool_samples", "prometheus"]  # the fixtures, for these tests too

Run = Callable[..., Result]


@pytest.fixture
def run_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs `estimate table ...` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(table, arguments, catch_exceptions=False)

    return run

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from estimator.commands.table import table
from tests.estimator.observed.conftest import prometheus

ROOT = Path(__file__).parent.parent.parent.parent

__all__ = ["prometheus"]  # the fixture, for these tests too

Run = Callable[..., Result]


@pytest.fixture
def run_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `estimate table ...` in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(table, arguments, catch_exceptions=False)

    return run


@pytest.fixture(scope="session")
def load_tool_samples() -> Path:
    """Real result files that are not part of this repository; absent ones skip, visibly."""
    data = Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared" / "data"))
    path = data / "loadtool-samples"
    if not path.is_dir():
        pytest.skip(f"no load-tool samples at {path}; set SHARED_DATA to the folder above")
    return path

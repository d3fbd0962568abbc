"""The OpenAPI descriptions of Datadog that contract tests check against, and a fake Datadog."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.estimator.conftest import no_outside_environment
from tests.fakes_datadog import FakeDatadog
from tests.shared_data import published

__all__ = ["no_outside_environment"]  # the fixture, for these tests too

SPECS = [
    Path(__file__).parent / "datadog_query.yaml",
    *published("datadog/openapi/datadog-v1-metrics.observed.yaml"),
]


@pytest.fixture(scope="session", params=SPECS, ids=lambda path: path.stem)
def spec_path(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture(scope="session")
def spec(spec_path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(spec_path.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture
def fake(spec: dict[str, Any]) -> Iterator[FakeDatadog]:
    with FakeDatadog(spec) as fake:
        yield fake

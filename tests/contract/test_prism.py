"""Checks our requests and the fake's answers with Prism, another implementation of OpenAPI.

Prism is a proxy between the two and answers 422 or 500 itself where either breaks the contract.
`.ci/programs` installs it from npm into .venv/prism.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from estimator.errors import InputError
from estimator.observed.datadog import UsageQuery, read_usage_from_datadog
from estimator.series.datadog import read_datadog
from estimator.series.datadog_api import Credentials, DatadogApi, Patience
from estimator.series.datadog_query import DatadogQuery
from estimator.series.rps import Peak, RpsSeries
from mirror.demo.processes import Processes, accepts, free_ports
from tests.contract.test_datadog_query import QUERY, START
from tests.fakes_datadog import FakeDatadog, Reply

PRISM = Path(os.environ.get("PRISM", ".venv/prism/node_modules/.bin/prism")).absolute()
KEYS = Credentials("a" * 32, "b" * 40)

pytestmark = pytest.mark.topology

if not PRISM.exists():
    pytest.skip(f"no {PRISM}: with npm, .ci/programs installs it", allow_module_level=True)


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeDatadog]:
    with FakeDatadog() as fake:
        yield fake


@pytest.fixture(scope="module")
def url(
    fake: FakeDatadog, spec_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    (port,) = free_ports(1)
    with Processes(tmp_path_factory.mktemp("prism")) as processes:
        # Started without npx, whose child would outlive it.
        child = processes.start(
            "prism",
            [
                PRISM,
                "proxy",
                "-h",
                "127.0.0.1",
                "-p",
                str(port),
                "--errors",
                str(spec_path),
                fake.url,
            ],
        )
        child.wait_until(lambda: accepts(port), 30)
        yield f"http://127.0.0.1:{port}"


def read(url: str, query: DatadogQuery) -> RpsSeries:
    async def run() -> RpsSeries:
        # One attempt, because a violation is a 500, which would be repeated.
        async with DatadogApi(url, KEYS, Patience(attempts=1)) as api:
            return await read_datadog(api, query, (START, START + 86_400), lambda *_: None)

    return asyncio.run(run())


def test_prism_lets_a_gauge_and_its_seconds_pass(fake: FakeDatadog, url: str) -> None:
    fake.points["mirror.rps"] = {"/a": {START + 5.0: 7.0}, "other": {START + 5.0: 1.0}}
    before = len(fake.requests)
    assert read(url, QUERY).peak(["*"]) == Peak(8, START)
    assert len(fake.requests) == before + 2


def test_prism_lets_a_count_pass(fake: FakeDatadog, url: str) -> None:
    fake.points["x"] = {"a": {START + 5.0: 20.0}}
    series = read(url, DatadogQuery.parse("sum:x{*} by {app}.as_count()"))
    assert series.peak(["a"]) == Peak(2, START)


def test_prism_lets_usage_pass(fake: FakeDatadog, url: str) -> None:
    # The fake does not support `avg:`; its refusal comes back only if Prism accepts the request.
    with pytest.raises(InputError, match="did not accept the query"):
        read_usage_from_datadog(
            lambda: DatadogApi(url, KEYS), UsageQuery(), ("api",), (START, START + 60)
        )


def test_prism_objects_to_a_wrong_answer(fake: FakeDatadog, url: str) -> None:
    # Guards the other tests: a check that never fails proves nothing.
    fake.replies.append(Reply(body='{"status": 7, "series": "none"}'))
    with pytest.raises(Exception, match="500"):
        read(url, QUERY)

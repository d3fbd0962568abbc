"""Checks our queries and the fake's answers against OpenAPI descriptions (conftest.py)."""

import asyncio
import copy
from typing import Any

from estimator.series.datadog import read_datadog
from estimator.series.datadog_api import Credentials, DatadogApi
from estimator.series.datadog_query import DatadogQuery
from estimator.series.rps import Peak, RpsSeries
from tests.fakes_datadog import Contract, FakeDatadog

DAY = 86_400
START = 1_700_006_400  # a midnight, UTC
QUERY = DatadogQuery.of("mirror.rps", "watch", "prod", ())


def read(fake: FakeDatadog, days: int) -> RpsSeries:
    async def run() -> RpsSeries:
        async with DatadogApi(fake.url, Credentials("a" * 32, "b" * 40)) as api:
            period = (START, START + days * DAY)
            return await read_datadog(api, QUERY, period, lambda *_: None)

    return asyncio.run(run())


def test_a_week_is_read_within_the_contract(fake: FakeDatadog) -> None:
    points = {START + 30.0 * n: 10.0 + n % 7 for n in range(7 * 2880)}
    points[START + 3 * DAY + 17.0] = 512.0
    fake.points["mirror.rps"] = {"/watch/_id_": points, "other": {START + 5.0: 1.0}}
    series = read(fake, 7)
    assert fake.violations == []
    assert len(fake.requests) == 7 + 2  # and the seconds around the peak of either route
    assert series.peak(["/watch/_id_"]) == Peak(512.0, START + 3 * DAY)
    assert series.completeness_ratio == 1


def test_request_carries_what_the_contract_demands(fake: FakeDatadog) -> None:
    fake.points["mirror.rps"] = {"other": {START + 5.0: 1.0}}
    read(fake, 1)
    request = fake.requests[0]
    assert (request.start, request.end) == (START, START + DAY)
    assert (
        request.query
        == "sum:mirror.rps{env:prod,service:watch} by {route}.fill(null).rollup(max, 60)"
    )
    assert request.headers["DD-API-KEY"] == "a" * 32
    assert request.headers["DD-APPLICATION-KEY"] == "b" * 40


def test_a_wrong_answer_is_a_violation(fake: FakeDatadog, spec: dict[str, Any]) -> None:
    # Guards the two tests above: a check that never fails proves nothing.
    stricter = copy.deepcopy(spec)
    answer = stricter["components"]["schemas"]["MetricsQueryResponse"]
    answer["properties"]["status"] = {"type": "integer"}
    fake._contract = Contract(stricter, fake.url)
    fake.points["mirror.rps"] = {"other": {START + 5.0: 1.0}}
    read(fake, 1)
    assert len(fake.violations) == len(fake.requests) == 2


def test_referee_sees_a_wrong_request(fake: FakeDatadog, spec: dict[str, Any]) -> None:
    stricter = copy.deepcopy(spec)
    parameters = stricter["paths"]["/api/v1/query"]["get"]["parameters"]
    parameters.append(
        {"in": "query", "name": "missing", "required": True, "schema": {"type": "string"}}
    )
    fake._contract = Contract(stricter, fake.url)
    fake.points["mirror.rps"] = {"other": {START + 5.0: 1.0}}
    read(fake, 1)
    assert "missing" in fake.violations[0]

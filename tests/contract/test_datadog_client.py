"""Compares our clients with Datadog's own Python client, on both sides of the fake Datadog.

Our clients send what the official client sends for a query, and accept only answers that it
accepts. The fake, from which all other tests read, is one that the official client can read.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

import pytest
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.exceptions import ApiException, ApiTypeError, ForbiddenException
from datadog_api_client.v1.api.metrics_api import MetricsApi
from datadog_api_client.v1.model.metrics_query_metadata import MetricsQueryMetadata
from datadog_api_client.v1.model.metrics_query_response import MetricsQueryResponse

from estimator.errors import InputError, Refused
from estimator.observed.datadog import UsageQuery
from estimator.series.datadog_api import Credentials, DatadogApi, Patience, QueryGroup
from tests.contract.test_datadog_query import DAY, QUERY, START
from tests.fakes_datadog import FakeDatadog, Reply, Request, errors

KEYS = ("a" * 32, "b" * 40)
TEXT = QUERY.text(60)
WINDOW = (START, START + DAY)


@contextmanager
def official(fake: FakeDatadog, **options: Any) -> Iterator[MetricsApi]:
    keys = dict(zip(("apiKeyAuth", "appKeyAuth"), KEYS, strict=True))
    with ApiClient(Configuration(host=fake.url, api_key=keys, **options)) as client:
        yield MetricsApi(client)
        client.rest_client.pool_manager.clear()


def official_answer(fake: FakeDatadog) -> MetricsQueryResponse:
    with official(fake) as api:
        return api.query_metrics(*WINDOW, TEXT)


def our_answer(fake: FakeDatadog, patience: Patience | None = None) -> list[QueryGroup]:
    async def run() -> list[QueryGroup]:
        async with DatadogApi(fake.url, Credentials(*KEYS), patience) as api:
            return await api.query(TEXT, WINDOW, lambda _: None)

    return asyncio.run(run())


def sent(request: Request) -> tuple[str, str, dict[str, str], dict[str, str]]:
    """Return the parts of a request that matter to Datadog, without those of the HTTP library."""
    own = ("Host", "User-Agent", "Accept-Encoding")
    headers = {name: value for name, value in request.headers.items() if name not in own}
    return request.method, request.path, request.parameters, headers


# --- what is sent ---


def test_official_client_is_within_the_descriptions(fake: FakeDatadog) -> None:
    fake.points["mirror.rps"] = {"/a": {START + 5.0: 7.0}}
    assert len(official_answer(fake).series) == 1
    assert fake.violations == []


@pytest.mark.parametrize(
    "text", [TEXT, *UsageQuery(tags=("kube_cluster_name:new",)).texts("api"), "sum:a.b{x:ä b,y:+}"]
)
def test_estimate_sends_what_the_official_client_sends(fake: FakeDatadog, text: str) -> None:
    async def ask() -> None:
        async with DatadogApi(fake.url, Credentials(*KEYS)) as api:
            await api.query(text, WINDOW, lambda _: None)

    fake.replies += [Reply(body='{"status": "ok", "series": []}')] * 2
    with official(fake) as api:
        api.query_metrics(*WINDOW, text)
    asyncio.run(ask())
    theirs, ours = fake.requests
    assert sent(ours) == sent(theirs)


# --- what is answered ---


def accepted(answer: Any) -> bool:
    """Whether the client could read the whole answer as its model describes it."""
    groups = answer.get("series", [])
    return not answer._unparsed and not any(group._unparsed for group in groups)


def test_official_client_reads_what_ours_reads(fake: FakeDatadog) -> None:
    fake.points["mirror.rps"] = {
        "/a": {START + 5.0: 7.0, START + 65.0: 8.5},
        None: {START + 5.0: 1.0},
    }
    theirs, ours = official_answer(fake), our_answer(fake)
    assert accepted(theirs)
    assert (theirs.status, theirs.query) == ("ok", TEXT)
    assert len(ours) == len(theirs.series) == 2
    for group, read in zip(theirs.series, ours, strict=True):
        assert (group.interval, group.tag_set, group.scope) == (
            read.interval,
            read.tag_set,
            read.scope,
        )
        assert [tuple(point.value) for point in group.pointlist] == read.pointlist


GROUP = {"pointlist": [[START * 1000, 5e8]], "interval": 60, "tag_set": ["route:/a"]}
ANSWERS = {
    "no group": {"status": "ok", "series": []},
    "least group": {"status": "ok", "series": [GROUP]},
    "whole numbers": {"status": "ok", "series": [GROUP | {"pointlist": [[START * 1000, 5]]}]},
    "null point": {"status": "ok", "series": [GROUP | {"pointlist": [[START * 1e3, None]]}]},
    "null unit": {"status": "ok", "series": [GROUP | {"unit": None}]},
    "unit": {"status": "ok", "series": [GROUP | {"unit": [{"name": "request"}, None]}]},
    "unknown keys": {"status": "ok", "series": [GROUP | {"attributes": {}}], "times": []},
}


@pytest.mark.parametrize("name", ANSWERS)
def test_official_client_accepts_what_ours_accept(fake: FakeDatadog, name: str) -> None:
    fake.replies += [Reply(body=json.dumps(ANSWERS[name]))] * 2
    groups = our_answer(fake)
    theirs = official_answer(fake)
    assert accepted(theirs)
    assert len(theirs.series) == len(groups)


@pytest.mark.parametrize(
    "body",
    [
        "<html>Sign in</html>",
        '{"status": "ok", "series": "none"}',
        '{"status": "ok", "series": [{"pointlist": [], "interval": "x"}]}',
        '{"status": "ok", "series": [{"pointlist": [[1, "x"]], "interval": 60}]}',
        '{"status": "ok", "series": [{"pointlist": 7, "interval": 60}]}',
        '{"status": "ok", "series": [{"pointlist": [], "interval": 60, "tag_set": 7}]}',
        '{"status": 7, "series": []}',
    ],
)
def test_ours_refuse_what_the_official_client_does_not_understand(
    fake: FakeDatadog, body: str
) -> None:
    fake.replies += [Reply(body=body)] * 2
    with suppress(ApiTypeError):
        assert not accepted(official_answer(fake))
    with pytest.raises((InputError, Refused)):
        our_answer(fake)


@pytest.mark.parametrize(
    "body", ['{"status": "error", "error": "no such function"}', '{"errors": ["no"]}', "{}"]
)
def test_ours_refuse_failures_that_the_official_client_passes_on(
    fake: FakeDatadog, body: str
) -> None:
    fake.replies += [Reply(body=body)] * 2
    assert accepted(official_answer(fake))
    with pytest.raises((InputError, Refused)):
        our_answer(fake)


# --- errors ---


@pytest.mark.parametrize(
    ("status", "kind"), [(400, ApiException), (403, ForbiddenException), (404, ApiException)]
)
def test_both_say_why_a_request_was_refused(
    fake: FakeDatadog, status: int, kind: type[ApiException]
) -> None:
    fake.replies += [errors(status, "the reason")] * 2
    with pytest.raises(kind) as theirs:
        official_answer(fake)
    assert (theirs.value.status, theirs.value.body) == (status, {"errors": ["the reason"]})
    with pytest.raises(InputError, match=rf"status {status}.*the reason"):
        our_answer(fake)
    assert len(fake.requests) == 2


def test_missing_keys_are_forbidden() -> None:
    with FakeDatadog() as fake, ApiClient(Configuration(host=fake.url)) as client:
        with pytest.raises(ForbiddenException):
            MetricsApi(client).query_metrics(*WINDOW, TEXT)
        client.rest_client.pool_manager.clear()


def waits(ask: Callable[[], object]) -> float:
    began = time.monotonic()
    ask()
    return time.monotonic() - began


def test_both_wait_out_a_rate_limit(fake: FakeDatadog) -> None:
    limited = errors(429, "Rate limit exceeded", X_RateLimit_Reset="1", X_RateLimit_Limit="100")
    fake.points["mirror.rps"] = {"/a": {START + 5.0: 7.0}}
    fake.replies.append(limited)
    with official(fake, enable_retry=True, max_retries=1) as api:
        assert waits(lambda: api.query_metrics(*WINDOW, TEXT)) >= 1
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    fake.replies.append(limited)
    our_answer(fake, Patience(sleep=sleep, jitter=lambda: 0.5))
    assert slept == [1.5]
    assert len(fake.requests) == 4
    assert {sent(first) == sent(second) for first, second in pairwise(fake.requests)} == {True}


# --- our own description ---


def test_our_description_names_only_what_the_client_knows(spec: dict[str, Any]) -> None:
    schemas = spec["components"]["schemas"]
    answer = schemas["MetricsQueryResponse"]["properties"]
    group = answer["series"]["items"]["$ref"].rpartition("/")[2]
    for model, properties in (
        (MetricsQueryResponse, answer),
        (MetricsQueryMetadata, schemas[group]["properties"]),
    ):
        assert set(properties) <= set(model.openapi_types)

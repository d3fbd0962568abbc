import json
from collections.abc import Iterator

import numpy as np
import pytest

from estimator.errors import InputError, Refused
from estimator.observed.datadog import UsageQuery, read_usage_from_datadog
from estimator.observed.usage import Usage
from estimator.series.datadog_api import Credentials, DatadogApi
from tests.fakes_datadog import FakeDatadog, Reply, errors

START = 1_700_006_400


@pytest.fixture
def fake() -> Iterator[FakeDatadog]:
    with FakeDatadog() as fake:
        yield fake


def group(pod: str, *values: float | None, interval: int = 60) -> dict:
    points = [[(START + 60 * k) * 1000, value] for k, value in enumerate(values)]
    tags = [f"pod_name:{pod}", "kube_container_name:app"]
    return {"pointlist": points, "interval": interval, "tag_set": tags}


def answer(*groups: dict) -> Reply:
    return Reply(body=json.dumps({"status": "ok", "series": list(groups)}))


def read(fake: FakeDatadog, seconds: int = 120, query: UsageQuery | None = None) -> Usage:
    return read_usage_from_datadog(
        lambda: DatadogApi(fake.url, Credentials("a", "b")),
        query or UsageQuery(),
        ("api",),
        (START, START + seconds),
    )


def test_nanocores_become_millicores_by_pod(fake: FakeDatadog) -> None:
    fake.replies += [
        answer(group("api-1", 250e6, 350e6), group("api-2", 100e6, None)),
        answer(group("api-1", 5e8, 6e8)),
    ]
    used = read(fake).of("api")["app"]
    assert used.pods == ("api-1", "api-2")
    assert used.mean_cpu() == 200
    assert used.covers_s == (0, 60)
    assert np.nanmax(used.memory_bytes) == 6e8


def test_queries_are_means_of_cpu_and_maxima_of_memory(fake: FakeDatadog) -> None:
    fake.replies += [answer(group("a", 1)), answer(group("a", 1))]
    by_component = {"api": ("kube_cluster_name:new",), "web": ("kube_cluster_name:old",)}
    read(fake, query=UsageQuery(tags=("env:prod",), component_tags=by_component))
    assert [request.query for request in fake.requests] == [
        "avg:kubernetes.cpu.usage.total{kube_deployment:api,env:prod,kube_cluster_name:new}"
        " by {pod_name,kube_container_name}.rollup(avg, 60)",
        "max:kubernetes.memory.working_set{kube_deployment:api,env:prod,kube_cluster_name:new}"
        " by {pod_name,kube_container_name}.rollup(max, 60)",
    ]


def test_long_times_are_read_day_by_day(fake: FakeDatadog) -> None:
    fake.replies += [answer(group("a", 1))] * 4
    read(fake, seconds=100_000)
    starts = [request.start for request in fake.requests]
    assert starts == [START, START + 86_400] * 2


def test_windows_do_not_move_and_only_the_period_counts(fake: FakeDatadog) -> None:
    fake.replies += [answer(group("a", 1e6, 2e6, 3e6)), answer(group("a", 1, 2, 3))]
    usage = read_usage_from_datadog(
        lambda: DatadogApi(fake.url, Credentials("a", "b")),
        UsageQuery(),
        ("api",),
        (START + 70, START + 130),
    )
    assert [(request.start, request.end) for request in fake.requests] == [(START, START + 180)] * 2
    assert sorted(set(usage.of("api")["app"].seconds)) == [START + 60, START + 120]


def test_waits_are_said(fake: FakeDatadog) -> None:
    fake.replies += [errors(429, "slow", X_RateLimit_Reset="0")]
    fake.replies += [answer(group("a", 1))] * 2
    waits: list[str] = []
    read_usage_from_datadog(
        lambda: DatadogApi(fake.url, Credentials("a", "b")),
        UsageQuery(),
        ("api",),
        (START, START + 60),
        waits.append,
    )
    assert waits and waits[0].startswith("answered 429: slow; waiting")


def test_point_of_the_next_window_is_left_to_it(fake: FakeDatadog) -> None:
    fake.replies += [answer(group("a", 1e6, 2e6, 3e6)), answer(group("a", 1))]
    assert len(read(fake, seconds=120).of("api")["app"].seconds) == 3


def test_nothing_found_and_wider_intervals_are_refused(fake: FakeDatadog) -> None:
    fake.replies += [answer()]
    with pytest.raises(Refused, match="found no point of api"):
        read(fake)
    fake.replies += [answer(group("a", 1, interval=300))]
    with pytest.raises(Refused, match="asked for one value per 60 s and got one per 300 s"):
        read(fake)


def test_names_that_would_widen_the_query_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        UsageQuery(tags=("a}b",), component_tags={"ok": ("c",)}).check(("api,env:*", "ok"))
    assert [str(problem) for problem in caught.value.problems] == [
        "Datadog: expected tags as KEY:VALUE, got 'a}b'",
        "Datadog: expected tags as KEY:VALUE, got 'c'",
        "Datadog: component api,env:*: 'api,env:*' cannot be the value of a tag; rename it",
    ]

"""Checks our queries for cpu and memory against OpenAPI descriptions (conftest.py)."""

import json

from estimator.observed.datadog import UsageQuery, read_usage_from_datadog
from estimator.series.datadog_api import Credentials, DatadogApi
from tests.contract.test_datadog_query import START
from tests.fakes_datadog import FakeDatadog, Reply


def test_two_days_are_read_within_the_contract(fake: FakeDatadog) -> None:
    group = {
        "pointlist": [[START * 1000, 5e8]],
        "interval": 60,
        "tag_set": ["pod_name:api-1", "kube_container_name:app"],
    }
    body = json.dumps({"status": "ok", "series": [group]})
    fake.replies += [Reply(body=body)] * 4
    usage = read_usage_from_datadog(
        lambda: DatadogApi(fake.url, Credentials("a" * 32, "b" * 40)),
        UsageQuery(tags=("kube_cluster_name:new",)),
        ("api",),
        (START, START + 2 * 86_400),
    )
    assert fake.violations == []
    assert len(fake.requests) == 4
    assert usage.of("api")["app"].mean_cpu() == 500

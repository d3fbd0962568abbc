"""Checks the grammar of `--sample` and `--samples`."""

import pytest

from mirror.formats.usage_source import (
    FromCsv,
    FromDatadog,
    FromProcesses,
    FromPrometheus,
    SampledProcess,
    read_usage_source,
)


def test_process_belongs_to_a_container_of_a_component() -> None:
    assert read_usage_source("pid=gateway/envoy:7,app:8") == FromProcesses(
        (SampledProcess("gateway", "envoy", 7), SampledProcess("app", "app", 8))
    )


def test_rest_of_a_csv_source_is_its_path() -> None:
    assert read_usage_source("csv=a=b.csv") == FromCsv("a=b.csv")


def test_matchers_may_hold_commas() -> None:
    source = read_usage_source('prometheus=http://x:1/p,api{a="b",c="d"},web')
    assert source == FromPrometheus("http://x:1/p", {"api": 'a="b",c="d"', "web": ""})


def test_datadog_takes_further_tags() -> None:
    source = read_usage_source("datadog=api{kube_cluster_name:new,env:prod},web,")
    assert source == FromDatadog({"api": ("kube_cluster_name:new", "env:prod"), "web": ()})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("top=1", "expected pid, csv, prometheus, datadog before ="),
        ("pid=", "expected pid=COMPONENT:PID"),
        ("pid=app:x", "expected pid=COMPONENT:PID"),
        ("pid=:1", "expected pid=COMPONENT:PID"),
        ("pid=a/:1", "expected pid=COMPONENT:PID"),
        ("pid=a/b/c:1", "expected pid=COMPONENT:PID"),
        ("csv=", "expected csv=FILE"),
        ("prometheus=x:9090,api", "expected prometheus=http://HOST:PORT"),
        ("prometheus=http://x", "expected components separated by commas"),
        ("prometheus=http://x,api;web", "at 'api;web'"),
        ("datadog=", "COMPONENT{key:value}"),
    ],
)
def test_other_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="expected ") as refused:
        read_usage_source(text)
    assert message in str(refused.value)

"""The grammar of --sample."""

import os
import threading

import pytest

from mirror.errors import ConfigError
from mirror.sampling.csv_file import CsvSampler
from mirror.sampling.datadog import DatadogSampler
from mirror.sampling.processes import ProcessSampler
from mirror.sampling.prometheus import PrometheusSampler
from mirror.sampling.sources import open_sampler, sampling

KEYS = {"DD_API_KEY": "a", "DD_APP_KEY": "b"}


def test_every_source_has_its_sampler() -> None:
    me = os.getpid()
    texts = [
        f"pid=gateway/envoy:{me},app:{me}",
        "csv=x.csv",
        "prometheus=http://x:1,api",
        "datadog=api",
    ]
    with sampling(texts, KEYS) as samplers:
        kinds = [type(sampler) for sampler in samplers]
        assert kinds == [ProcessSampler, CsvSampler, PrometheusSampler, DatadogSampler]
    assert not [each for each in threading.enumerate() if each.name == "process sampler"]


def test_samplers_made_before_a_wrong_one_are_closed() -> None:
    with pytest.raises(ConfigError), sampling([f"pid=a:{os.getpid()}", "nothing"], {}):
        pass
    assert not [each for each in threading.enumerate() if each.name == "process sampler"]


def test_selectors_may_hold_commas() -> None:
    sampler = open_sampler('prometheus=http://x:1/p,api{a="b",c="d"},web', {})
    assert isinstance(sampler, PrometheusSampler)
    assert sampler._components == {"api": 'a="b",c="d"', "web": None}


def test_site_is_taken_from_the_environment() -> None:
    sampler = open_sampler("datadog=api", KEYS | {"DD_SITE": "datadoghq.eu"})
    assert isinstance(sampler, DatadogSampler)
    assert sampler._account.url == "https://api.datadoghq.eu"


@pytest.mark.parametrize(
    ("text", "environ", "message"),
    [
        ("top=1", {}, "expected pid, csv, prometheus, datadog before =, got 'top'"),
        ("pid=", {}, "expected pid=NAME:PID,…, got ''"),
        ("pid=app:x", {}, "got 'app:x'"),
        ("pid=:1", {}, "expected COMPONENT or"),
        ("csv=", {}, "expected csv=FILE"),
        ("prometheus=x:9090,api", {}, "expected prometheus=http://HOST:PORT"),
        ("prometheus=http://x", {}, "expected the components to sample"),
        ("prometheus=http://x,api,", {}, None),
        ("prometheus=http://x,api;web", {}, "got 'api;web'"),
        ("datadog=api", {"DD_API_KEY": "a"}, "needs DD_API_KEY and DD_APP_KEY"),
        ("datadog=api{a}", KEYS, "no selector for api"),
        ("datadog=api", KEYS | {"DD_SITE": "x/y"}, "expected a site such as"),
    ],
)
def test_what_is_wrong_is_said(text: str, environ: dict[str, str], message: str | None) -> None:
    if message is None:
        open_sampler(text, environ).close()
        return
    with pytest.raises(ConfigError, match="--sample: ") as caught:
        open_sampler(text, environ)
    assert message in str(caught.value)

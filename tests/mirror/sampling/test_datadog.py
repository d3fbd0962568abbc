"""Usage from Datadog."""

import pytest

from mirror.errors import SamplingError
from mirror.sampling.datadog import Account, DatadogSampler
from mirror.sampling.usage import Part, Window
from tests.mirror.sampling.conftest import Api


def answer(pod: str, interval: int, *points: tuple[float, float | None]) -> dict[str, object]:
    tags = [f"pod_name:{pod}", "kube_container_name:app"]
    pointlist = [[at * 1000, value] for at, value in points]
    return {"series": [{"tag_set": tags, "interval": interval, "pointlist": pointlist}]}


def sampler(api: Api) -> DatadogSampler:
    return DatadogSampler(Account(api.url, "secret-api", "secret-app"), ("api",))


def test_intervals_wholly_inside_count(api: Api) -> None:
    api.answers = [
        answer("api-1", 20, (80, 9e9), (100, 1e8), (120, None), (140, 3e8), (160, 9e9)),
        answer("api-1", 20, (100, 5e6), (140, 6e6)),
    ]
    used = sampler(api).usage(Window(100, 170))[Part("api", "app")]
    assert (used.cpu_millicores, used.cpu_max_millicores, used.memory_bytes) == (200, 300, 6e6)
    path, parameters, headers = api.asked[0]
    assert path == "/api/v1/query"
    assert (parameters["from"], parameters["to"]) == ("100", "171")
    assert parameters["query"] == (
        "avg:kubernetes.cpu.usage.total{kube_deployment:api}"
        " by {pod_name,kube_container_name}.rollup(avg, 20)"
    )
    assert headers["dd-api-key"] == "secret-api"


def test_wider_intervals_than_the_window_are_none(api: Api) -> None:
    api.answers = [answer("api-1", 300, (100, 1e8)), answer("api-1", 300, (100, 1))]
    with pytest.raises(SamplingError, match="no sample of cpu and memory of api"):
        sampler(api).usage(Window(100, 170))


def test_keys_are_in_no_message(api: Api) -> None:
    assert "secret" not in repr(sampler(api)._account)
    api.status, api.answers = 403, [b"forbidden"]
    with pytest.raises(SamplingError) as caught:
        sampler(api).usage(Window(100, 170))
    assert "secret" not in str(caught.value)


def test_other_answers_are_refused(api: Api) -> None:
    api.answers = [{"series": [{"tag_set": []}]}]
    with pytest.raises(SamplingError, match="no series by pod and container"):
        sampler(api).usage(Window(100, 170))

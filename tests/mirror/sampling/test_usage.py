"""Samples of replicas to what one of them used."""

import pytest

from mirror.errors import SamplingError
from mirror.sampling.usage import Part, Samples, Window, read_part

APP = Part("api", "app")


def test_bare_name_is_component_and_container() -> None:
    assert read_part("envoy") == Part("envoy", "envoy")
    assert read_part("api/app") == APP
    assert str(APP) == "api/app"


@pytest.mark.parametrize("text", ["", "/app", "api/", "a/b/c"])
def test_names_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="expected COMPONENT"):
        read_part(text)


def test_replicas_count_alike_however_many_samples_each_has() -> None:
    samples = Samples()
    for millicores in (100, 100, 130):
        samples.add_cpu(APP, "pod-1", millicores)
    samples.add_cpu(APP, "pod-2", 310)
    samples.add_memory(APP, "pod-1", 10.9)
    samples.add_memory(APP, "pod-2", 7)
    used = samples.usage(["api"], "test")[APP]
    assert (used.cpu_millicores, used.cpu_max_millicores) == (210, 310)
    assert (used.memory_bytes, used.replicas, used.is_exact) == (10, 2, False)


def test_one_sample_has_no_highest() -> None:
    samples = Samples()
    samples.add_cpu(APP, "", 100)
    samples.add_memory(APP, "", 10)
    assert samples.usage([], "test")[APP].cpu_max_millicores is None


def test_component_without_both_amounts_is_missed() -> None:
    samples = Samples()
    samples.add_cpu(APP, "", 100)
    with pytest.raises(SamplingError, match=r"test has no sample of cpu and memory of api, web in"):
        samples.usage(["web", "api"], "test")


def test_window_has_a_length() -> None:
    assert Window(10.5, 12).length_s == 1.5

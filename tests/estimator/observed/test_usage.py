import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.observed.usage import Sample, Usage, combined, usage_of


def cpu(second: float, millicores: float | None, pod: str = "a", container: str = "app") -> Sample:
    return Sample("api", pod, container, second, millicores, None)


def test_samples_are_grouped_by_container() -> None:
    usage = usage_of("x", [cpu(2, 1), cpu(1, 5, container="proxy"), cpu(0, 3)])
    found = usage.of("api")
    assert list(found) == ["app", "proxy"]
    assert found["app"].seconds.tolist() == [0, 2]
    assert (usage.first, usage.last, usage.components) == (0, 2, ("api",))


def test_unnamed_component_is_the_one_asked_for() -> None:
    usage = usage_of("x", [Sample("", "", "app", 0, 1, None)])
    assert list(usage.of("whatever")) == ["app"]
    assert usage_of("x", [cpu(0, 1)]).of("other") == {}


def test_samples_without_a_component_are_attributed() -> None:
    usage = usage_of("x", [Sample("", "", "app", 0, 1, None), cpu(0, 1, container="proxy")])
    assert usage.attributed("web").components == ("web", "api")
    assert usage.attributed(None).components == ("app", "api")


def test_last_of_two_sources_counts_for_a_container() -> None:
    both = combined(
        [
            usage_of("a.csv", [cpu(0, 1), cpu(0, 7, container="proxy")], ("late",)),
            usage_of("b.csv", [cpu(0, 3)], ("late", "coarse")),
        ]
    )
    means = {name: samples.mean_cpu() for name, samples in both.of("api").items()}
    assert means == {"app": 3, "proxy": 7}
    assert (both.source, both.caveats) == ("a.csv, b.csv", ("late", "coarse"))


def test_pod_that_was_scraped_more_often_counts_once() -> None:
    samples = [cpu(second, 100) for second in range(9)] + [cpu(4, 300, pod="b")]
    assert usage_of("x", samples).of("api")["app"].mean_cpu() == 200


def test_buckets_tell_replicas_and_the_mean_of_one() -> None:
    samples = [cpu(0, 100), cpu(30, 200), cpu(10, 350, "b"), cpu(60, 400), cpu(200, 1)]
    replicas, mean = usage_of("x", samples).of("api")["app"].buckets(0, 60, 3)
    assert replicas.tolist() == [2, 1, 0]
    assert mean[:2].tolist() == [250, 400]
    assert np.isnan(mean[2])


def test_missing_values_are_not_zeros() -> None:
    samples = [cpu(0, 100), cpu(1, None), Sample("api", "a", "app", 2, None, 5.0)]
    used = usage_of("x", samples).of("api")["app"]
    assert used.mean_cpu() == 100
    assert np.nanmax(used.memory_bytes) == 5


def test_window_holds_only_its_pods() -> None:
    used = usage_of("x", [cpu(0, 1, "a"), cpu(5, 2, "b"), cpu(10, 3, "b")]).of("api")["app"]
    window = used.between(5, 10)
    assert (window.pods, window.cpu_millicores.tolist()) == (("b",), [2])
    assert used.between(99, 100).mean_cpu() is None


samples = st.lists(
    st.builds(cpu, st.integers(0, 50), st.none() | st.floats(0, 1e4), st.sampled_from("abc")),
    min_size=1,
)


@given(samples, st.randoms(use_true_random=False))
def test_order_of_samples_changes_nothing(found: list[Sample], random) -> None:
    def buckets(usage: Usage) -> list[list[float]]:
        return [column.tolist() for column in usage.of("api")["app"].buckets(0, 10, 6)]

    before = buckets(usage_of("x", found))
    random.shuffle(found)
    for column, expected in zip(buckets(usage_of("x", found)), before, strict=True):
        assert column == pytest.approx(expected, nan_ok=True)

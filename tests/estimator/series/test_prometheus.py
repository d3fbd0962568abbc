import asyncio
import json

import numpy as np
import pytest

from estimator.errors import InputError, Refused
from estimator.model.confidence import time_doubts
from estimator.series.prometheus import RateQuery, read_prometheus
from estimator.series.rps import RpsSeries
from tests.estimator.series.test_prometheus_api import FakePrometheus, fake

__all__ = ["fake"]  # the fixture, for this test too

T = 1_700_006_400


def answer(*series: tuple[dict[str, str], list[tuple[float, str]]]) -> tuple[int, bytes]:
    result = [{"metric": metric, "values": values} for metric, values in series]
    return 200, json.dumps({"status": "success", "data": {"result": result}}).encode()


def read(fake: FakePrometheus, seconds: int = 600, query: str = "rate(x[1m])") -> RpsSeries:
    rate_query = RateQuery(fake.url, query, 60)
    return asyncio.run(read_prometheus(rate_query, (T, T + seconds), now=T + 1e6))


def test_window_of_the_rate_is_the_step() -> None:
    assert RateQuery("u", step_s=30).text == "sum by (route) (rate(mirror_requests_total[30s]))"


def test_a_rate_belongs_to_the_bucket_before_it(fake: FakePrometheus) -> None:
    fake.replies.append(answer(({"route": "/A"}, [(T + 60, "5"), (T + 180, "7")])))
    series = read(fake)
    assert (series.start, series.resolution_s, series.routes) == (T, 60, ("/a",))
    np.testing.assert_array_equal(series.rps, [[5, np.nan, 7, *[np.nan] * 7]])
    assert series.averaging_s is None


def test_steps_are_aligned_to_unix_time(fake: FakePrometheus) -> None:
    asyncio.run(read_prometheus(RateQuery(fake.url, "rate(x[1m])"), (T + 7, T + 615), T + 1e6))
    (asked,) = fake.asked
    # The range is from the end of the first complete step to the end of the last.
    assert (float(asked["start"]), float(asked["end"])) == (T + 120, T + 659.999)


def test_impossible_values_are_counted_repairs(fake: FakePrometheus) -> None:
    values = [(T + 60, "5"), (T + 120, "NaN"), (T + 180, "+Inf"), (T + 240, "-1"), (T + 300, "6")]
    fake.replies.append(answer(({"route": "/a"}, values)))
    series = read(fake)
    assert np.isnan(series.rps[0, 1:4]).all()
    assert [repair.split(" points")[0] for repair in series.repairs] == ["2 of 5", "1 of 5"]


def test_a_prometheus_that_keeps_less_than_was_asked_for_is_doubted(fake: FakePrometheus) -> None:
    hour, asked_s, kept_s = 3600, 28 * 86400, 15 * 86400
    start = T // hour * hour
    times = range(start + asked_s - kept_s + hour, start + asked_s + hour, hour)
    fake.replies.append(answer(({"route": "/a"}, [(at, "5") for at in times])))
    rate_query = RateQuery(fake.url, "rate(x[1h])", hour)
    series = asyncio.run(read_prometheus(rate_query, (start, start + asked_s), now=T + 1e7))
    assert (series.start, series.duration_s) == (start, asked_s)
    assert series.completeness_ratio == pytest.approx(kept_s / asked_s)
    (doubt,) = time_doubts(series)
    assert doubt.startswith("46% of 28d are gaps")


@pytest.mark.parametrize(
    ("metric", "route"), [({}, "other"), ({"app": "x"}, "x"), ({"route": "", "a": "b"}, "other")]
)
def test_labels_become_routes(fake: FakePrometheus, metric: dict[str, str], route: str) -> None:
    fake.replies.append(answer((metric, [(T + 60, "5")])))
    assert read(fake).routes == (route,)


def test_several_labels_without_a_route_are_refused(fake: FakePrometheus) -> None:
    fake.replies.append(answer(({"a": "b", "c": "d"}, [(T + 60, "5")])))
    with pytest.raises(InputError, match="--promql: expected series with a `route` label"):
        read(fake)


def test_a_query_without_a_window_hides_gaps(fake: FakePrometheus) -> None:
    assert "gap of less than five minutes" in read(fake, query="rps").caveats[-1]
    assert read(fake).caveats == ("w",)


@pytest.mark.parametrize("series", [[], [({"route": "/a"}, [])]])
def test_nothing_found_says_what_to_check(fake: FakePrometheus, series: list) -> None:
    fake.replies.append(answer(*series))
    with pytest.raises(Refused, match="has nothing from .*Check the query, the time"):
        read(fake)

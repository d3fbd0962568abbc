import asyncio
import json
import re
import time
from collections.abc import Iterator
from email.utils import formatdate

import numpy as np
import pytest

from estimator.errors import Refused
from estimator.series.datadog import read_datadog
from estimator.series.datadog_api import Credentials, DatadogApi
from estimator.series.datadog_query import DatadogQuery
from estimator.series.rps import Peak, RpsSeries
from tests.fakes_datadog import FakeDatadog, Reply

DAY = 86_400
START = 1_700_006_400
QUERY = DatadogQuery.of("mirror.rps", "watch", None, ())


@pytest.fixture
def fake() -> Iterator[FakeDatadog]:
    with FakeDatadog() as fake:
        yield fake


def read(
    fake: FakeDatadog,
    seconds: int = 600,
    told: list[tuple[int, int, str]] | None = None,
    query: DatadogQuery = QUERY,
) -> RpsSeries:
    async def run() -> RpsSeries:
        async with DatadogApi(fake.url, Credentials("a", "b")) as api:
            said = [] if told is None else told
            period = (START, START + seconds)
            return await read_datadog(api, query, period, lambda *progress: said.append(progress))

    return asyncio.run(run())


def answer(*groups: dict) -> Reply:
    return Reply(body=json.dumps({"status": "ok", "series": list(groups)}))


def group(points: list[list[float | None]], interval: int = 60, route: str = "/a") -> dict:
    return {"pointlist": points, "interval": interval, "tag_set": [f"route:{route}"]}


def test_points_land_on_their_minute(fake: FakeDatadog) -> None:
    fake.points["mirror.rps"] = {"/a": {START + 61.0: 5.0, START + 119.0: 9.0}}
    series = read(fake)
    assert (series.start, series.resolution_s, series.duration_s) == (START, 60, 600)
    assert series.peak(["/a"]) == Peak(9, START + 60)


def test_absent_buckets_are_gaps(fake: FakeDatadog) -> None:
    fake.points["mirror.rps"] = {"/a": {START + 60.0: 5.0, START + 180.0: 0.0}}
    row = read(fake).rps[0]
    assert row[[1, 3]].tolist() == [5, 0]
    assert np.isnan(row).sum() == 8


def test_null_values_are_gaps(fake: FakeDatadog) -> None:
    fake.replies.append(answer(group([[START * 1000, None], [(START + 60) * 1000, 3]])))
    assert np.isnan(read(fake).rps[0][0])


def test_timestamps_may_be_int_or_float_and_unordered(fake: FakeDatadog) -> None:
    points = [[(START + 60) * 1000, 3], [START * 1000.0, 4]]
    fake.replies.append(answer(group(points)))
    assert read(fake).rps[0][:2].tolist() == [4, 3]


def test_duplicated_point_is_one_maximum(fake: FakeDatadog) -> None:
    fake.replies.append(answer(group([[START * 1000, 3], [START * 1000, 8], [START * 1000, 5]])))
    assert read(fake).peak(["*"]) == Peak(8, START)


def test_windows_are_a_day_and_aligned(fake: FakeDatadog) -> None:
    fake.points["mirror.rps"] = {"/a": {START + 60.0: 5.0}}
    read(fake, 2 * DAY + 3600)
    assert [(request.start, request.end) for request in fake.requests] == [
        (START, START + DAY),
        (START + DAY, START + 2 * DAY),
        (START + 2 * DAY, START + 2 * DAY + 3600),
        (START, START + 1440),  # the seconds around the peak
    ]
    assert all((request.end - request.start) / 60 <= 1500 for request in fake.requests)


def test_cut_off_bucket_at_a_window_end_is_not_taken(fake: FakeDatadog) -> None:
    # The first window has only 1 rps in that minute, because it ends there.
    fake.points["mirror.rps"] = {"/a": {START + DAY: 1.0, START + DAY + 30.0: 9.0}}
    series = read(fake, 2 * DAY)
    assert series.peak(["/a"]) == Peak(9, START + DAY)
    assert series.observed_s == 60


def test_unfinished_minute_at_the_end_is_not_taken(fake: FakeDatadog) -> None:
    fake.points["mirror.rps"] = {"/a": {START: 2.0, START + 600.0: 1.0}}
    assert read(fake, 600).observed_s == 60


def test_route_missing_in_one_window_is_a_gap_there(fake: FakeDatadog) -> None:
    fake.points["mirror.rps"] = {"/a": {START: 2.0}, "/b": {START + DAY: 3.0}}
    series = read(fake, 2 * DAY)
    assert series.routes == ("/a", "/b")
    assert series.observed_s == 120


def test_points_without_route_are_other(fake: FakeDatadog) -> None:
    fake.points["mirror.rps"] = {None: {START: 2.0}, "other": {START: 3.0, START + 60.0: 1.0}}
    series = read(fake)
    assert series.routes == ("other",)
    assert series.rps[0][:2].tolist() == [5, 1]


@pytest.mark.parametrize("interval", [5, 300])
def test_interval_that_came_back_is_checked(fake: FakeDatadog, interval: int) -> None:
    fake.replies.append(answer(group([[START * 1000, 3]], interval)))
    with pytest.raises(Refused, match=f"one value per 60 s and got one per {interval} s"):
        read(fake)


@pytest.mark.parametrize("value", [-1.0, 1e30])
def test_value_that_no_rate_has_is_refused(fake: FakeDatadog, value: float) -> None:
    fake.replies.append(answer(group([[START * 1000, value]])))
    with pytest.raises(Refused, match="has values that no rate of requests has"):
        read(fake)


@pytest.mark.parametrize("groups", [[], [group([])], [group([[START * 1000, None]])]])
def test_empty_result_says_what_to_check(fake: FakeDatadog, groups: list[dict]) -> None:
    fake.replies.append(answer(*groups))
    with pytest.raises(Refused) as caught:
        read(fake)
    message = str(caught.value)
    assert "found no point for sum:mirror.rps{service:watch}" in message
    assert "Check the metric name (mirror.rps), the tags (service:watch), the site" in message


def test_windows_do_not_move_with_the_time_of_a_run(fake: FakeDatadog) -> None:
    fake.points["mirror.rps"] = {"/a": {START - 60.0: 4.0, START + 3600.0: 5.0}}

    async def run() -> RpsSeries:
        async with DatadogApi(fake.url, Credentials("a", "b")) as api:
            period = (START + 3540, START + DAY + 120)
            return await read_datadog(api, QUERY, period, lambda *_: None)

    series = asyncio.run(run())
    assert [(request.start, request.end) for request in fake.requests[:2]] == [
        (START, START + DAY),
        (START + DAY, START + DAY + 120),
    ]
    assert (series.start, series.observed_s) == (START + 3540, 60)
    assert series.peak(["*"]) == Peak(5, START + 3600)


def test_the_peak_of_several_routes_is_exact(fake: FakeDatadog) -> None:
    # The routes peak half a minute apart, so 5 and 7 were never 12 at once.
    fake.points["mirror.rps"] = {
        "/a": {START + 1.0: 5.0, START + 600.0: 4.0},
        "/b": {START + 31.0: 7.0, START + 600.0: 4.0},
    }
    series = read(fake, DAY)
    assert series.peak(["*"]) == Peak(8, START + 600)
    assert series.peak(["/b"]) == Peak(7, START)
    assert "peak of each route and of all together is exact" in series.caveats[0]


def test_sum_of_instances_own_peaks_is_an_upper_bound(fake: FakeDatadog) -> None:
    # In minutes of a day 9 + 9 looks like 18, but the peak is 10 at once in another window.
    points = {START + 1.0: 9.0, START + 7200.0: 5.0}
    other = {START + 31.0: 9.0, START + 7200.0: 5.0}
    fake.points["mirror.rps"] = {("/a", 0): points, ("/a", 1): other}
    series = read(fake, DAY)
    assert series.rps[0][0] == 18
    assert series.peak(["/a"]) == Peak(10, START + 7200)
    assert [request.end - request.start for request in fake.requests] == [DAY, 1440, 1440]


def test_drilling_has_a_bound_and_says_so(fake: FakeDatadog) -> None:
    # In each of 30 windows the minutes are higher than the seconds.
    points = {START + 1440.0 * n + 1: 9.0 for n in range(30)}
    other = {START + 1440.0 * n + 31: 9.0 for n in range(30)}
    fake.points["mirror.rps"] = {("/a", 0): points, ("/a", 1): other}
    series = read(fake, DAY)
    assert len(fake.requests) == 1 + 12
    assert series.peak(["/a"]).rps == 18
    assert "upper bound" in series.caveats[0] and "12 windows" in series.caveats[0]


def test_seconds_that_cannot_be_had_leave_the_bound(fake: FakeDatadog) -> None:
    fake.replies.append(answer(group([[START * 1000, 3]])))
    fake.replies.append(answer(group([[START * 1000, 2]], interval=10)))
    series = read(fake)
    assert series.peak(["/a"]).rps == 3
    assert "upper bound: the seconds cannot be had" in series.caveats[0]
    assert "asked for one value per 1 s and got one per 10 s" in series.caveats[0]


@pytest.mark.parametrize("how", ["as_count", "as_rate"])
def test_counts_become_rps(fake: FakeDatadog, how: str) -> None:
    # One request a second for ten seconds, then 30 requests in one second.
    points = {START + n * 1.0: 1.0 for n in range(10)} | {START + 15.0: 30.0}
    fake.points["istio.requests"] = {"api": points, "web": {START + 20.0: 5.0}}
    query = DatadogQuery.parse(f"sum:istio.requests{{env:prod}} by {{app}}.{how}()")
    series = read(fake, query=query)
    assert fake.requests[0].query == (
        "sum:istio.requests{env:prod} by {app}.as_count().rollup(sum, 10)"
    )
    assert (series.resolution_s, series.averaging_s, series.routes) == (10, None, ("api", "web"))
    assert series.rps[0][:2].tolist() == [1, 3]
    assert series.peak(["*"]) == Peak(3, START + 10)


def test_counts_without_groups_are_other(fake: FakeDatadog) -> None:
    fake.points["x"] = {"a": {START: 20.0}, "b": {START: 10.0}}
    series = read(fake, query=DatadogQuery.parse("sum:x{*}.as_count()"))
    assert series.routes == ("other",)
    assert series.rps[0][0] == 3


def test_long_counts_are_read_coarsely(fake: FakeDatadog) -> None:
    fake.points["x"] = {"a": {START: 60.0}}
    series = read(fake, 80 * DAY, query=DatadogQuery.parse("sum:x{*}.as_count()"))
    assert (series.resolution_s, len(fake.requests)) == (60, 80)


def test_progress_counts_windows(fake: FakeDatadog) -> None:
    fake.points["mirror.rps"] = {"/a": {START: 2.0}}
    told: list[tuple[int, int, str]] = []
    read(fake, 2 * DAY, told)
    assert told == [
        (0, 2, "Datadog, window 1 of 2"),
        (1, 2, "Datadog, window 2 of 2"),
        (2, 2, "Datadog"),
        (0, 12, "Datadog, seconds around a peak (1)"),
    ]


@pytest.mark.parametrize(("off_s", "side"), [(-3600, "ahead of"), (7200, "behind")])
def test_a_clock_that_is_off_is_said(fake: FakeDatadog, off_s: int, side: str) -> None:
    fake.points["mirror.rps"] = {"/a": {START: 2.0}}
    fake.headers["Date"] = formatdate(time.time() + off_s, usegmt=True)
    offset = re.search(rf"(\d+) s {side} Datadog's", read(fake).caveats[-1])
    # The header has whole seconds, and time passes until it is read.
    assert offset is not None and abs(int(offset[1]) - abs(off_s)) <= 5


def test_a_clock_that_is_right_is_not_mentioned(fake: FakeDatadog) -> None:
    fake.points["mirror.rps"] = {"/a": {START: 2.0}}
    assert not any("clock" in caveat for caveat in read(fake).caveats)


def test_a_counter_is_refused(fake: FakeDatadog) -> None:
    fake.points["mirror.rps"] = {"/a": {START + 60.0 * n: 1e6 + n for n in range(60)}}
    with pytest.raises(Refused, match="a counter and not a rate"):
        read(fake, 3600)

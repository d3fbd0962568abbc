import asyncio
import json
from collections.abc import Iterator

import numpy as np
import pytest

from estimator.errors import InputError, Refused
from estimator.series.datadog import DatadogQuery, read_datadog
from estimator.series.datadog_api import Credentials, DatadogApi
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
    fake: FakeDatadog, seconds: int = 600, told: list[tuple[int, int, str]] | None = None
) -> RpsSeries:
    async def run() -> RpsSeries:
        async with DatadogApi(fake.url, Credentials("a", "b")) as api:
            said = [] if told is None else told
            period = (START, START + seconds)
            return await read_datadog(api, QUERY, period, lambda *each: said.append(each))

    return asyncio.run(run())


def answer(*groups: dict) -> Reply:
    return Reply(body=json.dumps({"status": "ok", "series": list(groups)}))


def group(points: list[list[float | None]], interval: int = 60, route: str = "/a") -> dict:
    return {"pointlist": points, "interval": interval, "tag_set": [f"route:{route}"]}


def test_default_rollup_is_never_used() -> None:
    assert QUERY.text == "sum:mirror.rps{service:watch} by {route}.rollup(max, 60)"


def test_every_filter_narrows_the_scope() -> None:
    query = DatadogQuery.of("x.rps", "S", "Prod", ("instance:0", "team:Video-1"))
    assert query.text.startswith("sum:x.rps{env:prod,instance:0,service:s,team:video-1} by")


@pytest.mark.parametrize(
    ("option", "arguments"),
    [
        ("--metric", ("a b", "s", None, ())),
        ("--metric", ("rps{*}", "s", None, ())),
        ("--metric", ("1rps", "s", None, ())),
        ("--service", ("rps", "a,env:b", None, ())),
        ("--service", ("rps", "a} by {host}", None, ())),
        ("--service", ("rps", "", None, ())),
        ("--env", ("rps", "s", "prod:", ())),
        ("--tag", ("rps", "s", None, ("novalue",))),
        ("--tag", ("rps", "s", None, ("a:b c",))),
    ],
)
def test_filter_cannot_end_the_scope(option: str, arguments: tuple) -> None:
    with pytest.raises(InputError, match=f"^{option}: expected"):
        DatadogQuery.of(*arguments)


def test_every_bad_filter_is_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        DatadogQuery.of("?", "?", "?", ("?",))
    assert len(caught.value.problems) == 4


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
    assert [(one.start, one.end) for one in fake.requests] == [
        (START, START + DAY),
        (START + DAY, START + 2 * DAY),
        (START + 2 * DAY, START + 2 * DAY + 3600),
    ]
    assert all((one.end - one.start) / 60 <= 1500 for one in fake.requests)


def test_cut_off_bucket_at_a_window_end_is_not_taken(fake: FakeDatadog) -> None:
    # The first window sees only 1 in that minute, because it ends there.
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
    with pytest.raises(Refused, match=f"one maximum per 60 s and got one per {interval} s"):
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


def test_upper_bound_is_said(fake: FakeDatadog) -> None:
    # The routes peak half a minute apart: 5 and 7 were never 12 at once.
    fake.points["mirror.rps"] = {"/a": {START + 1.0: 5.0}, "/b": {START + 31.0: 7.0}}
    series = read(fake)
    assert series.peak(["*"]) == Peak(12, START)
    assert "an upper bound of the peak" in series.caveats[0]


def test_progress_counts_windows(fake: FakeDatadog) -> None:
    fake.points["mirror.rps"] = {"/a": {START: 2.0}}
    told: list[tuple[int, int, str]] = []
    read(fake, 2 * DAY, told)
    assert told == [
        (0, 2, "Datadog, day 1 of 2"),
        (1, 2, "Datadog, day 2 of 2"),
        (2, 2, "Datadog"),
    ]

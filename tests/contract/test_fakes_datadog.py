import json
import urllib.request
from urllib.parse import urlencode

import pytest

from tests.fakes_datadog import FakeDatadog, Reply

KEYS = {"DD-API-KEY": "a", "DD-APPLICATION-KEY": "b"}


def ask(fake: FakeDatadog, start: int, end: int, seconds: int = 60) -> dict:
    query = f"sum:mirror.rps{{service:s}} by {{route}}.rollup(max, {seconds})"
    parameters = urlencode({"from": start, "to": end, "query": query})
    request = urllib.request.Request(f"{fake.url}/api/v1/query?{parameters}", headers=KEYS)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as response:
        return json.load(response)


@pytest.fixture
def fake():
    with FakeDatadog() as fake:
        yield fake


def test_buckets_hold_their_maximum(fake: FakeDatadog) -> None:
    fake.points["mirror.rps"] = {"/a": {600: 5, 659: 7, 660: 1, 900: 3}}
    (series,) = ask(fake, 600, 840)["series"]
    assert series["pointlist"] == [[600_000, 7], [660_000, 1]]
    assert series["tag_set"] == ["route:/a"]


def test_bucket_at_the_end_comes_cut_off(fake: FakeDatadog) -> None:
    fake.points["mirror.rps"] = {"/a": {600: 5, 660: 1, 661: 9}}
    (series,) = ask(fake, 600, 660)["series"]
    assert series["pointlist"] == [[600_000, 5], [660_000, 1]]


def test_interval_widens_beyond_the_point_limit(fake: FakeDatadog) -> None:
    fake.points["mirror.rps"] = {"/a": {600: 5}}
    assert ask(fake, 0, 1500 * 60)["series"][0]["interval"] == 60
    assert ask(fake, 0, 1501 * 60)["series"][0]["interval"] == 300


def test_scripted_reply_comes_first(fake: FakeDatadog) -> None:
    fake.replies.append(Reply(body='{"scripted": 1}'))
    assert ask(fake, 0, 60) == {"scripted": 1}
    assert ask(fake, 0, 60)["status"] == "ok"
    assert [request.end for request in fake.requests] == [60, 60]

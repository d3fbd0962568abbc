"""Checks the numbers in the overview of a capture."""

import pytest

from mirror.capture import overview as module
from mirror.capture.overview import Overview
from mirror.errors import InputError
from mirror.formats.capture.record import Record
from mirror.formats.routes import OTHER, RouteTable


def test_everything_is_added_up() -> None:
    overview = Overview()
    for time_s in (12.0, 10.5, 10.9, 10.99):
        overview.add(Record(time_s, "GET", "a", f"/{time_s:g}?x=1"))
    overview.add(Record(11, "POST", "b", "/11", (("a", "b"),), b"1234"))
    overview.add(Record(11, "POST", "b", "/11", (("a", "b"),), None, False, 8))
    assert (overview.requests, overview.begin_s, overview.end_s) == (6, 10.5, 12.0)
    assert overview.span_s == 1.5
    assert overview.mean_rps == 2
    assert overview.peak == (10, 3)
    assert overview.methods == {"GET": 4, "POST": 2}
    assert overview.hosts == {"a": 4, "b": 2}
    assert overview.routes["/11"] == 2 and overview.routes["/10.5"] == 1
    assert (overview.bodies, overview.bodies_left_out) == (2, 1)
    assert (overview.body_bytes, overview.largest_body_bytes) == (12, 8)


def test_templates_name_routes() -> None:
    overview = Overview(RouteTable(["/watch/{id}"]).match)
    for path in ("/watch/1", "/watch/2?a=b", "/x"):
        overview.add(Record(1, "GET", "a", path))
    assert overview.routes == {"/watch/_id_": 2, "other": 1}


def test_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_NAMES", 3)
    overview = Overview()
    for number in range(10):
        overview.add(Record(1, "GET", "a", f"/{number}"))
    assert overview.routes == {"/0": 1, "/1": 1, "/2": 1, OTHER: 7}


def test_time_is_cut_into_columns() -> None:
    overview = Overview()
    for second in (0, 0, 0, 9, 99):
        overview.add(Record(second, "GET", "a", "/"))
    assert overview.rps_over_time(10) == [3, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert len(overview.rps_over_time(1000)) == 100


def test_seconds_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SECONDS", 2)
    overview = Overview()
    for second in (1, 2, 2):
        overview.add(Record(second, "GET", "a", "/"))
    with pytest.raises(InputError, match="in more than 2 seconds, which is the limit"):
        overview.add(Record(3, "GET", "a", "/"))

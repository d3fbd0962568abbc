"""Checks that the keys of any JSON log can be named."""

import json

import pytest

from mirror.formats.access_log.json_fields import Fields
from mirror.formats.access_log.json_lines import read_object
from mirror.formats.access_log.request import LoggedRequest

NEW_YEAR_S = 1767193199


def read_mapped(document: dict[str, object], words: str) -> LoggedRequest:
    return read_object(json.dumps(document).encode(), None, Fields(words))


def test_fields_map_any_object() -> None:
    document = {
        "ts": "2025-12-31T14:59:59.250Z",
        "start_time": "not this",
        "req": {"verb": "PUT", "url": "/a"},
        "v.host": "b.example",
        "took": 1250,
    }
    words = "time=ts,method=req.verb,target=req.url,host=v.host,duration_ms=took"
    request = read_mapped(document, words)
    assert (request.time_s, request.duration_s, request.is_begin) == (NEW_YEAR_S - 1, 1.25, True)
    assert (request.method, request.target, request.host) == ("PUT", "/a", "b.example")


def test_a_field_names_the_status() -> None:
    request = read_mapped({"time": 5.5, "uri": "/", "status": "ok", "code": 404}, "status=code")
    assert request.status == 404


@pytest.mark.parametrize(
    ("meaning", "value", "seconds"),
    [("duration", "0.5", 0.5), ("duration_us", 500, 5e-4), ("duration_ns", "500", 5e-7)],
)
def test_fields_name_the_unit(meaning: str, value: object, seconds: float) -> None:
    request = read_mapped({"time": 5.5, "uri": "/", "d": value}, f"{meaning}=d")
    assert request.duration_s == pytest.approx(seconds)


@pytest.mark.parametrize("words", ["", "time", "time=", "=ts", "when=ts", "time=ts,"])
def test_bad_fields_are_named(words: str) -> None:
    with pytest.raises(ValueError, match="expected MEANING=KEY with a meaning of time, begin"):
        Fields(words)

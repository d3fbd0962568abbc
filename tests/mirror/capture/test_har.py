"""Checks reading HAR files: a browser's requests, and entries that are none."""

import io
import json

import pytest

from mirror.capture.entries import Entry
from mirror.capture.har import START, read_har
from mirror.core.record import Record
from mirror.errors import InputError


def har(*requests: dict[str, object], started: str = "2025-12-31T15:00:00.125+01:00") -> bytes:
    entries = [{"startedDateTime": started, "request": request, "time": 1} for request in requests]
    return json.dumps({"log": {"entries": entries, "version": "1.2"}}).encode()


def read(text: bytes) -> list[Entry | str]:
    return list(read_har(io.BytesIO(text), "a.har"))


def test_a_request_is_read() -> None:
    headers = [(":authority", "x"), ("Host", "x"), ("Content-Length", "2"), ("Accept", "é")]
    request: dict[str, object] = {
        "method": "POST",
        "url": "https://u:p@a.example:8443/p/é?q=%20&r=a b#part",
        "headers": [{"name": name, "value": value} for name, value in headers],
        "postData": {"mimeType": "text/plain", "text": "é"},
    }
    assert read(har(request)) == [
        Entry(
            Record(
                1767189600.125,
                "POST",
                "a.example:8443",
                "/p/%C3%A9?q=%20&r=a%20b",
                (("Accept", "Ã©"),),
                b"\xc3\xa9",
            )
        )
    ]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("data:text/plain,a", "data: is not HTTP"),
        ("wss://a/", "wss: is not HTTP"),
        ("https:///a", "host: expected"),
        ("https://[a/", "Invalid IPv6 URL"),
    ],
)
def test_what_is_no_request_says_why(url: str, why: str) -> None:
    (item,) = read(har({"method": "GET", "url": url}))
    assert isinstance(item, str) and item.startswith("entry 0: ") and why in item


def test_bad_time_is_unusable() -> None:
    (item,) = read(har({"method": "GET", "url": "http://a/"}, started="noon"))
    assert isinstance(item, str) and "noon" in item


@pytest.mark.parametrize(
    "text", [b'{"log": {', b'{"log": {"entries": [{}]}}', b'{"log":{"a":"\xff']
)
def test_damage_is_named(text: bytes) -> None:
    assert START.match(text)
    with pytest.raises(InputError, match="a.har: not a HAR file"):
        read(text)


def test_docker_lines_are_no_har() -> None:
    assert not START.match(b'{"log":"GET / HTTP/1.1"}')
    assert START.match(b'\xef\xbb\xbf{\n  "log": {')

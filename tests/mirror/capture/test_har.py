"""Checks reading HAR files: a browser's requests, and entries that are none."""

import io
import json

import pytest

from mirror.capture.entries import Entry, Item, LeftOut
from mirror.capture.har import MOST_BYTES, MOST_VALUES, START, read_har
from mirror.errors import InputError
from mirror.formats.capture.record import Record


def har(*requests: dict[str, object], started: str = "2025-12-31T15:00:00.125+01:00") -> bytes:
    entries = [{"startedDateTime": started, "request": request, "time": 1} for request in requests]
    return json.dumps({"log": {"entries": entries, "version": "1.2"}}).encode()


def read(text: bytes) -> list[Item]:
    return list(read_har(io.BytesIO(text), "a.har"))


def read_entry(more: dict[str, object], **request: object) -> Item:
    """Read one entry with more fields, whose request has more fields too."""
    begun = {"method": "GET", "url": "https://a.example/", **request}
    entry = {"startedDateTime": "2026-01-01T00:00:00Z", "request": begun, **more}
    (item,) = read(json.dumps({"log": {"entries": [entry]}}).encode())
    return item


def body_of(
    data: dict[str, object] | None, length: int | None = None, **headers: str
) -> tuple[bytes | None, int | None]:
    """Return the body, and its length if it was not kept, of a POST with this postData."""
    if length is not None:
        headers["Content-Length"] = str(length)
    fields = [{"name": n.replace("_", "-"), "value": v} for n, v in headers.items()]
    more = {} if data is None else {"postData": data}
    item = read_entry({}, method="POST", headers=fields, **more)
    assert isinstance(item, Entry)
    return item.record.body, item.record.body_bytes


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
    ("more", "reason"),
    [
        ({"_fromCache": "disk"}, "answered from a cache"),
        ({"_fromCache": "memory", "response": {"_transferSize": 0}}, "answered from a cache"),
        ({"_fetchType": "Disk Cache"}, "answered from a cache"),
        ({"_fetchType": "Service Worker"}, "answered by a service worker"),
        ({"response": {"_fetchedViaServiceWorker": True}}, "answered by a service worker"),
        ({"response": {"status": 0, "_error": "net::ERR_BLOCKED_BY_CLIENT"}}, "blocked"),
        ({"response": {"status": 101}}, "WebSockets"),
        ({"_webSocketMessages": []}, "WebSockets"),
    ],
)
def test_what_never_went_over_the_network_is_left_out(more: dict[str, object], reason: str) -> None:
    item = read_entry(more)
    assert isinstance(item, LeftOut) and item.reason.startswith(reason)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("data:text/plain,a", "not sent over HTTP"),
        ("blob:https://a/1", "not sent over HTTP"),
        ("chrome-extension://a/x.js", "not sent over HTTP"),
        ("wss://a/", "WebSockets"),
    ],
)
def test_other_schemes_are_left_out(url: str, reason: str) -> None:
    assert read_entry({}, url=url) == LeftOut(reason)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"response": {"status": 200, "_transferSize": 900}},
        {"_fromCache": "disk", "response": {"status": 304, "_transferSize": 120}},
    ],
)
def test_what_went_over_the_network_is_a_request(more: dict[str, object]) -> None:
    assert isinstance(read_entry(more), Entry)


FORM = {"mimeType": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("data", "length", "expected"),
    [
        ({"text": "é"}, 2, b"\xc3\xa9"),
        ({"text": "é"}, None, b"\xc3\xa9"),
        ({"text": "AAE=", "encoding": "base64"}, 2, b"\x00\x01"),
        (FORM | {"params": [{"name": "a", "value": "x%20y"}]}, 7, b"a=x%20y"),
        (FORM | {"params": [{"name": "a", "value": "x%20y"}]}, None, b"a=x%20y"),
        (FORM | {"params": [{"name": "a", "value": "x y"}, {"name": "b"}]}, None, b"a=x+y&b="),
        (FORM | {"params": [{"name": "a", "value": "x&y"}]}, 7, b"a=x%26y"),
        ({"text": ""}, 0, b""),
        (None, 0, b""),
    ],
)
def test_a_body_that_can_be_what_was_sent_is_kept(
    data: dict[str, object] | None, length: int | None, expected: bytes
) -> None:
    assert body_of(data, length) == (expected, None)


@pytest.mark.parametrize(
    ("data", "length"),
    [
        ({"text": "\ufffd\x13P"}, 8),
        ({"text": "shorter"}, 1500),
        ({"text": "no base64!", "encoding": "base64"}, 6),
        ({"mimeType": "multipart/form-data", "params": [{"name": "f"}]}, 900),
        (None, 1500),
    ],
)
def test_a_body_that_cannot_be_what_was_sent_keeps_its_length(
    data: dict[str, object] | None, length: int
) -> None:
    assert body_of(data, length) == (None, length)


def test_a_packed_body_is_shown_unpacked_and_not_kept() -> None:
    data: dict[str, object] = {"text": "{}"}
    assert body_of(data, 2, Content_Encoding="gzip") == (None, 2)
    assert body_of(data, 31, Content_Encoding="gzip") == (None, 31)


def test_one_bad_entry_does_not_refuse_the_file() -> None:
    good = {
        "startedDateTime": "2026-01-01T00:00:00Z",
        "request": {"method": "GET", "url": "http://a/"},
    }
    text = json.dumps({"log": {"entries": [{"request": 1}, good, {}]}}).encode()
    first, entry, last = read(text)
    assert isinstance(first, str) and first.startswith("entry 0: ")
    assert isinstance(entry, Entry)
    assert isinstance(last, str) and last.startswith("entry 2: ")


def test_empty_query_and_international_host_are_kept() -> None:
    item = read_entry({}, url="https://bücher.example/q?#part")
    assert isinstance(item, Entry)
    assert (item.record.host, item.record.target) == ("xn--bcher-kva.example", "/q?")


@pytest.mark.parametrize("text", [b'{"log": {', b'{"log": {"entries": {}}}', b'{"log":{"a":"\xff'])
def test_damage_is_named(text: bytes) -> None:
    assert START.match(text)
    with pytest.raises(InputError, match="a.har: not a HAR file"):
        read(text)


def test_docker_lines_are_no_har() -> None:
    assert not START.match(b'{"log":"GET / HTTP/1.1"}')
    assert START.match(b'\xef\xbb\xbf{\n  "log": {')


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        (b"1," * (MOST_VALUES + 1) + b"1]", "more than 5,000,000 values"),
        (b'{"a":' * 100_000, "not a HAR file"),
        (b"1]" + b" " * MOST_BYTES, "more than 134,217,728 bytes"),
    ],
    ids=["values", "depth", "size"],
)
def test_a_bomb_is_refused(entries: bytes, why: str) -> None:
    with pytest.raises(InputError, match=why):
        read(b'{"log":{"entries":[' + entries + b"}}")

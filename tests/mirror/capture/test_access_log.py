"""nginx's log lines: each format, and what is no request."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.capture.access_log import MAX_LINE_BYTES, read_line, read_log
from mirror.capture.entries import Entry, Unusable
from mirror.core.record import FieldError, Record

COMBINED = (
    b'10.0.0.1 - - [31/Dec/2025:23:59:59 +0900] "GET /watch/7?x=1 HTTP/1.1" 200 512 '
    b'"https://example.com/a" "Mozilla/5.0 (X11)"'
)
NEW_YEAR_S = 1767193199.0
"""The time above, which is 14:59:59 UTC."""

SYSLOG = (
    b'{"id":"8f","t":1767193199.250,"s":200,"urt":"0.004","m":"GET","u":"/a?b","h":"a.example"}'
)
DEPLOYED = (
    b'{"id":"8f","time":"1767193199.250","status":"200","method":"GET","host":"a.example",'
    b'"uri":"/a?b","upstream_s":"0.004","upstream":"127.0.0.1:3000"}'
)


def json_line(**keys: object) -> bytes:
    line = {"time": 5.5, "method": "GET", "uri": "/", "host": "a.example"} | keys
    return json.dumps({key: value for key, value in line.items() if value is not None}).encode()


def why_unusable(line: bytes, host: str | None = "a.example") -> str:
    with pytest.raises((Unusable, FieldError)) as error:
        read_line(line, host)
    return str(error.value)


def test_combined_line() -> None:
    entry = read_line(COMBINED, "a.example")
    assert entry.is_whole_second
    assert entry.record == Record(
        NEW_YEAR_S,
        "GET",
        "a.example",
        "/watch/7?x=1",
        (("user-agent", "Mozilla/5.0 (X11)"), ("referer", "https://example.com/a")),
    )


@pytest.mark.parametrize(
    ("zone", "shift_s"), [(b"+0000", 9 * 3600), (b"-0330", 12.5 * 3600), (b"+0900", 0)]
)
def test_zone_of_a_combined_line(zone: bytes, shift_s: float) -> None:
    entry = read_line(COMBINED.replace(b"+0900", zone), "a")
    assert entry.record.time_s == NEW_YEAR_S + shift_s


def test_common_format_and_more_fields() -> None:
    common = COMBINED[: COMBINED.index(b' "https')]
    assert read_line(common, "a").record.headers == ()
    assert read_line(COMBINED + b' "1.2.3.4" 0.005', "a").record.target == "/watch/7?x=1"


def test_user_may_have_spaces() -> None:
    assert read_line(COMBINED.replace(b"- -", b"- a b"), "a").record.method == "GET"


def test_dash_is_no_header() -> None:
    line = COMBINED.replace(b"https://example.com/a", b"-")
    assert [name for name, _ in read_line(line, "a").record.headers] == ["user-agent"]


def test_escapes_become_bytes_again() -> None:
    line = COMBINED.replace(b"/watch/7", rb"/\xE3\x81\x82\x22").replace(b"X11", rb"\x22\\")
    record = read_line(line, "a").record
    assert record.target.encode("latin-1") == b'/\xe3\x81\x82"?x=1'
    assert record.headers[0] == ("user-agent", 'Mozilla/5.0 ("\\)')


def test_escaped_line_break_is_refused() -> None:
    assert "control characters" in why_unusable(COMBINED.replace(b"X11", rb"\x0D\x0Ax: 1"))
    assert "target" in why_unusable(COMBINED.replace(b"/watch", rb"/\x0A"))


@pytest.mark.parametrize("line", [SYSLOG, DEPLOYED])
def test_json_formats_of_this_project(line: bytes) -> None:
    assert read_line(line, None) == Entry(
        Record(NEW_YEAR_S + 0.25, "GET", "a.example", "/a?b"), is_whole_second=False
    )


def test_usual_json_names() -> None:
    line = json_line(
        **{"time": None, "method": None, "uri": None, "host": None},
        time_iso8601="2025-12-31T23:59:59+09:00",
        request="HEAD /b HTTP/2.0",
        http_host="b.example:8080",
        http_user_agent="curl",
        http_referer="-",
    )
    record = Record(NEW_YEAR_S, "HEAD", "b.example:8080", "/b", (("user-agent", "curl"),))
    assert read_line(line, None) == Entry(record, is_whole_second=True)


def test_request_uri_beats_uri() -> None:
    line = json_line(uri="/index.html", request_uri="/?a=1", server_name="_", http_host="c.example")
    record = read_line(line, None).record
    assert (record.target, record.host) == ("/?a=1", "c.example")


@pytest.mark.parametrize(
    ("time", "seconds", "is_whole"),
    [
        (1767193199, NEW_YEAR_S, True),
        ("1767193199", NEW_YEAR_S, True),
        (1767193199.5, NEW_YEAR_S + 0.5, False),
        ("1767193199.500", NEW_YEAR_S + 0.5, False),
        (1767193199500, NEW_YEAR_S + 0.5, False),
        ("2025-12-31T14:59:59Z", NEW_YEAR_S, True),
        ("2025-12-31T14:59:59", NEW_YEAR_S, True),
        ("2025-12-31T14:59:59.500Z", NEW_YEAR_S + 0.5, False),
        ("31/Dec/2025:23:59:59 +0900", NEW_YEAR_S, True),
    ],
)
def test_time_is_read_as_written(time: object, seconds: float, is_whole: bool) -> None:
    entry = read_line(json_line(time=time), None)
    assert (entry.record.time_s, entry.is_whole_second) == (seconds, is_whole)


def test_json_bytes_are_kept() -> None:
    line = b'{"time": 1.5, "method": "GET", "uri": "/\xff\xe3\x81\x82", "host": "a"}'
    assert read_line(line, None).record.target.encode("latin-1") == b"/\xff\xe3\x81\x82"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"hello", "neither a JSON object nor the combined format"),
        (COMBINED.replace(b"GET /watch/7?x=1 HTTP/1.1", rb"\x16\x03\x01"), "request line"),
        (COMBINED.replace(b"GET /watch/7?x=1 HTTP/1.1", b"-"), "request line"),
        (COMBINED.replace(b"/watch/7", b"/a b"), "request line"),
        (COMBINED.replace(b"31/Dec", b"32/Dec"), "32/Dec/2025:23:59:59 +0900': day"),
        (COMBINED.replace(b"31/Dec", b"31/Dez"), "is not like"),
        (COMBINED.replace(b"+0900", b"+9900"), "time "),
        (COMBINED.replace(b"GET", b"CONNECT"), "method: expected"),
        (b'{"time": 1', "not a JSON object"),
        (b'{"a":' * 50_000, "not a JSON object"),
        (json_line(time=None), "has no time"),
        (json_line(time=True), "has no time"),
        (json_line(time="yesterday"), "neither Unix time nor ISO 8601"),
        (json_line(time="nan"), "t: expected Unix time"),
        (json_line(time=-1), "t: expected Unix time"),
        (json_line(time=10**400), "neither Unix time"),
        (json_line(uri=None), "target: expected"),
        (json_line(uri=None, request="GET"), "request line"),
        (json_line(uri=7), "is not a text"),
        (json_line(uri="/\ud800"), "is not a text"),
        (json_line(host="a\r\nb"), "host: expected"),
        (b"{" + b" " * MAX_LINE_BYTES, "longer than"),
    ],
)
def test_unusable_line_says_why(line: bytes, why: str) -> None:
    assert why in why_unusable(line)


def test_line_without_host_asks_for_one() -> None:
    assert "give --host" in why_unusable(COMBINED, None)
    assert "give --host" in why_unusable(json_line(host="-"), None)
    assert read_line(json_line(host=""), "b.example").record.host == "b.example"


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode()))
def test_any_line_is_read_or_unusable(line: bytes) -> None:
    for candidate in (line, COMBINED.replace(b"/watch/7", line), b'{"time":1,"uri":"' + line):
        try:
            read_line(candidate, "a.example")
        except (Unusable, FieldError) as error:
            assert str(error)


@given(
    st.dictionaries(
        st.sampled_from(["time", "method", "uri", "host", "request", "http_user_agent"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
    )
)
def test_any_object_is_read_or_unusable(document: dict[str, object]) -> None:
    line = json.dumps({"time": 1.5, "method": "GET", "uri": "/", **document}).encode()
    try:
        read_line(line, "a.example")
    except (Unusable, FieldError) as error:
        assert str(error)


def test_each_line_is_an_entry_or_says_why() -> None:
    lines = b"".join([b"x\n" * 2, b"\n", DEPLOYED + b"\r\n"])
    one, two, three = read_log(io.BytesIO(lines), None)
    assert isinstance(one, str) and one.startswith("1: neither")
    assert isinstance(two, str) and two.startswith("2: neither")
    assert isinstance(three, Entry)

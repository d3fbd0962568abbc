"""Checks reading log lines of nginx and Apache: each format, and lines without a request."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.formats import access_log
from mirror.formats.access_log import (
    MAX_LINE_BYTES,
    BadLine,
    CountedRequest,
    KnownIds,
    LoggedRequest,
    local_second,
    read_combined,
    read_json,
    read_line,
    unescaped,
)

COMBINED = (
    b'10.0.0.1 - - [31/Dec/2025:23:59:59 +0900] "GET /watch/7?x=1 HTTP/1.1" 200 512 '
    b'"https://example.com/a" "Mozilla/5.0 (X11)"'
)
NEW_YEAR_S = 1767193199
"""The time above in Unix seconds (14:59:59 UTC)."""

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


def why_bad(line: bytes) -> str:
    with pytest.raises(BadLine) as error:
        read_line(line)
    return str(error.value)


def as_counted(request: LoggedRequest) -> CountedRequest:
    return request.target, request.request_id, request.time_s, request.duration_s is not None


# --- the combined format ---


def test_combined_line_is_read() -> None:
    assert read_line(COMBINED) == LoggedRequest(
        time_s=NEW_YEAR_S,
        is_whole_second=True,
        duration_s=None,
        method="GET",
        target="/watch/7?x=1",
        host="",
        request_id="",
        headers=(("user-agent", "Mozilla/5.0 (X11)"), ("referer", "https://example.com/a")),
    )


def test_combined_block_is_read_at_once() -> None:
    line = (b"31/Dec/2025:23:59:59 +0900", b"/watch/7?x=1")
    assert read_combined(COMBINED + b"\nbad\n" + COMBINED) == [line, line]


@pytest.mark.parametrize(
    ("zone", "shift_s"), [(b"+0000", 9 * 3600), (b"-0330", 12.5 * 3600), (b"+0900", 0)]
)
def test_zone_of_a_combined_line_counts(zone: bytes, shift_s: float) -> None:
    assert read_line(COMBINED.replace(b"+0900", zone)).time_s == NEW_YEAR_S + shift_s


def test_common_format_and_further_fields_are_read() -> None:
    common = COMBINED[: COMBINED.index(b' "https')]
    assert read_line(common).headers == ()
    assert read_line(COMBINED + b' "1.2.3.4" 0.005').target == "/watch/7?x=1"


def test_user_with_spaces_is_read() -> None:
    assert read_line(COMBINED.replace(b"- -", b"- a b")).method == "GET"


def test_apache_with_its_virtual_host_is_read() -> None:
    assert read_line(b"www.example.com:443 " + COMBINED).time_s == NEW_YEAR_S


def test_dash_is_no_header() -> None:
    line = COMBINED.replace(b"https://example.com/a", b"-")
    assert [name for name, _ in read_line(line).headers] == ["user-agent"]


def test_escapes_become_bytes_again() -> None:
    line = COMBINED.replace(b"/watch/7", rb"/\xE3\x81\x82\x22\"").replace(b"X11", rb"\x22\\")
    request = read_line(line)
    assert request.target.encode("latin-1") == b'/\xe3\x81\x82""?x=1'
    assert request.headers[0] == ("user-agent", 'Mozilla/5.0 ("\\)')
    ((_, target),) = read_combined(line)
    assert unescaped(target).decode("latin-1") == request.target


@pytest.mark.parametrize("cut", range(COMBINED.index(b"200 ") + 4))
def test_cut_line_is_no_request(cut: int) -> None:
    with pytest.raises(BadLine):
        read_line(COMBINED[:cut])
    assert read_combined(COMBINED[:cut]) == []


# --- JSON objects ---


@pytest.mark.parametrize("line", [SYSLOG, DEPLOYED])
def test_json_formats_of_this_project_are_read(line: bytes) -> None:
    expected = LoggedRequest(NEW_YEAR_S + 0.25, False, None, "GET", "/a?b", "a.example", "", ())
    assert read_line(line) == expected
    assert read_json(line + b"\n") == [as_counted(expected)]


def test_usual_json_names_are_read() -> None:
    line = json_line(
        **{"time": None, "method": None, "uri": None, "host": None},
        time_iso8601="2025-12-31T23:59:59+09:00",
        request="HEAD /b HTTP/2.0",
        http_host="b.example:8080",
        http_user_agent="curl",
        http_referer="-",
    )
    assert read_line(line) == LoggedRequest(
        NEW_YEAR_S, True, None, "HEAD", "/b", "b.example:8080", "", (("user-agent", "curl"),)
    )


def test_first_key_with_a_value_counts() -> None:
    line = json_line(uri="/index.html", request_uri="/?a=1", server_name="_", http_host="c.example")
    assert (read_line(line).target, read_line(line).host) == ("/?a=1", "c.example")
    line = json_line(request_uri="-", http_host="", msec="-")
    assert (read_line(line).target, read_line(line).host) == ("/", "a.example")
    assert read_line(line).time_s == 5.5


def test_key_of_another_type_is_passed_over() -> None:
    # Elastic's schema has objects under these names.
    line = json_line(host={"name": "web-1"}, server_name="b.example", id={}, request={"id": 7})
    assert read_line(line).host == "b.example"
    assert read_line(json_line(request_uri=7)).target == "/"
    assert read_json(line) == [as_counted(read_line(line))]


@pytest.mark.parametrize(
    ("time", "seconds", "is_whole"),
    [
        (1767193199, NEW_YEAR_S, True),
        ("1767193199", NEW_YEAR_S, True),
        (1767193199.5, NEW_YEAR_S + 0.5, False),
        ("1767193199.500", NEW_YEAR_S + 0.5, False),
        (1767193199500, NEW_YEAR_S + 0.5, False),
        ("1767193199000", NEW_YEAR_S, False),
        ("2025-12-31T14:59:59Z", NEW_YEAR_S, True),
        ("2025-12-31T14:59:59.500Z", NEW_YEAR_S + 0.5, False),
        ("2025-12-31T14:59:59,500Z", NEW_YEAR_S + 0.5, False),
        ("31/Dec/2025:23:59:59 +0900", NEW_YEAR_S, True),
    ],
)
def test_time_is_read_as_written(time: object, seconds: float, is_whole: bool) -> None:
    request = read_line(json_line(time=time))
    assert (request.time_s, request.is_whole_second) == (seconds, is_whole)


@pytest.mark.parametrize("duration", ["2.250", 2.25])
def test_request_counts_when_it_began(duration: object) -> None:
    request = read_line(json_line(request_time=duration))
    assert (request.time_s, request.duration_s) == (3.25, 2.25)


@pytest.mark.parametrize("duration", [None, "", "-"])
def test_request_without_duration_counts_when_it_ended(duration: object) -> None:
    request = read_line(json_line(request_time=duration))
    assert (request.time_s, request.duration_s) == (5.5, None)


def test_only_an_id_of_nginx_is_one() -> None:
    assert read_line(json_line(request_id="0" * 32)).request_id == "0" * 32
    assert read_line(json_line(id="0" * 32)).request_id == "0" * 32
    assert read_line(json_line(id="7")).request_id == ""


def test_json_bytes_are_kept() -> None:
    line = b'{"time": 1.5, "method": "GET", "uri": "/\xff\xe3\x81\x82", "host": "a"}'
    assert read_line(line).target.encode("latin-1") == b"/\xff\xe3\x81\x82"
    assert read_json(json_line(uri="/\u3042"))[0][0].encode("latin-1") == b"/\xe3\x81\x82"


@pytest.mark.parametrize("block", [DEPLOYED * 2 + b"\n", DEPLOYED.replace(b",", b",\n") + b"\n"])
def test_block_has_one_object_a_line(block: bytes) -> None:
    with pytest.raises(BadLine, match="one JSON object a line"):
        read_json(block)


# --- lines without a request ---


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "neither a JSON object nor the combined format"),
        (b"hello", "neither a JSON object nor the combined format"),
        (COMBINED.replace(b"GET /watch/7?x=1 HTTP/1.1", rb"\x16\x03\x01"), "request line"),
        (COMBINED.replace(b"GET /watch/7?x=1 HTTP/1.1", b"-"), "request line"),
        (COMBINED.replace(b"/watch/7", b"/a b"), "request line"),
        (COMBINED.replace(b"31/Dec", b"32/Dec"), "32/Dec/2025:23:59:59 +0900' does not exist: day"),
        (COMBINED.replace(b"31/Dec", b"31/Dez"), "31/Dez/2025:23:59:59 +0900' does not exist"),
        (COMBINED.replace(b"+0900", b"+9900"), "does not exist"),
        (COMBINED.replace(b"31/Dec/2025:23", b"2025-12-31T23"), "is not like 31/Dec/2025"),
        (b'{"time": 1', "not a JSON object"),
        (b'{"a":' * 50_000, "not a JSON object"),
        (json_line(time=None), "has no time"),
        (json_line(time=True), "has no time"),
        (json_line(time="-"), "has no time"),
        (json_line(time="yesterday"), "neither Unix time nor ISO 8601"),
        (json_line(time=["5"]), "neither Unix time nor ISO 8601"),
        (json_line(time="2025-12-31T14:59:59"), "has no offset from UTC"),
        (json_line(time="nan"), "no Unix time"),
        (json_line(time=-1), "no Unix time"),
        (json_line(time=1e15), "no Unix time"),
        (json_line(time=10**400), "neither Unix time"),
        (json_line(uri=None), "has no request_uri"),
        (json_line(uri=None, request="GET"), "has no request_uri"),
        (json_line(uri=7), "has no request_uri"),
        (json_line(uri="/\ud800"), "has no request_uri"),
        (json_line(request_time="nan"), "no duration"),
        (json_line(request_time="-1"), "no duration"),
        (json_line(request_time="fast"), "no duration"),
        (json_line(request_time=["1"]), "no duration"),
        (json_line(request_time=6), "no duration"),
        (b"{" + b" " * MAX_LINE_BYTES, "longer than"),
    ],
)
def test_bad_line_says_why(line: bytes, why: str) -> None:
    assert why in why_bad(line)


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode()))
def test_any_line_is_read_or_bad(line: bytes) -> None:
    for candidate in (line, COMBINED.replace(b"/watch/7", line), b'{"time":1,"uri":"' + line):
        try:
            read_line(candidate)
        except BadLine as error:
            assert str(error)


_values = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text())),
    st.sampled_from(["-", "5", "0.5", "2025-12-31T14:59:59Z", "GET /r HTTP/1.1", "0" * 32]),
)
_objects = st.dictionaries(
    st.sampled_from(["t", "time", "method", "u", "uri", "host", "request", "id", "request_time"]),
    _values,
)


@given(_objects)
def test_block_and_line_say_the_same(document: dict[str, object]) -> None:
    line = json.dumps({"time": 1.5, "method": "GET", "uri": "/", **document}).encode()
    try:
        expected = as_counted(read_line(line))
    except BadLine as error:
        # The reader reports such a line per block of lines only.
        assert str(error)
        with pytest.raises(BadLine):
            read_json(line)
        return
    try:
        assert read_json(line) == [expected]
    except BadLine as error:
        # Values that only Python's decoder accepts, such as NaN, take the path through read_line.
        assert str(error).startswith("not a JSON object")


@given(st.binary(max_size=40).filter(lambda text: b"\n" not in text))
def test_combined_block_and_line_say_the_same(text: bytes) -> None:
    line = COMBINED.replace(b"/watch/7", text)
    found = [(local_second(time), unescaped(target)) for time, target in read_combined(line)]
    try:
        request = read_line(line)
    except BadLine:
        assert found == []
    else:
        assert found == [(request.time_s, request.target.encode("latin-1"))]


# --- requests that a log holds twice ---


def test_repeats_are_known_by_their_id() -> None:
    known_ids = KnownIds()
    assert [known_ids.is_repeat(request_id) for request_id in "abab"] == [False, False, True, True]


def test_known_ids_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "RECENT_IDS", 3)
    known_ids = KnownIds()
    # An id is remembered for at least 3 and at most 6 further ids.
    assert not any(known_ids.is_repeat(request_id) for request_id in "abcdefg")
    assert known_ids.is_repeat("e")
    assert not known_ids.is_repeat("a")

"""Checks reading access logs that are JSON objects: known keys, mapped keys, bad values."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.formats.access_log.json_lines import (
    CountedRequest,
    Wrapped,
    read_json,
    read_object,
)
from mirror.formats.access_log.request import BadLine, LoggedRequest, NotARequest

NEW_YEAR_S = 1767193199
"""The time above in Unix seconds (14:59:59 UTC)."""

SYSLOG = (
    b'{"id":"8f","t":1767193199.250,"s":200,"urt":"0.004","m":"GET","u":"/a?b","h":"a.example"}'
)
DEPLOYED = (
    b'{"id":"8f","time":"1767193199.250","status":"200","method":"GET","host":"a.example",'
    b'"uri":"/a?b","upstream_s":"0.004","upstream":"127.0.0.1:3000","upstream_bytes":"70001",'
    b'"bytes":"9000","completion":"OK","location":"","connection":"7","connection_requests":"3",'
    b'"pid":"41"}'
)
BEFORE_ITS_LAST_KEYS = (
    b'{"id":"8f","time":"1767193199.250","status":"200","method":"GET","host":"a.example",'
    b'"uri":"/a?b","upstream_s":"0.004","upstream":"127.0.0.1:3000"}'
)


def json_line(**keys: object) -> bytes:
    line = {"time": 5.5, "method": "GET", "uri": "/", "host": "a.example"} | keys
    return json.dumps({key: value for key, value in line.items() if value is not None}).encode()


def why_bad(line: bytes) -> str:
    with pytest.raises(BadLine) as error:
        read_object(line)
    return str(error.value)


def as_counted(request: LoggedRequest) -> CountedRequest:
    duration_s = (request.duration_s or 0.0) if request.is_begin else -1.0
    return request.target, request.request_id, request.time_s, duration_s


# --- JSON objects ---


@pytest.mark.parametrize("line", [SYSLOG, DEPLOYED, BEFORE_ITS_LAST_KEYS])
def test_json_formats_of_this_project_are_read(line: bytes) -> None:
    expected = LoggedRequest(
        NEW_YEAR_S + 0.25, False, None, "GET", "/a?b", "a.example", "", (), status=200
    )
    assert read_object(line) == expected
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
    assert read_object(line) == LoggedRequest(
        NEW_YEAR_S, True, None, "HEAD", "/b", "b.example:8080", "", (("user-agent", "curl"),)
    )


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("status", 404, 404),
        ("status", "301", 301),
        ("status", "000", None),
        ("response_code", 0, None),
        ("response_code", 503, 503),
        ("DownstreamStatus", 499, 499),
        ("status_code", 200, 200),
        ("status", "ok", None),
    ],
)
def test_the_answer_is_read(key: str, value: object, status: int | None) -> None:
    assert read_object(json_line(**{key: value})).status == status


def test_first_key_with_a_value_counts() -> None:
    line = json_line(uri="/index.html", request_uri="/?a=1", server_name="_", http_host="c.example")
    assert (read_object(line).target, read_object(line).host) == ("/?a=1", "c.example")
    line = json_line(request_uri="-", http_host="", msec="-")
    assert (read_object(line).target, read_object(line).host) == ("/", "a.example")
    assert read_object(line).time_s == 5.5


def test_key_of_another_type_is_passed_over() -> None:
    # Elastic's schema has objects under these names.
    line = json_line(host={"name": "web-1"}, server_name="b.example", id={}, request={"id": 7})
    assert read_object(line).host == "b.example"
    assert read_object(json_line(request_uri=7)).target == "/"
    assert read_json(line) == [as_counted(read_object(line))]


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
    request = read_object(json_line(time=time))
    assert (request.time_s, request.is_whole_second) == (seconds, is_whole)


@pytest.mark.parametrize("duration", ["2.250", 2.25])
def test_request_counts_when_it_began(duration: object) -> None:
    request = read_object(json_line(request_time=duration))
    assert (request.time_s, request.duration_s) == (3.25, 2.25)


@pytest.mark.parametrize("duration", [None, "", "-"])
def test_request_without_duration_counts_when_it_ended(duration: object) -> None:
    request = read_object(json_line(request_time=duration))
    assert (request.time_s, request.duration_s) == (5.5, None)


def test_only_an_id_of_nginx_is_one() -> None:
    assert read_object(json_line(request_id="0" * 32)).request_id == "0" * 32
    assert read_object(json_line(id="0" * 32)).request_id == "0" * 32
    assert read_object(json_line(id="7")).request_id == ""


def test_json_bytes_are_kept() -> None:
    line = b'{"time": 1.5, "method": "GET", "uri": "/\xff\xe3\x81\x82", "host": "a"}'
    assert read_object(line).target.encode("latin-1") == b"/\xff\xe3\x81\x82"
    assert read_json(json_line(uri="/\u3042"))[0][0].encode("latin-1") == b"/\xe3\x81\x82"


@pytest.mark.parametrize("block", [DEPLOYED * 2 + b"\n", DEPLOYED.replace(b",", b",\n") + b"\n"])
def test_block_has_one_object_a_line(block: bytes) -> None:
    with pytest.raises(BadLine, match="one JSON object a line"):
        read_json(block)


# --- the keys of others ---


def test_an_absolute_target_names_the_host() -> None:
    request = read_object(json_line(uri="https://b.example:443/a?b", host=None))
    assert (request.target, request.host) == ("/a?b", "b.example")


def test_escapes_that_json_does_not_know_are_read() -> None:
    line = rb'{"time":5,"uri":"/\xE3\x81\x82","user_agent":"say \x22hi\x22 \\x41 \n"}'
    request = read_object(line)
    assert request.target.encode("latin-1") == b"/\xe3\x81\x82"
    assert request.headers == (("user-agent", 'say "hi" \\x41 \n'),)


@pytest.mark.parametrize("key", ["log", "MESSAGE", "message"])
@pytest.mark.parametrize("inner", ["a line", {"uri": "/"}, list(b"a line")])
def test_an_object_around_a_line_gives_the_line(key: str, inner: object) -> None:
    with pytest.raises(Wrapped) as error:
        read_object(json.dumps({key: inner, "time": 5}).encode())
    assert error.value.line == (b'{"uri": "/"}' if isinstance(inner, dict) else b"a line")


def test_an_empty_request_is_no_loss() -> None:
    with pytest.raises(NotARequest):
        read_object(json_line(uri=None, request="-"))


# --- lines without a request ---


@pytest.mark.parametrize(
    ("line", "why"),
    [
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
        (json_line(time=1e21), "no Unix time"),
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
    ],
)
def test_bad_line_says_why(line: bytes, why: str) -> None:
    assert why in why_bad(line)


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
        expected = as_counted(read_object(line))
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

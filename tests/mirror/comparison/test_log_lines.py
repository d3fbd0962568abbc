"""Checks what is read from a line of nginx's access log, and that no line raises."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.comparison.log_lines import (
    LONGEST_ID,
    answer_of,
    id_of,
    logged_at_s,
    place_of,
    read_line,
)
from mirror.core.comparison.answer import NOT_ANSWERED, UNKNOWN_BYTES, Answer
from mirror.core.comparison.envoy_reply import location_in
from mirror.core.comparison.redirects import MOST_LOCATION_BYTES

HEADER = b"<190>Nov 26 08:18:58 nginx: "
# As nginx 1.22.1 wrote it with deploy/nginx/log-format.conf.
LINE = (
    b'{"id":"56690e51805e5e29179efcc7c6a72283","time":"1795681138.922","status":"200",'
    b'"method":"GET","host":"127.0.0.1:18099","uri":"/a","upstream_s":"0.004",'
    b'"upstream":"127.0.0.1:18098","upstream_bytes":"70001","bytes":"9000","completion":"OK",'
    b'"location":"","connection":"1","connection_requests":"11","pid":"13088"}'
)


def answer(**values: object) -> Answer | None:
    """Return the answer in a line with these values in place of the usual ones."""
    line = read_line(json.dumps(json.loads(LINE) | values).encode())
    assert line is not None
    return answer_of(line)


@pytest.mark.parametrize("data", [LINE, HEADER + LINE, b"<190>Nov 26 08:18:58 a.b nginx: " + LINE])
def test_a_line_says_what_production_answered(data: bytes) -> None:
    line = read_line(data)
    assert line is not None
    assert id_of(line) == "56690e51805e5e29179efcc7c6a72283"
    assert logged_at_s(line) == 1795681138.922
    assert place_of(line) == (":13088:1", 11)
    assert answer_of(line) == Answer(200, "2xx", 4000, 70001)


def test_values_may_stand_under_the_names_of_their_variables() -> None:
    line = read_line(
        b'{"request_id":"8f","msec":5.5,"status":301,"upstream_response_time":0.5,'
        b'"body_bytes_sent":7,"upstream_response_length":"-","request_completion":"OK",'
        b'"upstream_http_location":"/b?token=1","connection":3,"connection_requests":2}'
    )
    assert line is not None
    assert (id_of(line), logged_at_s(line), place_of(line)) == ("8f", 5.5, (":0:3", 2))
    assert answer_of(line) == Answer(301, "3xx", 500_000, 7, location="/b")


@pytest.mark.parametrize(
    ("upstream_s", "latency_us"),
    [
        ("0.010", 10_000),
        ("0.010, 0.020", 30_000),
        ("0.010 : 0.030", 40_000),
        ("0.010, 0.020 : 0.030", 60_000),
        ("-, 0.020", 20_000),
        ("-", NOT_ANSWERED),
        ("", NOT_ANSWERED),
        ("-, -", NOT_ANSWERED),
        ("0.010, soon", NOT_ANSWERED),
        ("nan", NOT_ANSWERED),
        ("-1", NOT_ANSWERED),
        ("1e9", NOT_ANSWERED),
        ("60000, 60000", NOT_ANSWERED),
        (", ".join(["0.1"] * 1000), NOT_ANSWERED),
        (None, NOT_ANSWERED),
        ([1], NOT_ANSWERED),
    ],
)
def test_the_client_waited_for_every_upstream_that_was_tried(
    upstream_s: object, latency_us: int
) -> None:
    found = answer(upstream_s=upstream_s)
    assert found is not None and found.latency_us == latency_us


@pytest.mark.parametrize(
    ("values", "length"),
    [
        ({"upstream_bytes": "0, 512"}, 512),
        ({"upstream_bytes": "-", "bytes": "9"}, 9),
        ({"upstream_bytes": "", "bytes": ""}, UNKNOWN_BYTES),
        ({"upstream_bytes": "-1", "bytes": "x"}, UNKNOWN_BYTES),
        ({"upstream_bytes": 12}, 12),
        ({"upstream_bytes": "9" * 400, "bytes": 10**400}, UNKNOWN_BYTES),
    ],
)
def test_the_length_is_that_of_the_last_upstream(values: dict[str, object], length: int) -> None:
    found = answer(**values)
    assert found is not None and found.body_bytes == length


@pytest.mark.parametrize("status", ["000", "009", "", "-", "1000", "2xx", None, [], 10**30])
def test_a_line_may_name_no_status(status: object) -> None:
    assert answer(status=status) is None


def test_an_answer_that_nobody_waited_for_is_aborted() -> None:
    assert answer(status="499") == Answer(0, "aborted")


def test_of_an_answer_that_was_cut_only_the_status_is_known() -> None:
    assert answer(completion="") == Answer(200, "2xx")


def test_only_a_redirect_leads_elsewhere() -> None:
    for status, location in (("302", "/in"), ("304", ""), ("200", "")):
        found = answer(status=status, location="/in?next=%2F#top")
        assert found is not None and found.location == location


@pytest.mark.parametrize("value", ["", "-", "a" * (LONGEST_ID + 1), 7, None, ["a"]])
def test_what_joins_nothing_is_no_id(value: object) -> None:
    line = read_line(json.dumps({"id": value}).encode())
    assert line is not None and id_of(line) == ""


@pytest.mark.parametrize(
    "data",
    [b"", b"{", LINE[:-20], HEADER + b'1.2.3.4 - - "GET /"', b"[1]", b"{" * 100_000, b'{"id":}'],
)
def test_what_is_no_object_is_unreadable(data: bytes) -> None:
    assert read_line(data) is None


def test_bytes_in_any_encoding_do_not_hide_the_rest() -> None:
    line = read_line(b'{"id":"8f","status":"404","uri":"/caf\xe9","location":"\xff"}')
    assert line is not None
    assert (id_of(line), answer_of(line)) == ("8f", Answer(404, "4xx"))


@pytest.mark.parametrize("number", [10**18, "9" * 18, 10**30, "9" * 30, -1, "1e3", 0])
def test_a_number_that_cannot_be_is_no_place(number: object) -> None:
    line = read_line(json.dumps(json.loads(LINE) | {"connection_requests": number}).encode())
    assert line is not None and place_of(line) is None


@pytest.mark.parametrize("time", ["1e400", "nan", "-1", "now", "", None, 1e300])
def test_a_time_that_cannot_be_is_unknown(time: object) -> None:
    line = read_line(json.dumps(json.loads(LINE) | {"time": time}).encode())
    assert line is not None and logged_at_s(line) is None


@given(
    st.dictionaries(
        st.sampled_from(list(json.loads(LINE))),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([]),
    )
)
def test_no_value_raises(values: dict[str, object]) -> None:
    line = read_line(json.dumps(json.loads(LINE) | values).encode())
    if line is not None:
        id_of(line), logged_at_s(line), place_of(line)
        found = answer_of(line)
        assert found is None or found.status == 0 or 100 <= found.status <= 999


def test_a_location_is_kept_as_the_bytes_of_the_shadow_are() -> None:
    line = read_line('{"id":"8f","status":"302","location":"/caf\u00e9"}'.encode())
    assert line is not None
    found = answer_of(line)
    assert found is not None
    assert found.location == location_in("location: /caf\u00e9\r\n".encode())
    long = answer(status="302", location="/" + "a" * 9000)
    assert long is not None and long.location == "/" + "a" * (MOST_LOCATION_BYTES - 1)


def test_a_location_whose_bytes_are_lost_is_unknown() -> None:
    line = read_line(b'{"id":"8f","status":"302","location":"/caf\xe9"}')
    assert line is not None
    found = answer_of(line)
    assert found is not None and found.location == ""


def test_two_containers_have_connections_of_their_own() -> None:
    """Each counts from 1, and has the same pids: without the host, a gap would show."""
    places = set()
    for hostname in ("web-1", "web-2", "a" * 9000, None):
        line = read_line(json.dumps(json.loads(LINE) | {"hostname": hostname}).encode())
        assert line is not None and (place := place_of(line)) is not None
        assert len(place[0]) < 100
        places.add(place)
    assert len(places) == 4

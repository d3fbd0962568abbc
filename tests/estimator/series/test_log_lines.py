import json

import pytest

from estimator.series.log_lines import (
    Unusable,
    combined_second,
    read_combined,
    read_json,
    read_line,
)

COMBINED = (
    b'10.0.0.1 - frank [15/Nov/2023:07:13:20 +0900] "GET /a?b=1 HTTP/1.1" 200 5 "-" "curl/8"\n'
)
T = 1_700_000_000


def line(**keys: object) -> bytes:
    return json.dumps({"uri": "/a", "msec": f"{T}.250"} | keys).encode()


def test_combined_is_read_as_a_block() -> None:
    assert read_combined(COMBINED * 2) == [(b"15/Nov/2023:07:13:20 +0900", b"/a?b=1")] * 2


def test_offset_of_the_log_is_honoured() -> None:
    assert read_line(COMBINED) == ("/a?b=1", "", "", T)
    assert combined_second(b"14/Nov/2023:16:43:20 -0530") == T


@pytest.mark.parametrize("cut", range(len(COMBINED) - 25))
def test_a_cut_line_never_counts(cut: int) -> None:
    # Up to the status; what stands after it is not needed.
    if cut <= COMBINED.index(b"200 ") + 3:
        with pytest.raises(Unusable):
            read_line(COMBINED[:cut])
        assert read_combined(COMBINED[:cut]) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "neither"),
        (b"hello", "neither"),
        (COMBINED.replace(b"GET /a?b=1 HTTP/1.1", b"-"), "METHOD TARGET"),
        (COMBINED.replace(b"GET /a?b=1 HTTP/1.1", b"\\x16\\x03\\x01"), "METHOD TARGET"),
        (COMBINED.replace(b"Nov", b"Foo"), "is none"),
        (COMBINED.replace(b"15/", b"35/"), "is none"),
        (b"x" * (1 << 20), "longer than"),
        (b'{"uri":"/a"}', "neither Unix time"),
        (b'{"msec":"1700000000.1"}', "has no request_uri"),
        (b'{"uri":"/a","msec":', "not such a JSON object"),
        (b'{"uri":7,"msec":1}', "not such a JSON object"),
        (line(msec="soon"), "neither Unix time nor ISO 8601"),
        (line(msec="2023-11-14T22:13:20"), "no offset"),
        (line(msec=-5), "no Unix time"),
        (line(msec="nan"), "no Unix time"),
        (line(request_time="nan"), "no duration"),
        (line(request_time="-1"), "no duration"),
        (line(request_time="fast"), "no duration"),
        (line(uri="-", request="GET /"), "has no request_uri"),
    ],
)
def test_what_is_no_request_says_why(text: bytes, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        read_line(text)


def test_a_quote_in_the_target_ends_nothing() -> None:
    escaped = COMBINED.replace(b"/a?b=1", rb"/a\"b\x22c")
    assert read_line(escaped)[0] == r"/a\"b\x22c"


def test_apache_with_its_virtual_host_is_read() -> None:
    assert read_line(b"www.example.com:443 " + COMBINED)[3] == T


@pytest.mark.parametrize(
    ("keys", "second"),
    [
        ({}, T + 0.25),
        ({"msec": T + 0.25}, T + 0.25),
        ({"msec": (T + 0.25) * 1000}, T + 0.25),
        ({"msec": "", "time": "2023-11-14T22:13:20Z"}, T),
        ({"msec": None, "time_iso8601": "2023-11-15T07:13:20+09:00"}, T),
        ({"msec": None, "time_local": "15/Nov/2023:07:13:20 +0900"}, T),
        ({"msec": None, "@timestamp": "2023-11-14T22:13:20.5+00:00"}, T + 0.5),
        ({"time_local": "15/Nov/2023:00:00:00 +0900"}, T + 0.25),
    ],
)
def test_milliseconds_are_preferred(keys: dict[str, object], second: float) -> None:
    assert read_line(line(**keys))[3] == second


def test_a_request_counts_when_it_began() -> None:
    assert read_line(line(request_time="2.250"))[2:] == ("request_time", T - 2)
    assert read_line(line(request_time="-"))[2:] == ("", T + 0.25)


def test_only_an_id_of_nginx_is_one() -> None:
    assert read_line(line(request_id="0" * 32))[1] == "0" * 32
    assert read_line(line(id="7"))[1] == ""


def test_our_own_log_format_is_read() -> None:
    ours = (
        b'{"id":"5f2c","time":"1700000000.123","status":"200","method":"GET","host":"h",'
        b'"uri":"/watch/7?x=1","upstream_s":"0.012","upstream":"127.0.0.1:1"}'
    )
    assert read_json(ours + b"\n") == [("/watch/7?x=1", "", "", 1_700_000_000.123)]

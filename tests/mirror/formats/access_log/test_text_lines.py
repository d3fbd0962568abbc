"""Checks reading access logs that are lines of text: each format, hosts, durations, damage."""

from contextlib import suppress
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.formats.access_log.request import (
    NO_OFFSET,
    NO_REQUEST,
    BadLine,
    LoggedRequest,
    NotARequest,
)
from mirror.formats.access_log.text_lines import (
    READERS,
    origin_form,
    read_alb,
    read_combined,
    read_envoy,
    read_haproxy,
    unescaped,
)

COMBINED = (
    b'10.0.0.1 - - [31/Dec/2025:23:59:59 +0900] "GET /watch/7?x=1 HTTP/1.1" 200 512 '
    b'"https://example.com/a" "Mozilla/5.0 (X11)"'
)
NEW_YEAR_S = 1767193199
"""The time above in Unix seconds (14:59:59 UTC)."""

ENVOY = (
    b'[2025-12-31T14:59:59.125Z] "GET /watch/7?x=1 HTTP/2" 200 - 0 178 2500 1 "192.0.2.7" "curl/8"'
    b' "00000000-0000-4000-8000-000000000001" "watch.example:8080" "192.0.2.10:8080"'
)
ISTIO = (
    b'[2025-12-31T14:59:59.125Z] "GET /watch/7?x=1 HTTP/1.1" 503 UF upstream_reset - "-" 0 178 2 -'
    b' "-" "a "b" c" "00000000-0000-4000-8000-000000000001" "watch.example" "192.0.2.10:8080"'
    b" inbound|8080|| 127.0.0.6:47001 192.0.2.10:8080 192.0.2.7:39001 outbound_.8080_._.a default"
)
HAPROXY = (
    b"192.0.2.7:33317 [31/Dec/2025:14:59:59.125] web~ api/srv1 10/0/30/69/109 200 2750 - - ----"
    b' 1/1/1/1/0 0/0 {www.example.com|curl} {} "GET /watch/7?x=1 HTTP/1.1"'
)
ALB = (
    b"https 2025-12-31T15:00:01.500000Z app/front/50dc 192.0.2.7:2817 10.0.0.1:80 0.001 2.000 0.249"
    b' 200 200 34 366 "GET https://www.example.com:443/watch/7?x=1 HTTP/1.1" "curl/8" A T arn:x'
)
ALB_CREATION = (
    b' "Root=1-5" "www.example.com" "arn:y" 0 2025-12-31T14:59:59.125000Z "forward" "-" "-"'
)


def read(line: bytes) -> LoggedRequest:
    request = read_combined(line, None)
    assert request is not None
    return request


def test_combined_line_is_read() -> None:
    assert read(COMBINED) == LoggedRequest(
        time_s=NEW_YEAR_S,
        is_whole_second=True,
        duration_s=None,
        method="GET",
        target="/watch/7?x=1",
        host="",
        request_id="",
        headers=(("user-agent", "Mozilla/5.0 (X11)"), ("referer", "https://example.com/a")),
        status=200,
    )


def test_request_is_found_wherever_it_stands() -> None:
    for line in (b"anything: " + COMBINED, COMBINED.replace(b"- -", b"- a b"), COMBINED + b" more"):
        assert (read(line).time_s, read(line).target) == (NEW_YEAR_S, "/watch/7?x=1")


@pytest.mark.parametrize(
    ("name", "line", "status"),
    [
        ("combined", COMBINED, 200),
        ("combined", COMBINED.replace(b" 200 ", b" 499 "), 499),
        ("combined", COMBINED.replace(b" 200 ", b" - "), None),
        ("combined", COMBINED.replace(b" 200 ", b" 000 "), None),
        ("envoy", ENVOY, 200),
        ("envoy", ENVOY.replace(b" 200 ", b" 0 "), None),
        ("envoy", ISTIO, 503),
        ("haproxy", HAPROXY, 200),
        ("haproxy", HAPROXY.replace(b" 200 ", b" -1 "), None),
        ("alb", ALB.replace(b" 200 200 ", b" 404 200 "), 404),
        ("alb", ALB.replace(b" 200 200 ", b" - - "), None),
    ],
)
def test_the_answer_is_read(name: str, line: bytes, status: int | None) -> None:
    request = READERS[name](line, UTC)
    assert request is not None
    assert request.status == status


def test_milliseconds_and_iso_times_are_read() -> None:
    for time in (b"31/Dec/2025:23:59:59.125 +0900", b"2025-12-31T14:59:59.125Z"):
        request = read(COMBINED.replace(b"31/Dec/2025:23:59:59 +0900", time))
        assert (request.time_s, request.is_whole_second) == (NEW_YEAR_S + 0.125, False)


@pytest.mark.parametrize(
    ("line", "host"),
    [
        (b"www.example.com:443 " + COMBINED, "www.example.com"),
        (b"api.example.com:8080 " + COMBINED, "api.example.com:8080"),
        (b"app " + COMBINED, "app"),
        (b"203.0.113.9 " + COMBINED, ""),
        (b"10.1.1.1:5555 " + COMBINED, ""),
        (COMBINED + b' "www.example.com"', "www.example.com"),
        (COMBINED + b" www.example.com:8080", "www.example.com:8080"),
        (COMBINED + b' host="www.example.com" rt=0.5', "www.example.com"),
        (COMBINED + b' "192.0.2.7, 192.0.2.8"', ""),
        (COMBINED + b' "-"', ""),
        (COMBINED + b' "a.example.com" "b.example.com"', ""),
        (COMBINED + b' 17 "router@docker" "http://10.0.0.1:80" 3ms', ""),
        (COMBINED.replace(b"/watch", b"https://a.example:443/watch"), "a.example"),
    ],
)
def test_the_host_has_its_place(line: bytes, host: str) -> None:
    assert (read(line).host, read(line).target) == (host, "/watch/7?x=1")


@pytest.mark.parametrize(
    ("end", "duration_s"),
    [
        (b" 489 0.250 [default-web-80] [] 10.1.1.1:80 33 0.249 200 0123456789abcdef", 0.25),
        (b' rt=0.250 uct="0.001"', 0.25),
        (b' request_time="0.250"', 0.25),
        (b" 0.250", None),
        (b" urt=0.250", None),
    ],
)
def test_a_duration_that_is_named_is_subtracted(end: bytes, duration_s: float | None) -> None:
    request = read(COMBINED + end)
    assert request.duration_s == duration_s
    assert request.time_s == NEW_YEAR_S - (duration_s or 0)
    assert request.is_begin == (duration_s is not None)


def test_traefik_stamps_the_begin() -> None:
    assert read(COMBINED + b' 17 "router@docker" "http://10.0.0.1:80" 3ms').is_begin
    assert not read(COMBINED).is_begin


def test_escapes_become_bytes_again() -> None:
    line = COMBINED.replace(b"/watch/7", rb"/\xE3\x81\x82\x22\"").replace(b"X11", rb"\x22\\")
    request = read(line)
    assert request.target.encode("latin-1") == b'/\xe3\x81\x82""?x=1'
    assert request.headers[0] == ("user-agent", 'Mozilla/5.0 ("\\)')
    assert unescaped(rb"\x5C\x") == b"\\x"


@pytest.mark.parametrize("cut", range(COMBINED.index(b"200 ") + 4))
def test_cut_line_is_no_request(cut: int) -> None:
    try:
        assert read_combined(COMBINED[:cut], None) is None
    except BadLine as error:
        assert not isinstance(error, NotARequest)


@pytest.mark.parametrize(
    "request_line", [b"-", b"", rb"\x16\x03\x01", b"GET /a b HTTP/1.1", b"QUIT"]
)
def test_a_connection_without_a_request_is_no_loss(request_line: bytes) -> None:
    with pytest.raises(NotARequest) as error:
        read(COMBINED.replace(b"GET /watch/7?x=1 HTTP/1.1", request_line))
    assert error.value.reason == NO_REQUEST


@pytest.mark.parametrize("line", [ENVOY, ISTIO])
def test_envoy_and_istio_are_read(line: bytes) -> None:
    request = read_envoy(line, None)
    assert request is not None
    assert (request.time_s, request.is_begin) == (NEW_YEAR_S + 0.125, True)
    assert (request.method, request.target) == ("GET", "/watch/7?x=1")
    assert request.host.startswith("watch.example")
    assert request.headers == (("user-agent", "curl/8" if line == ENVOY else 'a "b" c'),)


def test_envoy_logs_connections_too() -> None:
    with pytest.raises(NotARequest):
        read_envoy(ENVOY.replace(b"GET /watch/7?x=1 HTTP/2", b"- - -"), None)


def test_haproxy_is_read_in_its_zone() -> None:
    request = read_haproxy(HAPROXY, UTC)
    assert request is not None
    assert (request.time_s, request.is_begin) == (NEW_YEAR_S + 0.125, True)
    assert (request.method, request.target) == ("GET", "/watch/7?x=1")
    assert request.host == "www.example.com"
    with pytest.raises(BadLine) as error:
        read_haproxy(HAPROXY, None)
    assert error.value.reason == NO_OFFSET


def test_haproxy_escapes_with_a_hash() -> None:
    request = read_haproxy(HAPROXY.replace(b"x=1", b"x=#221#22&y=#E3#23"), UTC)
    assert request is not None and request.target == '/watch/7?x="1"&y=\xe3#'


def test_haproxy_without_captures_or_a_request() -> None:
    request = read_haproxy(HAPROXY.replace(b" {www.example.com|curl} {}", b""), UTC)
    assert request is not None and request.host == ""
    for none in (b'"<BADREQ>"', b"<BADREQ>"):
        with pytest.raises(NotARequest):
            read_haproxy(HAPROXY.replace(b'"GET /watch/7?x=1 HTTP/1.1"', none), UTC)


@pytest.mark.parametrize(
    ("line", "begin_s"), [(ALB, NEW_YEAR_S + 0.25), (ALB + ALB_CREATION, NEW_YEAR_S + 0.125)]
)
def test_balancers_of_aws_are_read(line: bytes, begin_s: float) -> None:
    request = read_alb(line, None)
    assert request is not None
    assert request.time_s == pytest.approx(begin_s)
    assert request.is_begin
    assert (request.target, request.host) == ("/watch/7?x=1", "www.example.com")
    assert read_alb(line.removeprefix(b"https "), None) == request


def test_a_request_that_no_target_answered_has_only_its_end() -> None:
    line = ALB.replace(b"0.001 2.000 0.249", b"-1 -1 -1")
    request = read_alb(line, None)
    assert request is not None
    assert (request.time_s, request.is_begin) == (NEW_YEAR_S + 2.5, False)


def test_origin_form_keeps_paths() -> None:
    assert origin_form(b"/a?b=http://c/d") == (b"/a?b=http://c/d", b"")
    assert origin_form(b"*") == (b"*", b"")
    assert origin_form(b"http://u:p@a.example:80") == (b"/", b"a.example")
    assert origin_form(b"https://a.example:80?b") == (b"/?b", b"a.example:80")


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode()))
def test_any_line_is_read_or_bad(text: bytes) -> None:
    for line in (COMBINED, ENVOY, ISTIO, HAPROXY, ALB):
        for candidate in (text, line.replace(b"/watch/7", text), line.replace(b"200", text)):
            for read_one in READERS.values():
                try:
                    read_one(candidate, UTC)
                except BadLine as error:
                    assert str(error)


HOSTILE = [
    b"[1" * 60_000,
    b"[1] " * 30_000,
    b"a" * 120_000 + b' [31/Dec/2025:23:59:59 +0900] "',
    b"a." * 60_000 + b' 1.1 [31/Dec/2025:23:59:59 +0900] "GET / HTTP/1.1" 200 1 ' + b"a-" * 60_000,
    COMBINED + b' "' + b"a." * 60_000,
    COMBINED + b" rt=" * 30_000,
    COMBINED.replace(b"X11", b"\\" * 120_000),
    b"[31/Dec/2025:14:59:59.125] " + b"a/" * 60_000,
    b"[31/Dec/2025:14:59:59.125] a b/c " + b"1/" * 60_000,
    HAPROXY.replace(b"{}", b"{" * 120_000),
    b'[2025-12-31T14:59:59.125Z] "GET / HTTP/2" 200 - ' + b'0 1 2 3 "" "' * 10_000,
    b'[2025-12-31T14:59:59.125Z] "GET / HTTP/2" 200 - 0 1 2 3 "' + b'" "' * 40_000,
    ALB.replace(b"app/front", b"a/" * 60_000),
    ALB.replace(b"0.249", b"1.2.3"),
    ALB.replace(b"GET https", b'GET "https'),
]


@pytest.mark.parametrize("line", HOSTILE)
def test_no_line_takes_more_than_linear_time(line: bytes) -> None:
    # With quadratic time, one of these lines takes minutes.
    for read_one in READERS.values():
        with suppress(BadLine):
            read_one(line, UTC)

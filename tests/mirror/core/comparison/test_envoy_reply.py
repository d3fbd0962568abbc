"""Checks who gave an answer, and why; tests/topology/test_envoy_replies.py asks a real Envoy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.core.comparison.answer import DETAILS, UNKNOWN_BYTES, Answer
from mirror.core.comparison.envoy_reply import ReplyReader, location_in
from mirror.core.comparison.redirects import MOST_LOCATION_BYTES

ORIGIN = b"x-envoy-upstream-service-time: 3\r\n"
CONNECT = b"upstream connect error or disconnect/reset before headers. "


def reply(status: int, body: bytes = b"", fields: bytes = b"") -> bytes:
    length = b"content-length: %d\r\n" % len(body)
    kind = b"content-type: text/plain\r\n" if body else b""
    return b"HTTP/1.1 %d Words\r\n%b%b%bserver: istio-envoy\r\n\r\n%b" % (
        *(status, length, kind, fields),
        body,
    )


def read(
    opening: bytes, status: int, shows_origin: bool | None = True, body_bytes: int | None = None
) -> Answer:
    reader = ReplyReader()
    reader.shows_origin = shows_origin
    _, _, body = opening.partition(b"\r\n\r\n")
    size = len(body) if body_bytes is None else body_bytes
    return reader.answer(f"{status // 100}xx", status, 1000, size, opening)


@pytest.mark.parametrize(
    ("status", "body", "fields", "detail"),
    [
        (404, b"", b"", ""),
        (426, b"", b"", ""),
        (503, b"no healthy upstream", b"", "no_healthy_upstream"),
        (503, CONNECT + b"reset reason: connection failure", b"", "connect_failed"),
        (503, CONNECT + b"reset reason: remote connection failure", b"", "connect_failed"),
        (503, CONNECT + b"reset reason: connection_timeout", b"", "connect_failed"),
        (503, CONNECT + b"reset reason: connection termination", b"", "reset"),
        (503, CONNECT + b"retried and the latest reset reason: remote reset", b"", "reset"),
        (503, CONNECT + b"reset reason: overflow", b"x-envoy-overloaded: true\r\n", "overflow"),
        (503, b"", b"x-envoy-overloaded: true\r\n", "overflow"),
        (
            503,
            CONNECT + b"reset reason: remote connection failure, transport failure reason: "
            b"TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_er",
            b"",
            "tls",
        ),
        (
            503,
            CONNECT + b"reset reason: connection failure, transport failure reason: TLS error: "
            b"268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER",
            b"",
            "tls",
        ),
        (504, b"upstream request timeout", b"", "timeout"),
        (403, b"RBAC: access denied", b"", "rbac"),
        (401, b"Jwt is missing", b"", "jwt"),
        (403, b"Audiences in Jwt are not allowed", b"", "jwt"),
        (429, b"local_rate_limited", b"", "rate_limited"),
        (429, b"", b"x-envoy-ratelimited: true\r\n", "rate_limited"),
        (503, b"fault filter abort", b"", "fault"),
    ],
)
@pytest.mark.parametrize("shows_origin", [True, False, None])
def test_envoys_own_answers(
    status: int, body: bytes, fields: bytes, detail: str, shows_origin: bool | None
) -> None:
    answer = read(reply(status, body, fields), status, shows_origin)
    assert (answer.is_from_proxy, answer.detail) == (True, detail)
    assert (answer.status, answer.body_bytes, answer.latency_us) == (status, len(body), 1000)
    assert detail in DETAILS


def test_the_envoy_beside_an_application_is_told_by_its_words() -> None:
    answer = read(reply(403, b"RBAC: access denied", ORIGIN), 403)
    assert (answer.is_from_proxy, answer.detail) == (True, "rbac")


@pytest.mark.parametrize("shows_origin", [True, False, None])
@pytest.mark.parametrize("body", [b"", b"<h1>no such page</h1>"])
def test_an_application_has_the_header(body: bytes, shows_origin: bool | None) -> None:
    for fields in (ORIGIN, ORIGIN.upper()):
        answer = read(reply(404, body, fields), 404, shows_origin)
        assert (answer.is_from_proxy, answer.detail) == (False, "")


def test_without_the_header_anywhere_a_body_is_an_applications() -> None:
    page = reply(404, b"<h1>no such page</h1>")
    assert read(page, 404, shows_origin=True).is_from_proxy
    for shows_origin in (False, None):
        assert not read(page, 404, shows_origin).is_from_proxy
        assert read(reply(404), 404, shows_origin).is_from_proxy
        typed = reply(404, b"", b"content-type: text/html\r\n")
        assert not read(typed, 404, shows_origin).is_from_proxy
        assert not read(reply(404), 404, shows_origin, UNKNOWN_BYTES).is_from_proxy


@pytest.mark.parametrize(
    ("server", "is_from_proxy"),
    [
        (b"server: envoy\r\n", True),
        (b"Server:  istio-envoy\r\n", True),
        (b"", True),  # server_header_transformation: PASS_THROUGH
        (b"Server: gunicorn\r\n", False),
        (b"server: my-envoy\r\n", False),
    ],
)
def test_an_empty_answer_of_another_server_is_an_applications(
    server: bytes, is_from_proxy: bool
) -> None:
    data = b"HTTP/1.1 404 Not Found\r\n%bContent-Length: 0\r\n\r\n" % server
    for shows_origin in (False, None):
        assert read(data, 404, shows_origin).is_from_proxy == is_from_proxy


def test_a_success_shows_whether_there_is_a_header() -> None:
    reader = ReplyReader()
    assert reader.shows_origin is None
    assert not reader.answer("2xx", 200, 1, 2, reply(200, b"ok")).is_from_proxy
    assert reader.shows_origin is False
    reader.answer("2xx", 200, 1, 2, reply(200, b"ok", ORIGIN))
    reader.answer("2xx", 200, 1, 2, reply(200, b"ok"))  # perhaps a direct response of a route
    reader.answer("4xx", 404, 1, 0, reply(404))
    assert reader.shows_origin is True


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (b"location: /login?next=/a#top\r\n", "/login"),
        (b"Location:https://shop.example/caf\xe9 \r\n", "https://shop.example/caf\xe9"),
        (b"x-location: /a\r\n", ""),
        (b"", ""),
        (b"location: /%b\r\n" % (b"a" * 9000), "/" + "a" * (MOST_LOCATION_BYTES - 1)),
    ],
)
def test_location_without_its_query(fields: bytes, expected: str) -> None:
    assert read(reply(302, b"", ORIGIN + fields), 302).location == expected
    assert location_in(fields) == expected
    assert read(reply(201, b"", fields), 201).location == ""


def test_the_final_answer_counts_and_not_what_came_before_it() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nlocation: /no\r\n\r\n"
    answer = read(hints + reply(503, b"no healthy upstream"), 503)
    assert (answer.detail, answer.location) == ("no_healthy_upstream", "")


@given(st.binary(max_size=200), st.integers(200, 999), st.sampled_from([True, False, None]))
def test_no_bytes_of_a_shadow_raise(data: bytes, status: int, shows_origin: bool | None) -> None:
    for opening in (
        data,
        reply(status, data),
        b"HTTP/1.1 100 " + data,
        b"HTTP/1.1 302 F\r\n" + data,
    ):
        answer = read(opening, status, shows_origin) if opening else None
        assert answer is None or (answer.status == status and answer.detail in DETAILS)

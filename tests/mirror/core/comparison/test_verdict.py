"""Checks the verdict on pairs of answers, rule by rule."""

import pytest

from mirror.core.comparison.answer import DETAILS, TLS, Answer
from mirror.core.comparison.verdict import (
    CLASSES,
    NEW_ERRORS,
    RESULTS,
    UNCOMPARED,
    classes_of,
    verdict,
)


def app(status: int, body_bytes: int = 100, location: str = "") -> Answer:
    outcome = f"{min(status // 100, 5)}xx"
    return Answer(status, outcome, 1000, body_bytes, location=location)


def envoy(status: int, detail: str = "", location: str = "") -> Answer:
    outcome = f"{min(status // 100, 5)}xx"
    return Answer(status, outcome, 1000, 0, True, detail, location)


def silent(outcome: str, detail: str = "") -> Answer:
    return Answer(0, outcome, detail=detail)


EQUAL = [
    (app(200), app(200), "same"),
    (app(200), app(304, 0), "same"),
    (app(304, 0), app(200, 9000), "same"),
    (app(200), app(206), "same"),
    (app(200), envoy(204), "same"),
    (app(404), app(404), "same"),
    (app(404), envoy(404), "same"),
    (app(404), app(410), "same"),
    (app(400), app(422), "same"),
    (app(599), app(599), "same"),
    (app(200, 1000), app(200, 2024), "same"),
    (app(200, 1023), app(200, 2048), "size"),
    (app(200, 4096), app(200, 0), "size"),
    (app(200, 5000), app(200, 10_000), "same"),
    (app(200, -1), app(200, 10_000), "same"),
    (app(404, 9000), app(404, 0), "size"),
]
REDIRECTS = [
    (app(302, 0, "/a"), app(302, 0, "/a"), "same"),
    (app(301, 0, "/a"), app(302, 0, "/a"), "same"),
    (app(301, 0, "/a"), envoy(302, "", "/a"), "same"),
    (app(302, 0, "/a"), app(302, 0, "https://elsewhere/a"), "redirect"),
    (app(302, 0), app(302, 0, "/a"), "same"),
    (app(200), app(302, 0, "/login"), "redirect"),
    (app(304), app(302, 0, "/login"), "redirect"),
    (app(200), envoy(301, "", "https://shop.example/"), "redirect"),
    (app(401), app(302, 0, "/login"), "app_status"),
    (app(302, 0, "/a"), app(200), "app_status"),
    (app(302, 0, "/a"), app(304), "app_status"),
]
OF_THE_APP = [
    (app(200), app(404), "app_not_found"),
    (app(302), app(410), "app_not_found"),
    (app(401), app(404), "app_not_found"),
    (app(200), app(401), "app_status"),
    (app(404), app(200), "app_status"),
    (app(200), app(500), "app_error"),
    (app(404), app(503), "app_error"),
    (app(200), app(799), "app_error"),
]
OF_ENVOY = [
    (app(200), envoy(404), "route_miss"),
    (app(403), envoy(404), "route_miss"),
    (app(200), envoy(426), "http_version"),
    (app(200), envoy(429, "rate_limited"), "rate_limited"),
    (app(200), envoy(403, "rbac"), "denied"),
    (app(200), envoy(401, "jwt"), "denied"),
    (app(200), envoy(503, "no_healthy_upstream"), "no_upstream"),
    (app(200), envoy(503, TLS), "mtls"),
    (app(200), envoy(504, "timeout"), "upstream_timeout"),
    (app(200), envoy(413), "proxy_status"),
    (app(200), envoy(500), "proxy_status"),
    (app(404), envoy(200), "proxy_status"),
]
NO_ANSWER = [
    (app(200), silent("timeout"), "timeout"),
    (app(200), silent("reset"), "not_answered"),
    (app(200), silent("connect_failed"), "not_answered"),
    (app(200), silent("connect_failed", TLS), "mtls"),
    (app(200), silent("protocol_error"), "not_answered"),
    (app(200), silent("target_refused"), "not_answered"),
    (app(404), silent("timeout"), "timeout"),
]
PRODUCTION_FAILED = [
    (app(500), app(200), "better"),
    (app(502), app(404), "better"),
    (silent("timeout"), app(302), "better"),
    (silent("reset"), silent("timeout"), "same"),
    (app(502), envoy(504, "timeout"), "same"),
    (app(500), silent("reset"), "same"),
    (silent("reset"), app(500), "same"),
    (app(500), envoy(404), "route_miss"),
    (silent("timeout"), envoy(429), "rate_limited"),
]
ALL = [*EQUAL, *REDIRECTS, *OF_THE_APP, *OF_ENVOY, *NO_ANSWER, *PRODUCTION_FAILED]


@pytest.mark.parametrize(("primary", "shadow", "expected"), ALL)
def test_verdict(primary: Answer, shadow: Answer, expected: str) -> None:
    assert verdict(primary, shadow) == expected


def test_every_result_has_a_row() -> None:
    assert {expected for _, _, expected in ALL} == set(RESULTS)


def test_every_pair_has_a_result_of_the_closed_set() -> None:
    statuses = (0, 200, 204, 301, 304, 307, 400, 401, 403, 404, 410, 426, 429, 500, 503, 504, 999)
    outcomes = ("timeout", "reset")
    shadows = [
        Answer(status, outcome, -1, 10, is_from_proxy, detail)
        for status in statuses
        for outcome in outcomes
        for is_from_proxy in (False, True)
        for detail in DETAILS
    ]
    for status in statuses:
        primary = Answer(status, "")
        for shadow in shadows:
            result = verdict(primary, shadow)
            assert result in RESULTS
            if status == shadow.status:
                assert result not in NEW_ERRORS


@pytest.mark.parametrize(
    ("primary", "shadow", "expected"),
    [
        (app(200), app(404), "2xx>4xx"),
        (silent("reset"), app(304), "none>3xx"),
        (app(999), silent("timeout"), "5xx>none"),
    ],
)
def test_classes(primary: Answer, shadow: Answer, expected: str) -> None:
    assert classes_of(primary, shadow) == expected
    assert set(expected.split(">")) <= set(CLASSES)


def test_what_is_no_new_error() -> None:
    assert set(RESULTS) - NEW_ERRORS == {"same", "size", "better"}


def test_no_reason_is_a_result() -> None:
    assert not set(UNCOMPARED) & set(RESULTS)


def test_a_relative_location_begins_at_the_request() -> None:
    """An app behind another server name may write the same place in another way."""
    ours = app(302, 0, "/next")
    theirs = Answer(302, "3xx", 1000, 0, location="http://h/next", base="//h/a")
    assert verdict(ours, theirs) == "same"
    theirs.base = "//other/a"
    assert verdict(ours, theirs) == "redirect"

"""Checks the verdict on a server by the head of its answer."""

import pytest

from mirror.core.acceptance import (
    Headers,
    Verdict,
    is_from_behind,
    judge,
    printable,
    probe_request,
    refused,
    unreachable,
)

ACCEPTED = ("istio-envoy", "envoy")


@pytest.mark.parametrize("server", ["istio-envoy", "envoy", "Envoy", "envoy/1.36", "envoy (x)"])
def test_envoy_is_accepted_by_value_first_word_or_product(server: str) -> None:
    assert judge(200, [("server", server)], ACCEPTED).is_accepted


@pytest.mark.parametrize(
    "server", ["nginx", "openresty/1.25", "demo-app", "xenvoy", "", "not envoy"]
)
def test_others_are_refused(server: str) -> None:
    verdict = judge(200, [("server", server)], ACCEPTED)
    assert verdict.is_reachable and not verdict.is_accepted


def test_one_server_of_two_that_is_not_accepted_refuses() -> None:
    assert not judge(200, [("server", "envoy"), ("server", "nginx")], ACCEPTED).is_accepted


def test_answer_without_server_is_refused() -> None:
    verdict = judge(204, [], ACCEPTED)
    assert not verdict.is_accepted
    assert "status 204 without a `server` header" in verdict.reason


def test_a_426_of_the_envoy_itself_is_refused() -> None:
    own = [("server", "envoy")]
    assert not judge(426, own, ACCEPTED).is_accepted
    behind = [*own, ("x-envoy-upstream-service-time", "1")]
    assert judge(426, behind, ACCEPTED).is_accepted


@pytest.mark.parametrize(
    ("status", "headers", "code"),
    [
        (404, [("server", "envoy")], "accepted"),
        (200, [], "no_server_name"),
        (200, [("server", "nginx/1.22.1")], "log_nginx"),
        (200, [("server", "Apache")], "other_server"),
        (426, [("server", "envoy")], "http10"),
    ],
)
def test_every_verdict_has_a_code(status: int, headers: Headers, code: str) -> None:
    assert judge(status, headers, ACCEPTED).code == code


def test_only_an_answer_from_behind_an_envoy_has_its_time() -> None:
    assert is_from_behind([("server", "envoy"), ("x-envoy-upstream-service-time", "1")])
    assert not is_from_behind([("server", "envoy")])


def test_labels() -> None:
    assert Verdict(True, True, "accepted", "").label == "accepted"
    assert refused("log_nginx", "", "").label == "refused"
    assert unreachable("mtls", "", "").label == "unreachable"


def test_a_reason_is_what_was_seen_and_what_to_do() -> None:
    assert refused("x", "seen", "do that").reason == "seen: do that"
    assert Verdict(True, True, "accepted", "seen").reason == "seen"


def test_the_probe_is_marked_and_says_whether_the_connection_stays() -> None:
    kept = probe_request("h:1", keep_alive=True)
    assert kept == (
        b"HEAD / HTTP/1.1\r\nHost: h:1\r\nUser-Agent: kagami-mirror-check\r\n"
        b"X-Mirror-Leg: probe\r\n\r\n"
    )
    closed = probe_request("h:1", keep_alive=False)
    assert closed == kept[:-2] + b"Connection: close\r\n\r\n"
    assert probe_request("h:1", True, "/a").startswith(b"HEAD /a HTTP/1.1\r\nHost: h:1\r\n")


def test_network_text_is_made_printable() -> None:
    assert printable("a\x1b[31mb\u00e9" + "c" * 100) == "a?[31mb?" + "c" * 72

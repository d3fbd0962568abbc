"""Checks what it means where a canary was found."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mirror.addresses import Url
from mirror.audit.canary.places import FollowedLog, FoundLine
from mirror.audit.canary.search import Asking, Search, Seen
from mirror.audit.canary.sending import Answer, Target
from mirror.audit.canary.verdict import RULES, as_json, exit_code, judge, places

DOCUMENT = (Path(__file__).parents[4] / "docs/audit.md").read_text()
SEEN = {
    **{"copies": 1, "repeated": 0, "legs": 1, "why_none": "", "outcome": "2xx", "status": 200},
    "is_from_proxy": False,
}
LEFT_OUT = SEEN | {"legs": 0, "why_none": "ratio", "outcome": "", "status": 0}


def log(*marks: str | None, marked: int = 0) -> FollowedLog:
    lines = {"a" * 32: [FoundLine("a.log", mark) for mark in marks]}
    return FollowedLog("--log", ("a.log",), lines | {"b" * 32: [FoundLine("a.log", None)] * marked})


def search(
    seen: Mapping[str, Any] | None = SEEN,
    production: FollowedLog | None = None,
    gateway: FollowedLog | None = None,
    envoy: FollowedLog | None = None,
    **changes: Any,
) -> Search:
    """Return a search that is over; without further words, one that found no mistake."""
    found = Search(Target(Url("a", 80), "/", "a"), Asking(list), 20.0, canary_id="a" * 32)
    found.answer = Answer(200, "nginx")
    found.seen = None if seen is None else Seen("a" * 32, **seen)
    found.sidecars = 1
    found.production = production or log(None)
    found.gateway = gateway or log()
    found.envoy = envoy or log("shadow")
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def test_advice_fits_what_kept_production_from_answering() -> None:
    (refused,) = judge(search(answer=Answer(0, error="refused")))
    (untrusted,) = judge(search(answer=Answer(0, error="self-signed", is_untrusted=True)))
    assert refused.instead == "check the URL"
    assert untrusted.instead.startswith("set SSL_CERT_FILE=FILE in the environment, a PEM file")


MARKED = {"marked_id": "b" * 32, "marked_answer": Answer(200, "istio-envoy")}


@pytest.mark.parametrize(
    ("found", "code", "expected"),
    [
        (search(), 0, {"shadow_answer"}),
        (search(gateway=log("shadow")), 4, {"shadow_answer", "copy_logged"}),
        (search(gateway=log(None)), 4, {"shadow_answer", "copy_logged"}),
        (search(gateway=log("")), 0, {"shadow_answer", "both_paths"}),
        (search(production=log(None, None)), 4, {"shadow_answer", "logged_twice"}),
        (search(production=log()), 3, {"shadow_answer", "not_logged"}),
        (search(SEEN | {"copies": 2, "repeated": 1}), 0, {"shadow_answer", "mirrored_twice"}),
        (search(SEEN | {"copies": 2, "legs": 2}), 4, {"shadow_answer", "seen_twice"}),
        (search(SEEN | {"legs": 2}), 0, {"shadow_answer"}),
        (search(None), 3, {"not_seen", "no_copy"}),
        (search(None, sidecars=0), 3, {"no_sidecar", "no_copy"}),
        (search(LEFT_OUT), 3, {"no_copy"}),
        (search(SEEN | {"outcome": "shed target_refused"}), 3, {"no_copy"}),
        (search(LEFT_OUT, envoy=log(marked=1), **MARKED), 0, set()),
        (search(LEFT_OUT, gateway=log(marked=1), **MARKED), 4, {"copy_logged"}),
        (search(LEFT_OUT, production=log(None, marked=1), **MARKED), 4, {"copy_logged"}),
        (
            search(LEFT_OUT, marked_id="b" * 32, marked_answer=Answer(0, error="refused")),
            3,
            {"no_copy"},
        ),
        (search(envoy=log()), 3, {"shadow_answer", "not_in_envoy"}),
        (search(envoy=log("shadow", "")), 0, {"shadow_answer", "past_sidecar"}),
        (search(envoy=log(None, None)), 0, {"shadow_answer"}),
        (search(envoy_requests=0), 3, {"shadow_answer", "not_in_envoy"}),
        (search(envoy_requests=1), 0, {"shadow_answer"}),
        (search(answer=Answer(0, error="refused")), 3, {"no_answer"}),
    ],
)
def test_the_verdict(found: Search, code: int, expected: set[str]) -> None:
    findings = judge(found)
    assert {finding.code.removeprefix("canary.") for finding in findings} == expected
    assert exit_code(findings) == code


def test_a_gateway_that_nobody_watched_is_a_doubt() -> None:
    found = search()
    found.gateway = None
    assert exit_code(judge(found)) == 3
    found.gateway = log()
    found.gateway.has_ended = True
    assert exit_code(judge(found)) == 3


def test_the_places_say_what_was_found() -> None:
    found = search(
        LEFT_OUT, production=log(None), gateway=log(marked=1), envoy_requests=3, **MARKED
    )
    assert [(place.place, place.found) for place in places(found)] == [
        ("production", "answered 200 as nginx"),
        ("production's log", "1 line, and 0 lines of the marked request"),
        ("the gateway's log", "0 lines, and 1 line of the marked request"),
        ("Envoy's log", "1 line, and 0 lines of the marked request"),
        ("the sidecar", "seen once, no copy sent: ratio"),
        ("straight to the shadow", "answered 200 as istio-envoy"),
        ("Envoy's counters", "3 requests meanwhile"),
    ]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "seen once, the copy was answered 200 by the application"),
        ({"status": 404, "is_from_proxy": True}, "answered 404 by the proxy itself"),
        (
            {"status": 0, "outcome": "timeout", "copies": 2},
            "seen 2 times, the copy ended as timeout",
        ),
        ({"status": 0, "outcome": ""}, "the copy has not ended"),
    ],
)
def test_the_sidecar_says_what_became_of_it(changes: dict[str, Any], text: str) -> None:
    assert text in places(search(SEEN | changes))[4].found


def test_the_document_holds_everything() -> None:
    found = search(gateway=log("shadow"), **MARKED)
    document = json.loads(as_json(found, judge(found)))
    assert (document["format"], document["exit_code"]) == ("kagami-canary", 4)
    assert document["target"] == f"/?mirror-canary={'a' * 32}"
    assert document["marked_answer"] == {"status": 200, "server": "istio-envoy", "error": ""}
    assert document["sidecar"]["outcome"] == "2xx"
    assert document["findings"][0]["code"] == "canary.copy_logged"


def test_the_manual_explains_every_code_with_its_severity() -> None:
    rows = re.findall(r"(?m)^\| `(canary\.\w+)` \| (\w+) \|", DOCUMENT)
    assert sorted(rows) == sorted((rule.code, rule.severity) for rule in RULES.values())

"""Checks the JSON document and its description."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from estimator.migration.coverage.result import Allowed, Coverage
from estimator.report.coverage.data import to_json
from estimator.routing.decision import Decision, Outcome
from estimator.routing.rules import Destination

FORMATS = (Path(__file__).parents[4] / "docs" / "formats.md").read_text()


def data(coverage: Coverage) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(to_json(coverage, Allowed(lost=0.0, undecided=1.0)))
    return loaded


def test_numbers_and_verdict(complete: Coverage) -> None:
    answer = data(complete)
    assert (answer["format"], answer["version"]) == ("kagami-coverage", 1)
    assert answer["requests"] == {
        "served": 1_203_675,
        "served_without_status": 7,
        "refused": 40,
        "rejected": 158,
        "elsewhere": 12,
        "undecided": 500,
    }
    assert answer["is_lossy"] is True and answer["confidence"]["level"] == "low"
    assert answer["unknown_paths"] == ["a.example/orders", "a.example/Cart/{number}"]
    assert answer["left_out"] == {"lines without a request": 3}


def test_a_lost_group_has_its_reasons_and_what_to_add(complete: Coverage) -> None:
    orders = data(complete)["lost"][0]
    assert orders["path"] == "/orders" and orders["statuses"] == {"200": 120}
    assert orders["nearest"]["reason"] == "same path, but it asks for method GET"
    assert orders["nearest"]["rule"]["part"] == "http[1].match[0]"
    assert orders["add"]["key"] == "spec.http"
    assert orders["add"]["items"][0]["match"] == [
        {"uri": {"exact": "/orders"}, "method": {"exact": "POST"}}
    ]
    redirected = data(complete)["lost"][2]
    assert redirected["decision"]["location"] == "http://a.example/old/x/7"
    assert redirected["shadowed"]["part"] == "http[3].match[0]"


def test_the_old_routes_and_a_missing_entry_are_in_it(complete: Coverage) -> None:
    group = replace(
        complete.lost[0],
        before=Decision(Outcome.FORWARDED, destinations=(Destination("old.shop"),)),
        difference="the old regex ignores case",
        suggestion=None,
        no_suggestion="it is full",
    )
    answer = data(replace(complete, lost=(group,), undecided=()))
    assert answer["requests"]["undecided"] == 0
    (lost,) = answer["lost"]
    assert lost["before"]["services"] == ["old.shop"]
    assert lost["difference"] == "the old regex ignores case"
    assert (lost["add"], lost["add_nothing_because"]) == (None, "it is full")


def test_every_key_is_described(complete: Coverage) -> None:
    described = FORMATS.partition("## Coverage (JSON)")[2].partition("\n## ")[0]
    answer = data(complete)
    for keys in (answer, answer["requests"], answer["lost"][0], answer["undecided"][0]):
        for key in keys:
            assert f"`{key}`" in described, key

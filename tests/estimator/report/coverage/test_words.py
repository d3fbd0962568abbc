"""Checks the words of shares, statuses, outcomes and options."""

from dataclasses import replace

import pytest
import yaml

from estimator.migration.coverage.result import Coverage
from estimator.migration.coverage.suggestion import Suggestion
from estimator.report.coverage import words
from estimator.routing.decision import Decision, Outcome
from estimator.routing.rules import Destination, Place


def test_another_path_of_the_same_service_is_shown(complete: Coverage) -> None:
    today = Decision(Outcome.FORWARDED, destinations=(Destination("a"),), target="/x")
    group = replace(complete.lost[0], before=today, decision=replace(today, target="/y"))
    assert words.change(group) == "forwarded to a as /y"
    assert words.change(replace(group, before=None)) == "forwarded to a"
    other = replace(today, destinations=(Destination("b"),))
    assert words.change(replace(group, decision=other)) == "forwarded to b"


def test_statuses_are_listed_and_the_rest_is_counted() -> None:
    assert words.statuses({}) == "not recorded"
    counts = {200: 1_000, 304: 5, 301: 4, 302: 3, 204: 2, 206: 1}
    assert words.statuses(counts) == "200 x 1,000, 304 x 5, 301 x 4, 302 x 3 and 2 more"


@pytest.mark.parametrize(
    ("decision", "shown"),
    [
        (
            Decision(Outcome.FORWARDED, destinations=(Destination("a"), Destination("b"))),
            "forwarded to a and b",
        ),
        (Decision(Outcome.FORWARDED), "forwarded to nothing"),
        (Decision(Outcome.REDIRECTED, status=301, location="/x"), "redirected to /x (301)"),
        (Decision(Outcome.REDIRECTED, status=302), "redirected (302)"),
        (Decision(Outcome.ANSWERED, status=503), "answered by the gateway itself (503)"),
        (Decision(Outcome.REJECTED, status=400), "rejected (400)"),
        (Decision(Outcome.UNDECIDED, why="it depends on method"), "it depends on method"),
    ],
)
def test_an_outcome_in_words(decision: Decision, shown: str) -> None:
    assert words.outcome(decision) == shown


def test_a_column_has_no_location() -> None:
    redirect = Decision(Outcome.REDIRECTED, status=301, location="/x")
    assert words.short_outcome(redirect) == "redirected (301)"
    forward = Decision(Outcome.FORWARDED, destinations=(Destination("a.b"),))
    assert words.short_outcome(forward) == "forwarded to a.b"


@pytest.mark.parametrize(
    ("depends_on", "option"),
    [
        (("header x-user", "authority"), "--header 'x-user: VALUE' and --authority HOST"),
        (("port 80 or 443",), "--port 80 or 443"),
        (("query parameter v",), "a source that records the whole query"),
        (("the order of A a/b and A a/c",), "one object in place of A a/b and A a/c"),
        ((), "nothing"),
    ],
)
def test_what_decides(depends_on: tuple[str, ...], option: str) -> None:
    assert words.deciding(depends_on) == option


def test_yaml_to_add_says_where_and_what_to_check() -> None:
    place = Place("r.yaml", 3, "VirtualService", "shop", "web", "http[0]")
    entry = {"match": [{"uri": {"exact": "/a: #b\n"}}]}
    suggestion = Suggestion(place, "http", "before http[0]", (entry,), ("Check it.",))
    assert words.addition(suggestion) == (
        "Add to spec.http of VirtualService shop/web, before http[0]"
    )
    text = words.yaml_of(suggestion)
    assert text.startswith("# Check it.\nhttp:\n  - match:\n")
    assert yaml.safe_load(text) == {"http": [entry]}
    host = Suggestion(place, "hosts", "", ("a.example",), ())
    assert words.yaml_of(host) == "hosts:\n  - a.example\n"
    assert words.addition(host) == "Add to spec.hosts of VirtualService shop/web"


def test_names_are_listed() -> None:
    assert words.listed("abc") == "a, b and c"
    assert words.listed(["a"]) == "a"
    assert (words.requests(1), words.requests(2_000)) == ("1 request", "2,000 requests")

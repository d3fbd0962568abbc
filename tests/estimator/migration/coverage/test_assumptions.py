"""Checks that an assumption fills gaps, and only gaps."""

from estimator.migration.coverage.assumptions import Assumed
from estimator.requests.asked import Asked
from estimator.routing.request import Request
from tests.estimator.migration.coverage.conftest import observed, seen

ASKED = Asked(headers=frozenset({"x-beta", "x-user"}))


def completed(assumed: Assumed, **request: object) -> Request:
    (item,) = assumed.completed(observed(seen("/a", **request)), ASKED).items
    return item.request


def test_what_is_missing_is_filled() -> None:
    assumed = Assumed({"x-beta": "1"}, "b.example", "https")
    request = completed(assumed, authority="", headers=None)
    assert (request.authority, request.scheme) == ("b.example", "https")
    assert (request.headers, request.unknown_headers) == ({"x-beta": "1"}, {"x-user"})


def test_what_was_recorded_stays() -> None:
    assumed = Assumed({"x-beta": "1"}, "b.example", "https")
    request = completed(assumed, headers={"x-user": "u"}, scheme="http")
    assert (request.authority, request.scheme) == ("a.example", "http")
    assert request.headers == {"x-user": "u"}


def test_without_a_header_they_stay_unknown() -> None:
    assert completed(Assumed(scheme="https"), headers=None).headers is None

"""Tests estimator.routing.gateway_api.precedence."""

from estimator.routing.conditions import Conditions, Kind, Named, Text
from estimator.routing.gateway_api.precedence import LAST, may_both_match, rank, takes_all

PATH = Text(Kind.SEGMENTS, "/shop")
V1 = Named("version", Text(Kind.EXACT, "1"))
V2 = Named("version", Text(Kind.EXACT, "2"))
GET = Text(Kind.EXACT, "GET")


def test_order_of_the_specification() -> None:
    ordered = [
        Conditions(Text(Kind.EXACT, "/a")),
        Conditions(Text(Kind.SEGMENTS, "/shop/cart")),
        Conditions(PATH, method=GET),
        Conditions(PATH, headers=(V1, Named("x", Text(Kind.PRESENT)))),
        Conditions(PATH, headers=(V1,), query=(V1,)),
        Conditions(PATH, authority=Text(Kind.EXACT, "a.com")),
        Conditions(PATH, query=(V1, V2)),
        Conditions(PATH, query=(V1,)),
        Conditions(PATH),
        Conditions(Text(Kind.PREFIX, "/")),
        Conditions(Text(Kind.REGEX, "/shop/[0-9]+")),
        Conditions(Text(Kind.REGEX, "/s.*")),
    ]
    ranks = [rank(conditions) for conditions in ordered]
    assert ranks == sorted(ranks, reverse=True)
    assert len(set(ranks)) == len(ranks)
    assert min(ranks) > LAST


def test_a_path_counts_by_bytes() -> None:
    assert rank(Conditions(Text(Kind.REGEX, "/é")))[1] == 3


def test_only_a_match_without_any_condition_takes_all() -> None:
    assert takes_all(Conditions())
    assert takes_all(Conditions(Text(Kind.REGEX, ".*")))
    assert not takes_all(Conditions(Text(Kind.REGEX, "/.*")))
    assert not takes_all(Conditions(method=GET))
    assert not takes_all(Conditions(headers=(V1,)))
    assert not takes_all(Conditions(query=(V1,)))
    assert not takes_all(Conditions(authority=Text(Kind.EXACT, "a.com")))
    assert not takes_all(Conditions(PATH))


def test_what_contradicts_does_not_tie() -> None:
    assert may_both_match(Conditions(PATH, headers=(V1,)), Conditions(PATH, headers=(V1,)))
    assert not may_both_match(Conditions(PATH, headers=(V1,)), Conditions(PATH, headers=(V2,)))
    assert not may_both_match(Conditions(PATH, query=(V1,)), Conditions(PATH, query=(V2,)))
    assert not may_both_match(Conditions(PATH), Conditions(Text(Kind.SEGMENTS, "/cart")))
    assert not may_both_match(Conditions(method=GET), Conditions(method=Text(Kind.EXACT, "POST")))
    assert not may_both_match(
        Conditions(authority=Text(Kind.EXACT, "a")), Conditions(authority=Text(Kind.EXACT, "b"))
    )


def test_regular_expressions_may_tie() -> None:
    one, other = Conditions(Text(Kind.REGEX, "/a+")), Conditions(Text(Kind.REGEX, "/b+"))
    assert may_both_match(one, other)

import pytest

from estimator.routing.conditions import Kind, Text
from estimator.routing.istio.delegates import merged_matches
from estimator.routing.istio.matches import Match
from estimator.routing.rules import Place

PLACE = Place("r.yaml", 1, "VirtualService", "shop", "web")


def exact(value: str) -> Text:
    return Text(Kind.EXACT, value)


def prefix(value: str) -> Text:
    return Text(Kind.PREFIX, value)


REGEX = Text(Kind.REGEX, "/a.*")
PRESENT = Text(Kind.PRESENT)


def match(**fields: object) -> Match:
    return Match(place=PLACE, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("root", "leaf", "is_kept"),
    [
        (match(uri=prefix("/a")), match(uri=prefix("/a/b")), True),
        (match(uri=prefix("/a")), match(uri=exact("/ab")), True),
        (match(uri=prefix("/a/b")), match(uri=prefix("/a")), False),
        (match(uri=exact("/a")), match(uri=exact("/a")), True),
        (match(uri=exact("/a")), match(uri=exact("/b")), False),
        (match(uri=exact("/a")), match(uri=prefix("/a")), False),
        (match(uri=prefix("/a")), match(uri=REGEX), False),
        (match(uri=REGEX), match(uri=REGEX), False),
        (match(uri=REGEX), match(), True),
        (match(), match(uri=REGEX), True),
        (match(headers={"x": PRESENT}), match(headers={"x": exact("b")}), False),
        (match(headers={"x": exact("b")}), match(headers={"y": exact("c")}), True),
        (
            match(without_headers={"x": exact("b")}),
            match(without_headers={"x": prefix("b")}),
            False,
        ),
        (match(query={"v": exact("1")}), match(query={"v": exact("2")}), False),
        (match(method=exact("GET")), match(method=exact("PUT")), False),
        (match(ignores_case=True), match(), False),
        (match(port=80), match(port=443), False),
        (match(port=80), match(), True),
        (match(source_namespace="shop"), match(), False),
        (match(source_labels={"a": "b"}), match(source_labels={"a": "c"}), False),
        (match(source_labels={"a": "b"}), match(source_labels={"c": "d"}), True),
        (match(gateways=(("x", "gw"),)), match(gateways=(("y", "gw"),)), False),
        (match(gateways=(("x", "gw"),)), match(), True),
    ],
)
def test_match_of_a_delegate_must_be_within_one_of_its_root(
    root: Match, leaf: Match, is_kept: bool
) -> None:
    merged = merged_matches([root], [leaf])
    assert (merged is not None) is is_kept


def test_each_match_is_joined_with_each_that_it_fits() -> None:
    roots = [match(uri=prefix("/a"), method=exact("GET")), match(uri=prefix("/a/b"), port=80)]
    (one, two) = merged_matches(roots, [match(uri=prefix("/a/b/c"), headers={"x": PRESENT})]) or ()
    assert (one.uri, one.method, one.headers) == (prefix("/a/b/c"), exact("GET"), {"x": PRESENT})
    assert (two.uri, two.port) == (prefix("/a/b/c"), 80)


def test_one_match_that_fits_nothing_leaves_out_the_route() -> None:
    leaves = [match(uri=prefix("/a/b")), match(uri=prefix("/c"))]
    assert merged_matches([match(uri=prefix("/a"))], leaves) is None


def test_without_matches_those_of_the_other_stand() -> None:
    matches = (match(uri=prefix("/a")),)
    assert merged_matches(matches, []) == matches
    assert merged_matches([], matches) == matches

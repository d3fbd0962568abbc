import pytest

from estimator.routing.conditions import (
    NO,
    UNKNOWN,
    YES,
    Conditions,
    Kind,
    Named,
    Subject,
    Text,
    Truth,
)
from estimator.routing.request import Request


@pytest.mark.parametrize(
    ("text", "value", "matches"),
    [
        (Text(Kind.EXACT, "/a"), "/a", True),
        (Text(Kind.EXACT, "/a"), "/A", False),
        (Text(Kind.EXACT, "/a", ignores_case=True), "/A", True),
        (Text(Kind.PREFIX, "/policy"), "/policy-author", True),
        (Text(Kind.SEGMENTS, "/policy"), "/policy-author", False),
        (Text(Kind.SEGMENTS, "/policy"), "/policy/author", True),
        (Text(Kind.SEGMENTS, "/policy"), "/policy", True),
        (Text(Kind.PREFIX, "/ä", ignores_case=True), "/Ä", False),
        (Text(Kind.REGEX, "/a|/b"), "/b", True),
        (Text(Kind.REGEX, "/a"), "/ab", False),
        (Text(Kind.PRESENT), "", True),
    ],
)
def test_text_compares_as_envoy_does(text: Text, value: str, matches: bool) -> None:
    assert text.matches(value) is matches


GOLD = Text(Kind.EXACT, "gold")


@pytest.mark.parametrize(
    ("header", "headers", "truth"),
    [
        (Named("x", GOLD), None, UNKNOWN),
        (Named("x", GOLD), {"x": "gold"}, YES),
        (Named("x", GOLD), {}, NO),
        (Named("x", GOLD, is_negated=True, missing_is_empty=True), {}, YES),
        (Named("x", GOLD, is_negated=True, missing_is_empty=True), {"x": "gold"}, NO),
        (Named("x", Text(Kind.PRESENT)), {"x": ""}, YES),
        (Named("x", Text(Kind.PRESENT), is_negated=True), {}, YES),
        (Named("x", Text(Kind.PRESENT), is_negated=True), {"x": "1"}, NO),
        # The gateway sets the first and removes the second, if it is there.
        (Named("x-forwarded-proto", GOLD), {}, UNKNOWN),
        (Named("te", GOLD), {"te": "gold"}, UNKNOWN),
        (Named("te", GOLD), {}, NO),
        (Named("referer", GOLD), {}, NO),
        (Named("referer", GOLD), {"referer": "gold"}, UNKNOWN),
        (Named("referer", GOLD), {"referer": "https://gold"}, NO),
    ],
)
def test_headers(header: Named, headers: dict[str, str] | None, truth: Truth) -> None:
    subject = Subject(Request("a", "GET", "/", headers))
    assert Conditions(headers=(header,)).judge(subject) is truth


@pytest.mark.parametrize(
    ("text", "headers", "truth"),
    [
        (GOLD, {"x": "redacted-1"}, UNKNOWN),
        (GOLD, {}, UNKNOWN),
        (Text(Kind.PRESENT), {"x": "redacted-1"}, YES),
        (Text(Kind.PRESENT), {}, UNKNOWN),
    ],
)
@pytest.mark.parametrize("is_negated", [False, True])
def test_what_was_redacted_is_unknown(
    text: Text, headers: dict[str, str], truth: Truth, is_negated: bool
) -> None:
    header = Named("x", text, is_negated)
    subject = Subject(Request("a", "GET", "/", headers, unknown_headers=frozenset({"x"})))
    expected = Truth(-truth.value) if is_negated else truth
    assert Conditions(headers=(header,)).judge(subject) is expected
    query = "&".join(f"{name}={value}" for name, value in headers.items())
    request = Request("a", "GET", f"/?{query}", unknown_parameters=frozenset({"x"}))
    assert Conditions(query=(header,)).judge(Subject(request)) is expected


def test_no_counts_more_than_unknown() -> None:
    conditions = Conditions(path=Text(Kind.EXACT, "/a"), method=Text(Kind.EXACT, "GET"))
    assert conditions.judge(Subject(Request("", "", "/b"))) is NO
    assert conditions.judge(Subject(Request("", "", "/a"))) is UNKNOWN


def test_path_is_compared_without_its_query() -> None:
    conditions = Conditions(path=Text(Kind.EXACT, "/a"))
    assert conditions.judge(Subject(Request("", "GET", "/a?b=/c"))) is YES


def test_first_value_of_a_query_parameter_counts() -> None:
    conditions = Conditions(query=(Named("v", Text(Kind.EXACT, "1")),))
    assert conditions.judge(Subject(Request("", "GET", "/a?v=1&v=2"))) is YES
    assert conditions.judge(Subject(Request("", "GET", "/a?v=2&v=1"))) is NO
    assert conditions.judge(Subject(Request("", "GET", "/a"))) is NO


def test_what_is_not_judged_is_unknown_for_every_request() -> None:
    conditions = Conditions(unjudged=("r.yaml:3: claims",))
    assert conditions.judge(Subject(Request("a", "GET", "/", {}))) is UNKNOWN

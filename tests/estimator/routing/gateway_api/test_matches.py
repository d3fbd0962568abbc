"""Tests estimator.routing.gateway_api.matches."""

import pytest

from estimator.routing.conditions import Conditions, Kind, Named, Text
from estimator.routing.gateway_api.matches import read_matches
from estimator.routing.gateway_api.precedence import LAST, rank
from tests.estimator.routing.gateway_api.conftest import part, problems_of


def read(matches: str) -> list[Conditions]:
    rule = part(f"matches: {matches}\n")
    conditions = [conditions for _, conditions, _ in read_matches(rule)]
    assert not problems_of(rule)
    return conditions


def problems(matches: str) -> list[str]:
    rule = part(f"matches: {matches}\n")
    list(read_matches(rule))
    return problems_of(rule)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("{}", Text(Kind.PREFIX, "/")),
        ("{path: {}}", Text(Kind.PREFIX, "/")),
        ("{path: {value: /a}}", Text(Kind.SEGMENTS, "/a")),
        ("{path: {type: PathPrefix, value: /a/b/}}", Text(Kind.SEGMENTS, "/a/b")),
        ("{path: {type: Exact, value: /a/}}", Text(Kind.EXACT, "/a/")),
        ("{path: {type: Exact}}", Text(Kind.EXACT, "/")),
        ("{path: {type: RegularExpression, value: '/a|/b'}}", Text(Kind.REGEX, "/a|/b")),
    ],
)
def test_paths(path: str, expected: Text) -> None:
    (conditions,) = read(f"[{path}]")
    assert conditions.path == expected


def test_headers_parameters_and_method() -> None:
    (conditions,) = read(
        "[{method: POST, headers: [{name: X-User, value: a},"
        " {name: version, type: RegularExpression, value: 'v[0-9]'},"
        " {name: x-any, type: RegularExpression, value: '*'}],"
        " queryParams: [{name: Page, value: '1'}]}]"
    )
    assert conditions.method == Text(Kind.EXACT, "POST")
    assert conditions.headers == (
        Named("x-user", Text(Kind.EXACT, "a")),
        Named("version", Text(Kind.REGEX, "v[0-9]")),
        Named("x-any", Text(Kind.PRESENT)),
    )
    assert conditions.query == (Named("Page", Text(Kind.EXACT, "1")),)
    assert rank(conditions) == (2, 1, True, 3, 1)


def test_a_header_in_two_cases_must_fit_twice() -> None:
    (conditions,) = read("[{headers: [{name: V, value: '1'}, {name: v, value: '2'}]}]")
    assert [header.name for header in conditions.headers] == ["v", "v"]


def test_host_is_the_authority() -> None:
    (conditions,) = read("[{headers: [{name: Host, value: a.example.com}]}]")
    assert conditions.authority == Text(Kind.EXACT, "a.example.com")
    assert conditions.headers == ()
    assert rank(conditions)[3] == 1


def test_a_rule_without_matches_takes_everything() -> None:
    rule = part("name: a\n")
    ((_, conditions, at),) = read_matches(rule)
    assert conditions == Conditions() and at == rank(conditions)


def test_an_empty_list_of_matches_goes_last() -> None:
    rule = part("matches: []\n")
    ((_, conditions, at),) = read_matches(rule)
    assert conditions == Conditions() and at == LAST


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "expected a path that starts with '/'"),
        ("/a//b", "expected a path without '//'"),
        ("/a/./b", "expected a path without '/./'"),
        ("/a/../b", "expected a path without '/../'"),
        ("/a%2fb", "expected a path without '%2f'"),
        ("/a%2Fb", "expected a path without '%2F'"),
        ("/a#b", "expected a path without '#'"),
        ("/a/..", "expected a path that does not end with '/..'"),
        ("/a/.", "expected a path that does not end with '/.'"),
        ("/a?b", "expected a path of the characters"),
        ("/a%b", "expected a path of the characters"),
    ],
)
@pytest.mark.parametrize("kind", ["Exact", "PathPrefix"])
def test_paths_that_the_schema_refuses(kind: str, value: str, expected: str) -> None:
    (problem,) = problems(f"[{{path: {{type: {kind}, value: '{value}'}}}}]")
    assert expected in problem
    assert problem.startswith("routes.yaml:5: HTTPRoute default/web, matches[0].path.value: ")


@pytest.mark.parametrize("value", ["'*'", "''", "'(?=a)'", "'[a'"])
def test_regular_expressions_that_re2_refuses(value: str) -> None:
    (problem,) = problems(f"[{{path: {{type: RegularExpression, value: {value}}}}}]")
    assert "expected an RE2 regular expression" in problem
    found = problems(f"[{{headers: [{{name: a, type: RegularExpression, value: {value}}}]}}]")
    assert len(found) == (value != "'*'") + (value == "''")


def test_every_problem_of_a_match_is_reported() -> None:
    found = problems(
        "[{method: get, paths: /a, headers: [{name: ':method', value: GET}, {name: a, value: 1}],"
        " queryParams: [{name: p, value: a}, {name: p, value: b}]}]"
    )
    assert [problem.partition(", ")[2].partition(": ")[0] for problem in found] == [
        "matches[0].paths",
        "matches[0].method",
        "matches[0].headers[0].name",
        "matches[0].headers[1].value",
        "matches[0].queryParams[1].name",
    ]

import pytest

from estimator.routing.decision import Outcome
from estimator.routing.rules import Destination
from tests.estimator.routing.istio.conftest import GATEWAY, decide, problems_of, service, to


def acting(action: str, match: str = "{uri: {prefix: /a}}") -> str:
    return GATEWAY + service(f"[{{match: [{match}], {action}}}]")


@pytest.mark.parametrize(
    ("redirect", "status", "location"),
    [
        ("{uri: /n}", 301, "http://a.com/n?q"),
        ("{uri: '/n?x'}", 301, "http://a.com/n?x"),
        ("{authority: b.com, redirectCode: 302}", 302, "http://b.com/a/b?q"),
        ("{scheme: https}", 301, "https://a.com/a/b?q"),
        ("{scheme: https, port: 443}", 301, "https://a.com/a/b?q"),
        ("{port: 8080}", 301, "http://a.com:8080/a/b?q"),
        ("{port: 80}", 301, "http://a.com/a/b?q"),
        ("{scheme: https, derivePort: FROM_REQUEST_PORT}", 301, "https://a.com:80/a/b?q"),
        ("{derivePort: FROM_REQUEST_PORT}", 301, "http://a.com/a/b?q"),
        ("{prefixRewrite: /n}", 301, "http://a.com/n/b?q"),
    ],
)
def test_redirects(redirect: str, status: int, location: str) -> None:
    decision = decide(acting(f"redirect: {redirect}"), "a.com/a/b?q")
    assert (decision.outcome, decision.status, decision.location) == (
        Outcome.REDIRECTED,
        status,
        location,
    )


@pytest.mark.parametrize(
    ("rewrite", "match", "target"),
    [
        ("{uri: /}", "{uri: {prefix: /a}}", "//b?q"),
        ("{uri: /n}", "{uri: {prefix: /A}, ignoreUriCase: true}", "/n/b?q"),
        ("{uri: /n}", "{uri: {exact: /a/b}}", "/n?q"),
        ("{uri: /n}", "{uri: {regex: '/a/.*'}}", "/n?q"),
        ("{uri: /n/}", "{method: {exact: GET}}", "/n/a/b?q"),
        (r"{uriRegexRewrite: {match: '^/a/(.*)', rewrite: '/\1/n'}}", "{}", "/b/n?q"),
        ("{authority: b.com}", "{}", "/a/b?q"),
    ],
)
def test_rewrites(rewrite: str, match: str, target: str) -> None:
    decision = decide(acting(f"rewrite: {rewrite}, {to('web')}", match), "a.com/a/b?q")
    assert decision.target == target


def test_rewrite_without_a_leading_slash_is_sent_and_doubted() -> None:
    decision = decide(acting(f"rewrite: {{uri: n}}, {to('web')}"), "a.com/a")
    assert (decision.outcome, decision.target) == (Outcome.FORWARDED, "n")
    (doubt,) = decision.not_understood
    assert doubt.endswith("most servers refuse the path that it makes: n")


@pytest.mark.parametrize(
    ("more", "authority"),
    [
        ("rewrite: {authority: b.com}", "b.com"),
        ("headers: {request: {set: {Host: c.com}}}", "c.com"),
        ("headers: {request: {add: {':authority': c.com}}}", "c.com"),
        ("headers: {request: {set: {Host: c.com}}}, rewrite: {authority: b.com}", "b.com"),
        ("headers: {request: {set: {x: y}}, response: {}}", "a.com"),
    ],
)
def test_host_that_the_service_sees(more: str, authority: str) -> None:
    assert decide(acting(f"{more}, {to('web')}"), "a.com/a").authority == authority


def test_host_of_the_only_destination() -> None:
    route = "route: [{destination: {host: web}, headers: {request: {set: {host: d.com}}}}]"
    assert decide(acting(route), "a.com/a").authority == "d.com"


def test_weights_are_shares() -> None:
    route = (
        "route: [{destination: {host: web, port: {number: 8080}, subset: v1}, weight: 3},"
        " {destination: {host: b.com}, weight: 1}, {destination: {host: none}, weight: 0},"
        " {destination: {host: none}}]"
    )
    assert decide(acting(route), "a.com/a").destinations == (
        Destination("web.shop", 8080, 0.75, "v1"),
        Destination("b.com", None, 0.25),
    )


def test_only_destination_needs_no_weight() -> None:
    route = "route: [{destination: {host: web}, weight: 0}]"
    assert decide(acting(route), "a.com/a").destinations == (Destination("web.shop"),)


def test_name_that_istio_does_not_complete_is_a_doubt() -> None:
    decision = decide(acting("route: [{destination: {host: web.edge}}]"), "a.com/a")
    (doubt,) = decision.not_understood
    assert doubt.endswith(
        "http[0].route[0]: Istio finds no Service by web.edge and answers 503;"
        " it is called web.edge.svc.cluster.local"
    )


def test_host_of_one_of_several_destinations_is_a_doubt() -> None:
    route = (
        "route: [{destination: {host: a}, weight: 1, headers: {request: {set: {host: d.com}}}},"
        " {destination: {host: b}, weight: 1}]"
    )
    (doubt,) = decide(acting(route), "a.com/a").not_understood
    assert doubt.endswith("the Host that one of several destinations sets is not judged")


def test_direct_response_is_an_answer() -> None:
    decision = decide(acting("directResponse: {status: 503, body: {string: no}}"), "a.com/a")
    assert (decision.outcome, decision.status) == (Outcome.ANSWERED, 503)


@pytest.mark.parametrize(
    ("fault", "outcome", "doubts"),
    [
        ("{abort: {httpStatus: 500, percentage: {value: 100}}}", Outcome.ANSWERED, 0),
        ("{abort: {httpStatus: 500, percentage: {value: 10}}}", Outcome.FORWARDED, 1),
        ("{abort: {httpStatus: 500, percentage: {value: 0}}}", Outcome.FORWARDED, 0),
        ("{abort: {httpStatus: 500}}", Outcome.FORWARDED, 0),
        ("{abort: {grpcStatus: UNKNOWN, percentage: {value: 100}}}", Outcome.FORWARDED, 1),
        ("{delay: {fixedDelay: 5s, percentage: {value: 100}}}", Outcome.FORWARDED, 0),
    ],
)
def test_faults(fault: str, outcome: Outcome, doubts: int) -> None:
    decision = decide(acting(f"fault: {fault}, {to('web')}"), "a.com/a")
    assert (decision.outcome, len(decision.not_understood)) == (outcome, doubts)


@pytest.mark.parametrize(
    ("action", "problem"),
    [
        ("redirect: {redirectCode: 304}", "expected one of 301, 302, 303, 307, 308, got 304"),
        ("redirect: {scheme: ftp}", "expected http or https, got 'ftp'"),
        ("redirect: {port: 80, derivePort: FROM_REQUEST_PORT}", "expected port or derivePort"),
        ("redirect: {uri: /a, prefixRewrite: /b}", "expected uri or prefixRewrite"),
        ("redirect: {derivePort: X}", "expected one of FROM_PROTOCOL_DEFAULT, FROM_REQUEST_PORT"),
        ("directResponse: {}", "status: missing"),
        ("directResponse: {status: 100}", "expected a whole number from 200 to 599, got 100"),
        (f"rewrite: {{uriRegexRewrite: {{match: '('}}}}, {to('a')}", "rewrite: missing"),
        (
            f"rewrite: {{uriRegexRewrite: {{match: '(', rewrite: a}}}}, {to('a')}",
            "expected a regex that RE2 accepts",
        ),
        (
            f"rewrite: {{uri: /, uriRegexRewrite: {{match: a, rewrite: a}}}}, {to('a')}",
            "expected uri or uriRegexRewrite",
        ),
        (
            rf"rewrite: {{uriRegexRewrite: {{match: '(a)', rewrite: '/\2'}}}}, {to('a')}",
            r"uriRegexRewrite.rewrite: expected groups of the pattern only: \2 is no group of (a),",
        ),
        ("route: [{weight: 1}]", "destination: missing"),
        ("route: [{destination: {}}]", "host: missing"),
        (
            "route: [{destination: {host: a}}, {destination: {host: b}}]",
            "expected weights above 0 at several destinations",
        ),
        ("route: [{destination: {host: a, port: {number: 0}}}]", "expected a whole number from 1"),
    ],
)
def test_problems_of_an_action(action: str, problem: str) -> None:
    assert any(problem in said for said in problems_of(acting(action)))

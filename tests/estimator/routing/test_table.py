from estimator.routing.conditions import Conditions, Kind, Named, Text
from estimator.routing.decision import Outcome
from estimator.routing.request import Request
from estimator.routing.rules import Action, Answer, Destination, Forward, Place, Redirect, Rule
from estimator.routing.table import RouteTable, VirtualHost


def forward(host: str) -> Forward:
    return Forward((Destination(host),))


def rule(conditions: Conditions, action: Action | str, line: int = 1) -> Rule:
    made = forward(action) if isinstance(action, str) else action
    return Rule(Place("r.yaml", line, "VirtualService", "shop", "web"), conditions, made)


def prefix(path: str) -> Conditions:
    return Conditions(Text(Kind.PREFIX, path))


def table(*hosts: VirtualHost, scheme: str | None = "http") -> RouteTable:
    return RouteTable("edge", "istio-system", 80, hosts, scheme)


def gold(header: str) -> Conditions:
    return Conditions(headers=(Named(header, Text(Kind.EXACT, "gold")),))


def test_first_rule_that_matches_wins() -> None:
    host = VirtualHost(("*",), (rule(prefix("/a"), "one"), rule(prefix("/"), "two")))
    decision = table(host).decide(Request("x", "GET", "/ab"))
    assert decision.outcome is Outcome.FORWARDED
    assert decision.destinations == (Destination("one"),)


def test_domain_that_fits_best_is_chosen() -> None:
    domains = ("*", "*.example.com", "*.a.example.com", "www.*", "www.example.com")
    hosts = [VirtualHost((domain,), (rule(prefix("/"), domain),)) for domain in domains]
    chosen = {
        "WWW.Example.com:8080": "www.example.com",
        "b.a.example.com": "*.a.example.com",
        "x.example.com": "*.example.com",
        "www.example.org": "www.*",
        "example.com": "*",
        ".example.com": "*",
    }
    for authority, domain in chosen.items():
        decision = table(*hosts).decide(Request(authority, "GET", "/"))
        assert decision.destinations == (Destination(domain),), authority


def test_request_that_nothing_takes_is_rejected_with_the_reason() -> None:
    hosts = VirtualHost(("a.example",), (rule(prefix("/a"), "one"),))
    no_rule = table(hosts).decide(Request("a.example", "GET", "/b"))
    no_host = table(hosts).decide(Request("b.example", "GET", "/a"))
    assert (no_rule.outcome, no_rule.status) == (Outcome.REJECTED, 404)
    assert "no rule" in no_rule.why
    assert (no_host.outcome, no_host.status) == (Outcome.REJECTED, 404)
    assert "b.example" in no_host.why


def test_unrecorded_header_leaves_the_request_undecided() -> None:
    host = VirtualHost(("*",), (rule(gold("x-user"), "one"), rule(prefix("/"), "two")))
    decision = table(host).decide(Request("x", "GET", "/"))
    assert decision.outcome is Outcome.UNDECIDED
    assert decision.depends_on == ("header x-user",)
    assert [each.destinations[0].host for each in decision.candidates] == ["one", "two"]
    known = table(host).decide(Request("x", "GET", "/", {"x-user": "gold"}))
    assert known.destinations == (Destination("one"),)


def test_candidates_that_agree_are_a_decision() -> None:
    host = VirtualHost(("*",), (rule(gold("x-user"), "one"), rule(prefix("/"), "one")))
    decision = table(host).decide(Request("x", "GET", "/"))
    assert decision.outcome is Outcome.FORWARDED
    assert decision.depends_on == ("header x-user",)


def test_unknown_authority_may_be_any_host() -> None:
    hosts = [VirtualHost((name,), (rule(prefix("/"), name),)) for name in ("a", "b")]
    decision = table(*hosts).decide(Request("", "GET", "/"))
    assert decision.outcome is Outcome.UNDECIDED
    assert decision.depends_on == ("authority",)
    assert [each.outcome for each in decision.candidates] == [
        Outcome.FORWARDED,
        Outcome.FORWARDED,
        Outcome.REJECTED,
    ]


def test_answers_and_redirects_are_decided() -> None:
    host = VirtualHost(
        ("*",),
        (rule(prefix("/a"), Answer(503)), rule(prefix("/"), Redirect(302, authority="b.example"))),
    )
    assert table(host).decide(Request("x", "GET", "/a")).status == 503
    redirected = table(host).decide(Request("x", "GET", "/b?c"))
    assert (redirected.status, redirected.location) == (302, "http://b.example/b?c")


def test_http_port_that_requires_tls_redirects_every_request() -> None:
    host = VirtualHost(("*",), (rule(prefix("/"), "one"),), requires_tls=True)
    decision = table(host).decide(Request("a.example", "GET", "/b"))
    assert (decision.outcome, decision.status) == (Outcome.REDIRECTED, 301)
    assert decision.location == "https://a.example/b"


def test_what_shadows_a_rule_is_listed_before_it() -> None:
    rules = (rule(prefix("/"), "one", 1), rule(prefix("/a"), "two", 2), rule(prefix("/b"), "no", 3))
    found = table(VirtualHost(("*",), rules)).matches(Request("x", "GET", "/a"))
    assert [each.place.line for each, _ in found] == [1, 2]

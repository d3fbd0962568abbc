from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from estimator.routing.conditions import YES, Conditions, Kind, Named, Text
from estimator.routing.decision import Decision, Outcome
from estimator.routing.request import Request
from estimator.routing.rules import Action, Answer, Destination, Forward, Place, Redirect, Rule
from estimator.routing.table import RouteTable, VirtualHost


def forward(host: str) -> Forward:
    return Forward((Destination(host),))


def rule(conditions: Conditions, action: Action | str, line: int = 1, owner: str = "web") -> Rule:
    made = forward(action) if isinstance(action, str) else action
    return Rule(Place("r.yaml", line, "VirtualService", "shop", owner), conditions, made)


def prefix(path: str) -> Conditions:
    return Conditions(Text(Kind.PREFIX, path))


def table(*hosts: VirtualHost, scheme: str | None = "http") -> RouteTable:
    return RouteTable("edge", "istio-system", 80, hosts, scheme)


def replace_doubts(made: RouteTable) -> RouteTable:
    return replace(made, not_understood=("table",))


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


def test_without_a_known_scheme_such_a_port_leaves_the_request_undecided() -> None:
    host = VirtualHost(("*",), (rule(prefix("/"), "one"),), requires_tls=True)
    decision = table(host, scheme=None).decide(Request("a.example", "GET", "/b"))
    assert (decision.outcome, decision.depends_on) == (Outcome.UNDECIDED, ("scheme",))
    secure = table(host, scheme=None).decide(Request("a.example", "GET", "/b", scheme="https"))
    assert secure.outcome is Outcome.FORWARDED


def test_scheme_of_the_port_counts_more_than_that_of_the_request() -> None:
    conditions = Conditions(scheme=Text(Kind.EXACT, "https"))
    host = VirtualHost(("*",), (rule(conditions, "one"),))
    decision = table(host).decide(Request("a.example", "GET", "/", scheme="https"))
    assert decision.outcome is Outcome.REJECTED


def test_refused_path_is_rejected_with_400() -> None:
    host = VirtualHost(("*",), (rule(prefix("/"), "one"),))
    decision = table(host).decide(Request("a.example", "GET", "/%00"))
    assert (decision.outcome, decision.status) == (Outcome.REJECTED, 400)
    assert "/%00" in decision.why
    assert table(host).matches(Request("a.example", "GET", "/%00")) == ()


def test_rules_see_the_normalised_path() -> None:
    host = VirtualHost(("*",), (rule(prefix("/b"), "one"),))
    decision = table(host).decide(Request("a.example", "GET", "/a/../b?c"))
    assert (decision.outcome, decision.target) == (Outcome.FORWARDED, "/b?c")


def test_absolute_target_names_the_host() -> None:
    host = VirtualHost(("a.example",), (rule(prefix("/b"), "one"),))
    decision = table(host).decide(Request("other", "GET", "http://a.example:80/b?c"))
    assert (decision.authority, decision.target) == ("a.example:80", "/b?c")
    assert table(host).decide(Request("other", "GET", "http://a.example")).outcome is (
        Outcome.REJECTED
    )


def test_unknown_order_of_objects_leaves_a_request_undecided() -> None:
    rules = (
        rule(prefix("/a"), "one", 1, "web"),
        rule(prefix("/a/b"), "two", 2, "web"),
        rule(prefix("/a"), "three", 3, "api"),
        rule(prefix("/a"), "four", 4, "api"),
        rule(prefix("/a"), "five", 5, "known"),
    )
    host = VirtualHost(("*",), rules, doubtful_order=(rules[0].place, rules[2].place))
    decision = table(host).decide(Request("x", "GET", "/a/b"))
    assert decision.outcome is Outcome.UNDECIDED
    assert [each.destinations[0].host for each in decision.candidates] == ["one", "three"]
    assert decision.depends_on == (
        "the order of VirtualService shop/web and VirtualService shop/api",
    )


def test_order_of_bands_is_known() -> None:
    first = rule(prefix("/a"), "one", 1, "web")
    last = replace(rule(prefix("/"), "two", 2, "api"), band=1)
    host = VirtualHost(("*",), (first, last), doubtful_order=(first.place, last.place))
    decision = table(host).decide(Request("x", "GET", "/a"))
    assert decision.destinations == (Destination("one"),)


def test_doubts_of_all_candidates_are_said() -> None:
    doubtful = replace(rule(gold("x-user"), "one"), not_understood=("r.yaml:3: a fault",))
    host = VirtualHost(("*",), (doubtful, rule(prefix("/"), "two")), not_understood=("host",))
    decision = replace_doubts(table(host)).decide(Request("x", "GET", "/"))
    assert decision.not_understood == ("table", "host", "r.yaml:3: a fault")


def test_condition_that_is_not_judged_is_named() -> None:
    conditions = Conditions(unjudged=("r.yaml:3: claims",))
    host = VirtualHost(("*",), (rule(conditions, "one"), rule(prefix("/"), "two")))
    decision = table(host).decide(Request("x", "GET", "/", {}))
    assert (decision.outcome, decision.depends_on) == (Outcome.UNDECIDED, ())
    assert decision.not_understood == ("r.yaml:3: claims",)
    assert decision.why == "it depends on what is not judged"


def test_what_shadows_a_rule_is_listed_before_it() -> None:
    rules = (rule(prefix("/"), "one", 1), rule(prefix("/a"), "two", 2), rule(prefix("/b"), "no", 3))
    found = table(VirtualHost(("*",), rules)).matches(Request("x", "GET", "/a"))
    assert [each.place.line for each, _ in found] == [1, 2]


# --- what is not recorded ---

VALUES = st.sampled_from(["", "a", "b", "ab"])
TEXTS = st.one_of(
    st.just(Text(Kind.PRESENT)),
    st.builds(Text, st.sampled_from([Kind.EXACT, Kind.PREFIX]), VALUES),
    st.builds(Text, st.just(Kind.REGEX), st.sampled_from(["a|b", "a.*", ".*"])),
)
HEADERS = st.builds(Named, st.sampled_from(["x", "y"]), TEXTS, st.booleans(), st.booleans())
METHODS = st.builds(Text, st.just(Kind.EXACT), st.sampled_from(["GET", "PUT"]))
AUTHORITIES = st.builds(Text, st.just(Kind.PREFIX), st.sampled_from(["a", "b"]))
SCHEMES = st.builds(Text, st.just(Kind.EXACT), st.sampled_from(["http", "https"]))
PATHS = st.sampled_from([Text(Kind.PREFIX, "/"), Text(Kind.PREFIX, "/a"), Text(Kind.EXACT, "/a/b")])
UNJUDGED = st.just(("r.yaml:1: a feature",))
# One condition beside the path, so that many of the rules match.
CONDITIONS = st.one_of(
    st.builds(Conditions, path=PATHS),
    st.builds(Conditions, method=METHODS),
    st.builds(Conditions, authority=AUTHORITIES),
    st.builds(Conditions, scheme=SCHEMES),
    st.builds(Conditions, headers=st.lists(HEADERS, min_size=1, max_size=2).map(tuple)),
    st.builds(Conditions, path=PATHS, unjudged=UNJUDGED),
)
OWNED = st.tuples(CONDITIONS, st.sampled_from(["web", "api"]))
RULES = st.lists(OWNED, min_size=1, max_size=4).map(
    lambda owned: [
        rule(conditions, f"service-{number}", number, owner)
        for number, (conditions, owner) in enumerate(owned)
    ]
)


@st.composite
def tables(draw: st.DrawFn) -> RouteTable:
    hosts = []
    for domain in draw(st.sampled_from([["*"], ["a.com", "*.com"]])):
        rules = tuple(draw(RULES))
        doubtful = {each.orderer: each.place for each in rules} if draw(st.booleans()) else {}
        hosts.append(
            VirtualHost(
                (domain,), rules, draw(st.booleans()), doubtful_order=tuple(doubtful.values())
            )
        )
    return table(*hosts, scheme=draw(st.sampled_from([None, "http"])))


REQUESTS = st.builds(
    Request,
    st.sampled_from(["a.com", "b.com:80", "c.com", "c.org"]),
    st.sampled_from(["GET", "PUT"]),
    st.sampled_from(["/", "/a", "/a/b?x", "/%00"]),
    st.dictionaries(st.sampled_from(["x", "y"]), VALUES),
    st.sampled_from(["http", "https"]),
)
UNRECORDED = st.sampled_from(
    [
        {"authority": ""},
        {"method": ""},
        {"scheme": None},
        {"headers": None},
        {"unknown_headers": frozenset({"x"})},
        {"authority": "", "method": "", "scheme": None, "headers": None},
    ]
)


def effects(decision: Decision) -> set[tuple[object, ...]]:
    """Return what a client or a service may notice; the authority is as the request has it."""
    return {
        (each.outcome, each.destinations, each.target, each.status)
        for each in decision.candidates or (decision,)
    }


@given(tables(), REQUESTS, UNRECORDED)
@settings(max_examples=150, deadline=None)
def test_what_is_not_recorded_only_adds_candidates(
    made: RouteTable, request: Request, unrecorded: dict[str, Any]
) -> None:
    known = made.decide(request)
    unknown = made.decide(replace(request, **unrecorded))
    assert effects(known) <= effects(unknown)
    if unknown.outcome is Outcome.UNDECIDED:
        assert unknown.depends_on or unknown.not_understood
        assert all(each.outcome is not Outcome.UNDECIDED for each in unknown.candidates)
    elif known.outcome is not Outcome.UNDECIDED:
        assert unknown.outcome is known.outcome
        assert unknown.destinations == known.destinations


@given(tables(), REQUESTS)
@settings(max_examples=100, deadline=None)
def test_rule_that_takes_a_request_is_the_first_that_matches(
    made: RouteTable, request: Request
) -> None:
    decision = made.decide(request)
    if decision.rule is not None and not decision.depends_on and not decision.not_understood:
        (first, truth), *_ = made.matches(request)
        assert (first, truth) == (decision.rule, YES)

from estimator.routing.decision import Outcome
from estimator.routing.rules import Destination
from tests.estimator.routing.istio.conftest import (
    GATEWAY,
    decide,
    request,
    service,
    tables_of,
    taker,
    to,
)


def created(text: str, time: str) -> str:
    return text.replace("namespace: shop}", f"namespace: shop, creationTimestamp: '{time}'}}")


ONE = service(f"[{{match: [{{uri: {{prefix: /a}}}}], {to('one')}}}, {{{to('all')}}}]", "one")
TWO = service(f"[{{match: [{{uri: {{prefix: /a/b}}}}], {to('two')}}}]", "two")


def test_first_match_wins_whatever_is_more_specific() -> None:
    text = GATEWAY + service(
        f"[{{match: [{{uri: {{prefix: /a}}}}], {to('short')}}},"
        f" {{match: [{{uri: {{exact: /a/b}}}}], {to('exact')}}}]"
    )
    assert taker(decide(text, "a.com/a/b")) == "short.shop"


def test_match_that_takes_everything_ends_the_list() -> None:
    text = GATEWAY + service(
        f"[{{match: [{{uri: {{regex: '.*'}}}}, {{uri: {{exact: /a}}}}], {to('all')}}},"
        f" {{match: [{{uri: {{exact: /b}}}}], {to('b')}}}]"
    )
    (table,) = tables_of(text)
    assert [rule.place.part for rule in table.rules()] == [
        "http[0].match[0]",
        "http[0].match[1]",
        "http[1].match[0]",
    ]
    assert taker(table.decide(request("a.com/b"))) == "all.shop"


def test_oldest_object_of_a_host_comes_first() -> None:
    old, new = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
    text = GATEWAY + created(ONE, new) + created(TWO, old)
    assert taker(decide(text, "a.com/a/b")) == "two.shop"
    assert taker(decide(GATEWAY + created(ONE, old) + created(TWO, new), "a.com/a/b")) == "one.shop"
    # What takes everything comes behind the routes of all objects.
    wide = service(f"[{{{to('wide')}}}]", "wide")
    assert taker(decide(GATEWAY + created(wide, old) + created(TWO, new), "a.com/a/b")) == (
        "two.shop"
    )


def test_age_counts_in_each_host_for_itself() -> None:
    unknown = service(f"[{{{to('x')}}}]", "x", host="b.com")
    text = created(ONE, "2026-02-01T00:00:00Z") + created(TWO, "2026-01-01T00:00:00Z") + unknown
    assert taker(decide(GATEWAY + text, "a.com/a/b")) == "two.shop"


def test_unknown_age_leaves_undecided_what_both_take() -> None:
    decision = decide(GATEWAY + ONE + TWO, "a.com/a/b")
    assert decision.outcome is Outcome.UNDECIDED
    assert [taker(candidate) for candidate in decision.candidates] == ["one.shop", "two.shop"]
    assert decision.depends_on == (
        "the order of VirtualService shop/one and VirtualService shop/two",
    )
    assert taker(decide(GATEWAY + ONE + TWO, "a.com/a/c")) == "one.shop"
    assert taker(decide(GATEWAY + ONE + TWO, "a.com/c")) == "all.shop"


def test_object_that_two_servers_admit_counts_once() -> None:
    gateway = GATEWAY.replace(
        'hosts: ["*"]',
        "hosts: [a.com]\n  - port: {number: 80, protocol: HTTP, name: other}\n    hosts: ['*.com']",
    )
    (table,) = tables_of(gateway + ONE)
    assert [host.domains for host in table.hosts] == [("a.com",)]
    assert len(table.hosts[0].rules) == 2
    assert taker(decide(gateway + ONE, "a.com/a")) == "one.shop"


def test_hosts_are_compared_in_lower_case() -> None:
    text = GATEWAY + service(f"[{{{to('web')}}}]", host="A.Com")
    assert taker(decide(text, "a.COM/x")) == "web.shop"


def test_rule_knows_the_hosts_of_its_object() -> None:
    gateway = GATEWAY.replace('"*"', "a.com")
    (table,) = tables_of(gateway + service(f"[{{{to('web')}}}]", host="*.com"))
    (rule,) = table.rules()
    assert (table.hosts[0].domains, rule.hosts) == (("a.com",), ("*.com",))


def test_object_is_bound_to_the_gateways_that_it_names() -> None:
    other = GATEWAY.replace("name: gw", "name: other")
    tables = tables_of(f"{GATEWAY}---\n{other}{ONE}")
    assert [(table.gateway, len(table.hosts)) for table in tables] == [("gw", 1), ("other", 0)]


def test_object_that_is_not_exported_is_not_bound() -> None:
    hidden = ONE.replace("http:", "exportTo: ['.']\n  http:")
    assert decide(GATEWAY + hidden, "a.com/a").outcome is Outcome.REJECTED


def test_gateways_that_serve_one_host_on_one_port_are_a_doubt() -> None:
    other = GATEWAY.replace("name: gw", "name: other").replace('"*"', "./a.com")
    text = f"{GATEWAY}---\n{other}{ONE}"
    decision = tables_of(text)[0].decide(request("a.com/a"))
    (doubt,) = decision.not_understood
    assert doubt.startswith(
        "r.yaml:16: Gateway edge/other, servers[0]: it also serves a.com on port 80"
    )
    assert decision.destinations == (Destination("one.shop"),)


def test_server_for_https_answers_its_narrower_name_by_its_wider_one() -> None:
    tls = "protocol: HTTPS}\n    tls: {mode: SIMPLE, credentialName: cert}\n"
    gateway = GATEWAY.replace("80, protocol: HTTP, name: http}\n", f"443, name: one, {tls}") + (
        f"  - port: {{number: 443, name: two, {tls}    hosts: ['none/*.b.com', '*.com']\n"
    )
    text = gateway + service(f"[{{{to('web')}}}]", host="*.com")
    assert taker(decide(text, "a.b.com/x")) == "web.shop"


def test_ports_have_tables_of_their_own() -> None:
    gateway = GATEWAY + "  - port: {number: 8080, protocol: HTTP2, name: h2}\n    hosts: [b.com]\n"
    tables = tables_of(gateway + ONE)
    assert [(table.port, [host.domains for host in table.hosts]) for table in tables] == [
        (80, [("a.com",)]),
        (8080, []),
    ]
    assert str(tables[1].place) == "r.yaml:9: Gateway edge/gw, servers[1]"

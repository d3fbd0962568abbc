"""The surprises of ingress-nginx, one by one, and its other verdicts."""

from pathlib import Path

import pytest

from estimator.errors import InputError
from estimator.routing.decision import Outcome
from estimator.routing.ingress_nginx.routes import read_ingresses
from estimator.routing.request import Request
from tests.estimator.routing.ingress_nginx.conftest import decide, ingress, path, routes_of, taker

REGEX = {"use-regex": "true"}


def test_regex_ignores_case_and_matches_a_prefix() -> None:
    routes = routes_of(ingress(path("/[A-Z]{3}", "one", "ImplementationSpecific"), asked=REGEX))
    assert taker(routes, "a.com/uuid/x") == "one /uuid/x"


def test_use_regex_of_one_ingress_changes_all_paths_of_its_host() -> None:
    other = ingress(path("/Header", "two", "Exact"), name="other")
    assert taker(routes_of(other), "a.com/headers") == "404"
    routes = routes_of(ingress(path("/x", "one"), asked=REGEX), other)
    assert taker(routes, "a.com/headers") == "two /headers"


def test_use_regex_leaves_other_hosts_alone() -> None:
    other = ingress(path("/Header", "two", "Exact"), name="other", host="b.com")
    routes = routes_of(ingress(path("/x", "one"), asked=REGEX), other)
    assert taker(routes, "b.com/headers") == "404"


def test_rewrite_target_implies_regex() -> None:
    other = ingress(path("/Header", "two", "Exact"), name="other")
    rewriting = ingress(path("/IP", "one", "Exact"), asked={"rewrite-target": "/uuid"})
    routes = routes_of(rewriting, other)
    assert taker(routes, "a.com/ip") == "one /uuid"
    assert taker(routes, "a.com/headers") == "two /headers"


def test_rewrite_to_its_own_path_is_none() -> None:
    routes = routes_of(ingress(path("/", "one"), asked={"rewrite-target": "/"}))
    assert taker(routes, "a.com/Foo") == "one /Foo"


def test_longer_regex_wins_over_the_better_one() -> None:
    text = ingress(path("/foo/bar/bar", "one"), path("/foo/bar/[A-Z0-9]{3}", "two"), asked=REGEX)
    assert taker(routes_of(text), "a.com/foo/bar/bar") == "two /foo/bar/bar"


def test_prefix_matches_whole_segments() -> None:
    routes = routes_of(ingress(path("/foo", "one")))
    assert taker(routes, "a.com/foo") == "one /foo"
    assert taker(routes, "a.com/foo/b") == "one /foo/b"
    assert taker(routes, "a.com/foobar") == "404"


def test_longest_path_wins_in_any_order() -> None:
    routes = routes_of(ingress(path("/", "one"), path("/a", "two")))
    assert taker(routes, "a.com/a/b") == "two /a/b"


@pytest.mark.parametrize("path_type", ["Exact", "Prefix"])
def test_missing_trailing_slash_is_redirected(path_type: str) -> None:
    routes = routes_of(ingress(path("/my-path/", "one", path_type)))
    assert taker(routes, "a.com/my-path?b=1") == "301 http://a.com/my-path/?b=1"


def test_a_regex_adds_no_slash() -> None:
    routes = routes_of(ingress(path("/my-path/", "one"), asked=REGEX))
    assert taker(routes, "a.com/my-path") == "404"


def test_normalised_path_is_matched_and_the_sent_one_forwarded() -> None:
    routes = routes_of(ingress(path("/uuid", "one", "Exact")))
    for target in ("/./uuid", "//uuid", "/x/../uuid", "/%75uid"):
        assert taker(routes, f"a.com{target}") == f"one {target}"


def test_a_path_above_the_root_is_refused() -> None:
    assert taker(routes_of(ingress(path("/", "one"))), "a.com/../x") == "400"


def test_rewrite_takes_groups_and_keeps_the_query() -> None:
    asked = {"rewrite-target": "/$2"}
    routes = routes_of(ingress(path("/api(/|$)(.*)", "one"), asked=asked))
    assert taker(routes, "a.com/API/v1//x?b=1") == "one /v1/x?b=1"
    assert taker(routes, "a.com/api") == "one /"


def test_rewrite_with_a_query_adds_that_of_the_request() -> None:
    asked = {"rewrite-target": "/q?a=$1"}
    routes = routes_of(ingress(path("/(.*)", "one"), asked=asked))
    assert taker(routes, "a.com/x%26y?b=1") == "one /q?a=x%26y&b=1"


def test_rewrite_with_a_variable_is_not_judged() -> None:
    routes = routes_of(ingress(path("/a", "one"), asked={"rewrite-target": "/$host"}))
    decision = decide(routes, "a.com/a")
    assert decision.target == ""
    assert "rewrite-target /$host with a variable" in decision.not_understood[0]


def test_redirects_by_annotation() -> None:
    asked = {"permanent-redirect": "https://b.com$request_uri"}
    assert taker(routes_of(ingress(path("/", "one"), asked=asked)), "a.com/x?y") == (
        "301 https://b.com/x?y"
    )
    asked = {"app-root": "/home"}
    routes = routes_of(ingress(path("/", "one"), asked=asked))
    assert taker(routes, "a.com/") == "302 http://a.com/home"
    assert taker(routes, "a.com/x") == "one /x"


def test_cors_answers_every_options() -> None:
    routes = routes_of(ingress(path("/", "one"), asked={"enable-cors": "true"}))
    decision = routes.decide(Request("a.com", "OPTIONS", "/x"))
    assert (decision.outcome, decision.status) == (Outcome.ANSWERED, 204)
    assert taker(routes, "a.com/x") == "one /x"


def test_tls_redirect_drops_the_trailing_slash() -> None:
    routes = routes_of(ingress(path("/", "one"), more="tls: [{hosts: [a.com], secretName: s}]"))
    assert taker(routes, "a.com/x/") == "308 https://a.com/x"
    assert decide(routes, "a.com/x/", "https").target == "/x/"
    assert decide(routes, "a.com/x/").outcome is Outcome.FORWARDED


def test_tls_redirect_needs_a_certificate_or_force() -> None:
    assert taker(routes_of(ingress(path("/", "one"))), "a.com/x") == "one /x"
    asked = {"force-ssl-redirect": "true", "preserve-trailing-slash": "true"}
    routes = routes_of(ingress(path("/", "one"), asked=asked))
    assert taker(routes, "a.com/x/") == "308 https://a.com/x/"


def test_wildcard_stands_for_one_label() -> None:
    routes = routes_of(ingress(path("/", "one"), host="*.a.com"))
    assert taker(routes, "X.a.com:80/") == "one /"
    assert taker(routes, "x.y.a.com/") == "404"
    assert taker(routes, "a.com/") == "404"


def test_unknown_authority_is_undecided_unless_all_agree() -> None:
    routes = routes_of(ingress(path("/", "one")), ingress(path("/", "one"), host="b.com", name="b"))
    decision = routes.decide(Request("", "GET", "/"))
    assert decision.outcome is Outcome.UNDECIDED
    assert decision.depends_on == ("authority",)


def test_unknown_authority_may_be_no_host_of_the_files() -> None:
    text = """
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: all, namespace: shop}
spec: {defaultBackend: {service: {name: one, port: {number: 80}}}}
"""
    routes = routes_of(text, ingress(path("/", "one")))
    decision = routes.decide(Request("", "GET", "/"))
    assert decision.outcome is Outcome.UNDECIDED  # an unknown host may be none of the files
    assert decision.candidates[0].status == 404


def test_absolute_form_has_its_own_host() -> None:
    routes = routes_of(ingress(path("/", "one")))
    assert routes.decide(Request("b.com", "GET", "http://a.com/x")).outcome is Outcome.FORWARDED


def test_a_regex_that_re2_refuses_is_not_judged() -> None:
    routes = routes_of(ingress(path("/(?!x)", "one"), asked=REGEX))
    decision = decide(routes, "a.com/b")
    assert decision.outcome is Outcome.UNDECIDED
    assert decision.not_understood


def test_taken_names_the_location() -> None:
    routes = routes_of(ingress(path("/a", "one")))
    taken = routes.taken(Request("a.com", "GET", "//a/b"))
    assert taken is not None
    assert taken.path == b"/a/b"
    assert taken.found.location.path == "/a/"


def test_other_classes_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "i.yaml"
    other = ingress(path("/", "two"), name="other").replace(
        "ClassName: nginx", "ClassName: haproxy"
    )
    file.write_text(ingress(path("/", "one")) + other)
    routes = read_ingresses([file])
    assert routes.left_out == {"Ingress of class haproxy": 1}
    assert taker(routes, "a.com/") == "one /"


def test_a_class_of_the_controller_counts(tmp_path: Path) -> None:
    file = tmp_path / "i.yaml"
    file.write_text(
        ingress(path("/", "one")).replace("ClassName: nginx", "ClassName: outer")
        + "---\napiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: outer}\n"
        "spec: {controller: k8s.io/ingress-nginx}\n"
    )
    assert taker(read_ingresses([file]), "a.com/") == "one /"


def test_files_without_an_ingress_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "i.yaml"
    file.write_text("apiVersion: v1\nkind: Service\nmetadata: {name: x}\n")
    with pytest.raises(InputError, match="expected an Ingress of class nginx"):
        read_ingresses([file])


def test_old_apis_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "i.yaml"
    file.write_text("apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: x}\n")
    with pytest.raises(InputError, match=r"expected an apiVersion of networking\.k8s\.io/v1"):
        read_ingresses([file])

"""Each surprise of ingress-nginx, as a reason why the new routes do something else."""

from estimator.migration.coverage.analysis import Before, analyse
from estimator.migration.coverage.differences import Differences
from estimator.migration.coverage.result import Coverage
from estimator.migration.coverage.verdicts import Verdict
from estimator.routing.files import Routes
from estimator.routing.rules import Destination, Forward, ReplacePath, Rule
from estimator.routing.table import RouteTable
from tests.estimator.migration.coverage.conftest import (
    exact,
    observed,
    prefix,
    regex,
    rule,
    seen,
    table,
)
from tests.estimator.routing.ingress_nginx.conftest import ingress, path, routes_of

HOST = "a.example"


def to(service: str, port: int | None = 80) -> Forward:
    return Forward((Destination(f"{service}.shop", port),))


def coverage(text: str, routes: RouteTable, target: str, **more: object) -> Coverage:
    """Return what becomes of one request that both kinds of routes know."""
    before = routes_of(text)
    explain = Differences(before, (routes,)).explain
    items = observed(seen(target, **more))  # type: ignore[arg-type]
    return analyse(Routes((routes,)), items, Before(before.decide, explain))


def why(text: str, target: str, *rules: Rule, **more: object) -> str:
    (group,) = coverage(text, table(a=rules), target, **more).lost
    return group.difference


def one(*paths: str, **asked: str) -> str:
    annotations = {key.replace("_", "-"): value for key, value in asked.items()}
    return ingress(*paths, host=HOST, asked=annotations)


def test_case_was_ignored() -> None:
    reason = why(one(path("/Foo", "web"), use_regex="true"), "/foo", rule(prefix("/Foo")))
    assert reason == (
        "use-regex of Ingress shop/web makes every path of a.example a regex that ignores case,"
        " and the new routes do not"
    )


def test_regex_was_a_prefix() -> None:
    text = one(path("/v[0-9]", "web"), use_regex="true")
    assert why(text, "/v1/a", rule(regex("/v[0-9]"))) == (
        "the regex /v[0-9] matches the beginning of a path in ingress-nginx, and the whole path in"
        " the new routes"
    )


def test_only_what_the_new_rule_lacks_is_a_reason() -> None:
    text = one(path("/watch/", "web"), use_regex="true")
    assert "the beginning" not in why(text, "/Watch/1", rule(prefix("/watch/")))
    assert "the beginning" in why(text, "/watch/1", rule(exact("/watch/")))
    other = rule(prefix("/x"), action=to("other"))
    assert why(text, "/watch/1", other) == ""


def test_another_ingress_made_an_exact_path_a_prefix() -> None:
    other = ingress(path("/foo", "web", "Exact"), name="other", host=HOST)
    text = one(path("/x", "web"), rewrite_target="/y") + other
    assert why(text, "/foo/bar", rule(exact("/foo"))) == (
        "rewrite-target of Ingress shop/web makes every path of a.example a regex, so Exact /foo"
        " takes whatever begins with it"
    )


def test_slash_was_added() -> None:
    text = one(path("/my-path/", "web", "Exact"))
    reason = why(text, "/my-path", rule(exact("/my-path/")), statuses={301: 1})
    assert reason == (
        "nginx redirects /my-path to /my-path/ (301), because only the slash at its end is missing;"
        " the new routes have no such redirect"
    )


def test_another_redirect_is_lost() -> None:
    text = one(path("/", "web"), app_root="/home")
    assert why(text, "/", rule(prefix("/home")), statuses={302: 1}) == (
        "annotation app-root (302); the new routes have no such redirect"
    )


def test_slashes_were_merged() -> None:
    assert why(one(path("/foo/bar", "web")), "/foo//bar", rule(exact("/foo/bar"))) == (
        "nginx merges slashes before it matches, so it matches /foo/bar; the new routes do not"
    )


def test_escapes_were_decoded() -> None:
    reason = why(one(path("/a/b", "web")), "/a%2Fb", rule(exact("/a/b")))
    assert reason.startswith("nginx decodes escapes before it matches, so it matches /a/b;")


def test_longest_path_came_first() -> None:
    text = one(path("/", "site"), path("/api", "api"))
    first = rule(prefix("/"), action=to("site"), part="http[0].match[0]")
    behind = rule(prefix("/api"), action=to("api"), part="http[1].match[0]")
    reason = why(text, "/api/x", first, behind)
    assert reason == (
        "ingress-nginx takes the longest path that matches; the new routes take the first,"
        f" {first.place}, before {behind.place}"
    )


def test_segments_were_compared() -> None:
    text = one(path("/", "site"), path("/policy", "policy"))
    taker = rule(prefix("/policy"), action=to("policy"))
    reason = why(text, "/policy-author", taker)
    assert "the prefix /policy of routes.yaml:7: VirtualService shop/web" in reason
    assert reason.endswith("takes /policy-author; ingress-nginx compares whole segments")


def test_rewrite_is_lost() -> None:
    text = one(path("/api(/|$)(.*)", "web"), rewrite_target="/$2")
    assert why(text, "/api/v1?q", rule(prefix("/api"))) == (
        "the rewrite-target /$2 of Ingress shop/web is lost: the service gets /v1?q today, and"
        " /api/v1?q with the new routes"
    )


def test_another_rewrite_is_said() -> None:
    action = Forward((Destination("web.shop", 80),), ReplacePath("/other"))
    reason = why(one(path("/api", "web")), "/api/v1", rule(prefix("/api"), action=action))
    assert reason == (
        "the paths are rewritten otherwise: the service gets /api/v1 today, and /other with the new"
        " routes"
    )


def test_no_entry_stands_for_a_redirect_or_a_rewrite() -> None:
    slash = one(path("/my-path/", "web", "Exact"))
    routes = table(a=(rule(exact("/my-path/")),))
    (group,) = coverage(slash, routes, "/my-path", statuses={301: 1}).lost
    assert group.no_suggestion == "a redirect is missing (301), and no service"
    rewriting = one(path("/api(/|$)(.*)", "web"), rewrite_target="/$2")
    (group,) = coverage(rewriting, table(a=(rule(prefix("/api")),)), "/api/v1").lost
    assert group.no_suggestion == "the service is that of today, and the path must be rewritten"


def test_an_entry_says_that_a_rewrite_belongs_to_it() -> None:
    rewriting = one(path("/api(/|$)(.*)", "web"), rewrite_target="/$2")
    (group,) = coverage(rewriting, table(a=(rule(exact("/x")),)), "/api/v1").lost
    assert group.suggestion is not None
    assert "Today the service gets /v1: add the rewrite." in group.suggestion.notes


def test_what_both_serve_is_no_difference() -> None:
    text = one(path("/foo", "web"))
    for target in ("/foo", "/foo/b?c", "/foo/./b", "/foo/%7Eb"):
        assert coverage(text, table(a=(rule(prefix("/foo")),)), target).lost == ()


def test_another_port_is_elsewhere() -> None:
    routes = table(a=(rule(prefix("/"), action=to("web", 8080)),))
    (group,) = coverage(one(path("/", "web")), routes, "/x").lost
    assert group.verdict is Verdict.ELSEWHERE
    unknown = table(a=(rule(prefix("/"), action=to("web", None)),))
    assert coverage(one(path("/", "web")), unknown, "/x").lost == ()


def test_what_is_not_judged_is_a_doubt() -> None:
    text = one(path("/a", "web"), auth_url="http://auth")
    (doubt,) = coverage(text, table(a=(rule(prefix("/a")),)), "/a").doubts
    assert "annotation nginx.ingress.kubernetes.io/auth-url" in doubt

import pytest

from estimator.routing.rewrites import changed_target, location, location_with_tls
from estimator.routing.rules import PathChange, Redirect, ReplacePath, ReplacePrefix, ReplaceRegex


@pytest.mark.parametrize(
    ("change", "target", "result"),
    [
        (None, "/a?b", "/a?b"),
        (ReplacePrefix("/a", "/x"), "/a/b?c=/a", "/x/b?c=/a"),
        (ReplacePath("/x"), "/a/b?c", "/x?c"),
        (ReplaceRegex("^/a/(.*)", r"/\1"), "/a/b?c", "/b?c"),
        (ReplaceRegex("/.*", ""), "/a/b?c", "/a/b?c"),
    ],
)
def test_query_is_no_part_of_a_rewrite(change: PathChange | None, target: str, result: str) -> None:
    assert changed_target(target, change) == result


def test_location_keeps_what_a_redirect_does_not_name() -> None:
    assert (
        location(Redirect(scheme="https"), "a.example", "/b?c", "http") == "https://a.example/b?c"
    )


@pytest.mark.parametrize(
    ("redirect", "authority", "result"),
    [
        (Redirect(), "a.example:80", "http://a.example:80/b?c"),
        (Redirect(scheme="https"), "a.example:80", "https://a.example/b?c"),
        (Redirect(scheme="https"), "a.example:8080", "https://a.example:8080/b?c"),
        (Redirect(port=8443), "a.example:8080", "http://a.example:8443/b?c"),
        (Redirect(port=80), "a.example:8080", "http://a.example:8080/b?c"),
        (Redirect(port=8443), "[::1]", "http://[::1]:8443/b?c"),
        (Redirect(port=8443), "[::1]:80", "http://[::1]:8443/b?c"),
        (Redirect(authority="x.example:1", port=2), "a.example", "http://x.example:1:2/b?c"),
        (Redirect(path=ReplacePath("/x")), "a.example", "http://a.example/x?c"),
        (Redirect(path=ReplacePath("x")), "a.example", "http://a.example/x?c"),
        (Redirect(path=ReplacePath("/x?y")), "a.example", "http://a.example/x?y"),
    ],
    ids=str,
)
def test_location_is_the_one_of_envoy(redirect: Redirect, authority: str, result: str) -> None:
    assert location(redirect, authority, "/b?c", "http") == result


def test_location_with_tls_keeps_the_port() -> None:
    assert location_with_tls("a.example:80", "/b?c") == "https://a.example:80/b?c"


def test_location_has_a_slash_behind_the_host() -> None:
    redirect = Redirect(path=ReplacePath("new"))
    assert location(redirect, "a.example", "/b?c", "http") == "http://a.example/new?c"

from estimator.routing.ingress_nginx.locations import Found
from tests.estimator.routing.ingress_nginx.conftest import ingress, path, routes_of


def found(text: str, asked: bytes) -> Found | None:
    (server,) = routes_of(text).servers
    return server.locations.find(asked)


def names(text: str) -> list[str]:
    (server,) = routes_of(text).servers
    return [f"{each.path_type} {each.path}" for each in server.locations.entries]


def test_a_prefix_becomes_two_locations() -> None:
    assert names(ingress(path("/a", "one"))) == ["Prefix /a/", "Exact /a", "Prefix /"]


def test_a_written_exact_path_is_kept() -> None:
    text = ingress(path("/a", "one"), path("/a", "two", "Exact"))
    assert names(text) == ["Prefix /a/", "Exact /a", "Prefix /"]
    match = found(text, b"/a")
    assert match is not None
    assert match.location.service is not None
    assert match.location.service.host == "two.shop"


def test_longest_path_comes_first() -> None:
    text = ingress(path("/a", "one"), path("/a/b", "two"))
    match = found(text, b"/a/b/c")
    assert match is not None
    assert match.location.path == "/a/b/"


def test_the_slash_is_added_before_the_longest_prefix() -> None:
    match = found(ingress(path("/", "one"), path("/a/", "two")), b"/a")
    assert match is not None
    assert match.adds_slash


def test_duplicates_are_warned_of() -> None:
    routes = routes_of(ingress(path("/a", "one"), path("/a/", "two")))
    assert "nginx refuses a second location /a/ of a.com" in routes.warnings[0]


def test_an_unjudged_regex_is_warned_of() -> None:
    routes = routes_of(ingress(path("/(?!x)", "one"), asked={"use-regex": "true"}))
    assert "RE2 refuses the path /(?!x)" in routes.warnings[0]

import pytest

from estimator.routing.ingress_nginx.uris import escaped, escaped_for_query, normalized


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("//a///b", b"/a/b"),
        ("/a/./b/../c", b"/a/c"),
        ("/a/..", b"/"),
        ("/a/.", b"/a/"),
        ("/%61%2Fb", b"/a/b"),
        ("/a/%2e%2E/b", b"/b"),
        ("/a%3Fb", b"/a?b"),
        ("/a%2525", b"/a%25"),
        ("/a#b", b"/a"),
        ("/...", b"/..."),
    ],
)
def test_nginx_matches_the_normalised_path(target: str, path: bytes) -> None:
    assert normalized(target) == (path, b"")


@pytest.mark.parametrize("target", ["/..", "/a/../../b", "/%zz", "/%0", "/%00", "/a b", "*", ""])
def test_nginx_refuses_what_it_cannot_read(target: str) -> None:
    assert normalized(target) is None


def test_the_query_stays_as_it_is() -> None:
    assert normalized("//a?b=//%2e") == (b"/a", b"b=//%2e")


def test_a_rewritten_path_is_escaped_again() -> None:
    assert escaped("/a b?é%+".encode()) == "/a%20b%3F%C3%A9%25+"
    assert escaped_for_query(b"/a&b+c") == b"/a%26b%2Bc"

"""Checks which location nginx chooses for a URI."""

import re
from pathlib import Path

import pytest

from mirror.preflight.nginx.expressions import Expressions, PatternError
from mirror.preflight.nginx.locations import Location, Locations
from tests.mirror.preflight.nginx.test_scopes import server


def chosen(folder: Path, locations: str, uri: str) -> str | None:
    scope = server(folder, f"server {{ {locations} }}")
    found = Locations(scope, Expressions()).find(uri)
    return found.name.removeprefix("location ") if found else None


LOCATIONS = r"""
location / { }
location = /a { }
location /a { }
location /a/ { location = /a/b { } location = /a/e.png { } location ~ z$ { } location /a/inner { } }
location ^~ /c { location /c/inner { } }
location ~ \.png$ { }
location ~* \.jpe?g$ { }
location ~ ^/a/inner/x { }
location @named { }
"""
CHOICES = [
    ("/", "/"),
    ("/a", "= /a"),
    ("/ab", "/a"),
    ("/a/", "/a/"),
    ("/a/b", "= /a/b"),
    ("/a/e.png", "= /a/e.png"),
    ("/a/yz", "~ z$"),
    ("/a/inner", "/a/inner"),
    ("/a/inner/x", "~ ^/a/inner/x"),
    ("/a/i.png", r"~ \.png$"),
    ("/c/i.png", "^~ /c"),
    ("/c/inner/i.png", "/c/inner"),
    ("/i.JPG", r"~* \.jpe?g$"),
    ("@named", None),
]
"""URIs and the location of each; a topology test asks nginx the same."""


@pytest.mark.parametrize(("uri", "name"), CHOICES)
def test_the_location_is_nginxs(tmp_path: Path, uri: str, name: str | None) -> None:
    assert chosen(tmp_path, LOCATIONS, uri) == name


def test_a_modifier_needs_no_space_and_groups_may_have_names(tmp_path: Path) -> None:
    assert chosen(tmp_path, "location =/a { } location / { }", "/a") == "=/a"
    assert chosen(tmp_path, r"location ~^/(?<name>\w+)$ { }", "/abc") == r"~^/(?<name>\w+)$"


def test_an_expression_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    scope = server(tmp_path, "server { location ~ a(?|b { } }")
    with pytest.raises(PatternError, match=re.escape("location ~ a(?|b")):
        Locations(scope, Expressions()).find("/a")


def test_a_uri_that_nginx_refuses_is_not_judged(tmp_path: Path) -> None:
    with pytest.raises(PatternError, match="more than 4,096 characters"):
        chosen(tmp_path, "location / { }", "/" * 4097)


def test_a_choice_is_made_once_for_each_uri(tmp_path: Path) -> None:
    """Thousands of locations ask for the location of the one `mirror` that they inherit."""
    asked = []

    class Counting(Expressions):
        def fits(self, pattern: str, ignores_case: bool, uri: str) -> bool:
            asked.append(uri)
            return super().fits(pattern, ignores_case, uri)

    scope = server(tmp_path, "server { location ~ ^/a { } location ~ (?|b { } }")
    locations = Locations(scope, Counting())
    assert {locations.find("/a") for _ in range(9)} == {locations.direct[0]}
    for _ in range(9):
        with pytest.raises(PatternError):
            locations.find("/b")
    assert asked == ["/a", "/b", "/b"]


def test_a_server_without_a_location_has_a_name(tmp_path: Path) -> None:
    assert Location(server(tmp_path, "server { }")).name == "the server"


def test_every_location_comes_before_those_inside(tmp_path: Path) -> None:
    scope = server(tmp_path, "server { location /a { location /a/b { } } location @c { } }")
    locations = Locations(scope, Expressions())
    patterns = [location.pattern for location in locations.everywhere()]
    assert patterns == ["/a", "/a/b", "@c"]
    assert locations.named("@c") is locations.direct[1] and locations.named("@d") is None

"""Checks nginx's inheritance, its choice of a location, and its maps."""

import re
from pathlib import Path

import pytest

from mirror.preflight.nginx.reading import read_configuration
from mirror.preflight.nginx.scopes import (
    Location,
    PatternError,
    Scope,
    Variables,
    find_location,
    read_locations,
)


def server(folder: Path, text: str) -> Scope:
    path = folder / "nginx.conf"
    path.write_text(f"http {{ {text} }}")
    ((http,), problems) = read_configuration(str(path))
    assert problems == []
    scope = Scope(http)
    return Scope(scope.own("server")[0], scope)


def chosen(folder: Path, locations: str, uri: str) -> str | None:
    found = find_location(read_locations(server(folder, f"server {{ {locations} }}")), uri)
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
        find_location(read_locations(scope), "/a")


def test_a_level_hides_what_is_above_by_name(tmp_path: Path) -> None:
    text = """
    proxy_set_header A http; proxy_read_timeout 1s;
    server { proxy_set_header B server; proxy_set_header A server;
        location /own { proxy_set_header C own; }
        location /none { }
    }
    """
    scope = server(tmp_path, text)
    own, none = read_locations(scope)
    assert own.scope.header("a") is None
    assert [line.args[1] for line in none.scope.in_force("proxy_set_header")] == ["server"] * 2
    header = none.scope.header("a")
    assert header is not None and header.args == ("A", "server")
    assert none.scope.value("proxy_read_timeout", "60s") == "1s"
    assert none.scope.value("proxy_send_timeout", "60s") == "60s"
    assert none.scope.place("proxy_read_timeout").endswith(":2")
    assert none.scope.place("proxy_send_timeout").endswith(":5")


def test_the_last_header_of_a_name_counts(tmp_path: Path) -> None:
    scope = server(tmp_path, "server { proxy_set_header A 1; proxy_set_header a 2; }")
    header = scope.header("A")
    assert header is not None and header.args[1] == "2"


def test_maps_are_followed_and_end(tmp_path: Path) -> None:
    text = """
    map $host $a { default $b; "" c; hostnames; }
    map $x $b { x ${a}; y literal; }
    map $x $d { default d; "" e; }
    server { }
    """
    scope = server(tmp_path, text)
    assert scope.above is not None
    variables = Variables.of(scope.above)
    assert variables.leaves("$other") == {"$other"}
    assert variables.leaves("$a") >= {"c", "literal", ""}
    assert variables.without_source("$d") == "e"
    assert variables.without_source("$b") == ""
    assert variables.without_source("${a}") == "c"
    assert variables.without_source("text $d") == "text $d"


def test_a_server_without_a_location_has_a_name(tmp_path: Path) -> None:
    location = Location(server(tmp_path, "server { }"))
    assert location.name == "the server" and list(location.everywhere()) == [location]

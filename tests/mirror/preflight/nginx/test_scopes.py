"""Checks nginx's inheritance and its maps."""

from pathlib import Path

from mirror.preflight.nginx.expressions import Expressions
from mirror.preflight.nginx.locations import Locations
from mirror.preflight.nginx.reading import read_configuration
from mirror.preflight.nginx.scopes import Scope, Variables


def server(folder: Path, text: str) -> Scope:
    path = folder / "nginx.conf"
    path.write_text(f"http {{ {text} }}")
    ((http,), problems) = read_configuration(str(path))
    assert problems == []
    scope = Scope(http)
    return Scope(scope.own("server")[0], scope)


def test_a_level_hides_what_is_above_by_name(tmp_path: Path) -> None:
    text = """
    proxy_set_header A http; proxy_read_timeout 1s;
    server { proxy_set_header B server; proxy_set_header A server;
        location /own { proxy_set_header C own; }
        location /none { }
    }
    """
    scope = server(tmp_path, text)
    own, none = Locations(scope, Expressions()).direct
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


def test_many_maps_in_a_row_are_followed_once_each(tmp_path: Path) -> None:
    """Three results of each of 20 maps are more ways than a test could walk."""
    maps = "".join(f"map $x $v{n} {{ default $v{n + 1}; a ${{v{n + 1}}}; }}" for n in range(19))
    scope = server(tmp_path, f"{maps} server {{ }}")
    assert scope.above is not None
    assert Variables.of(scope.above).leaves("$v0") == {"$v19", "${v19}"}


def test_a_map_without_entries_is_empty(tmp_path: Path) -> None:
    scope = server(tmp_path, "map $x $v { } server { }")
    assert scope.above is not None
    variables = Variables.of(scope.above)
    assert variables.leaves("$v") == {""} and variables.without_source("$v") == ""

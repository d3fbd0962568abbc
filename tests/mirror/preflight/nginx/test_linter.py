"""Checks the linter as a whole: the shipped files, parts of a configuration, and what it leaves."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mirror.config import parse
from mirror.demo.nginx import inline_site, main_config, sink_site
from mirror.preflight.nginx import expressions
from tests.mirror.preflight.nginx.configurations import (
    INLINE,
    SINK,
    codes,
    config_for,
    faults,
    linted,
)

SHIPPED = Path(__file__).parents[4] / "deploy" / "nginx"
SOCKET = "unix:/run/mirror/mirror.sock"


@pytest.mark.parametrize(("text", "mode"), [(SINK, "sink"), (INLINE, "inline")])
def test_a_correct_configuration_has_no_finding(tmp_path: Path, text: str, mode: str) -> None:
    assert linted(tmp_path, text, mode=mode) == []


@pytest.mark.parametrize(
    ("mode", "names"),
    [
        ("sink", ["mirror-http.conf", "app.conf", "mirror-sink.conf"]),
        ("inline", ["mirror-http.conf", "inline-http.conf", "mirror-inline.conf"]),
    ],
)
def test_the_shipped_files_have_no_finding(tmp_path: Path, mode: str, names: list[str]) -> None:
    (tmp_path / "mirror").symlink_to(SHIPPED)
    includes = "".join(f"include mirror/{name};" for name in names)
    path = tmp_path / "nginx.conf"
    path.write_text(f"events {{ }} http {{ {includes} }}")
    assert faults(str(path), config_for(mode, listen=SOCKET)) == []
    path.write_text(includes)
    assert faults(str(path), config_for(mode, listen=SOCKET)) == []


def test_the_first_configuration_of_the_guide_has_no_finding(tmp_path: Path) -> None:
    page = (SHIPPED.parents[1] / "docs" / "configuration.md").read_text()
    nginx = re.findall(r"```nginx\n(.*?)```", page, re.DOTALL)[0]
    sidecar = re.findall(r"```yaml\n(# mirror.yaml\n.*?)```", page, re.DOTALL)[0]
    path = tmp_path / "nginx.conf"
    path.write_text(nginx)
    assert faults(str(path), parse(sidecar, environ={})) == []


def test_the_demos_nginx_has_no_finding(tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text(main_config(sink_site(1, 2, SOCKET, 3), tmp_path))
    assert faults(str(path), config_for("sink", listen=SOCKET)) == []
    path.write_text(main_config(inline_site(1, 2, SOCKET), tmp_path))
    assert faults(str(path), config_for("inline", listen=SOCKET)) == []


def test_one_mistake_of_many_locations_is_one_finding(tmp_path: Path) -> None:
    more = "location /b { mirror /m; mirror_request_body off; proxy_pass http://app; }"
    replaced = [("internal;", ""), ("server {\n", f"server {{\n{more}")]
    assert codes(linted(tmp_path, SINK, replaced)) == ["internal"]


def test_mirror_is_inherited_and_ended(tmp_path: Path) -> None:
    above = "server {\n mirror /m; mirror_request_body off;"
    below = [("mirror /m;", ""), ("mirror_request_body off;", "")]
    assert linted(tmp_path, SINK, [*below, ("server {\n", above)]) == []
    ended = [("mirror /m;", "mirror off;"), ("mirror_request_body off;", "")]
    assert codes(linted(tmp_path, SINK, [*ended, ("server {\n", above)])) == ["not_reached"]


def test_a_server_without_locations_is_a_location(tmp_path: Path) -> None:
    text = "server { mirror /m; proxy_pass http://app; }"
    assert codes(linted(tmp_path, text)) == ["not_reached", "not_reached"]


def test_what_decides_at_run_time_is_named(tmp_path: Path) -> None:
    scripts = "mirror /m; if ($a) { return 403; } access_by_lua_block { x() } js_access a.b;"
    (finding,) = linted(tmp_path, SINK, [("mirror /m;", scripts)])
    assert (finding.code, finding.severity) == ("nginx.not_judged", "note")
    assert "`if`, `access_by_lua_block`, `js_access` in location / may" in finding.what


def test_locations_without_a_way_to_the_sidecar_are_left_alone(tmp_path: Path) -> None:
    other = "server { location /x { if ($a) { return 1; } proxy_pass http://$x; } }"
    assert linted(tmp_path, SINK + other) == []


def test_an_expression_that_is_not_judged_is_unknown(tmp_path: Path) -> None:
    odd = "server {\n location ~ (?|a { proxy_pass http://app; }"
    text = SINK.replace("location = /m", "location /m")
    (finding,) = linted(tmp_path, text, [("server {\n", odd)])
    assert (finding.code, finding.severity) == ("nginx.expression", "unknown")
    assert "Where `mirror /m;` leads is not known: location ~ (?|a (" in finding.what


def test_an_endless_expression_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "MOST_S", 0.05)
    uri = f"/{'a' * 60}"
    text = SINK.replace("location = /m", f"location {uri}").replace("mirror /m", f"mirror {uri}!")
    odd = "server {\n location ~ ^/(a|a)*$ { proxy_pass http://app; }"
    (finding,) = linted(tmp_path, text, [("server {\n", odd)])
    assert finding.code == "nginx.expression" and "took 0.05 s" in finding.what


def test_nothing_to_read_is_unknown(tmp_path: Path) -> None:
    (missing,) = faults(str(tmp_path / "none.conf"), config_for("sink"))
    assert (missing.code, missing.severity) == ("nginx.unreadable", "unknown")
    empty = tmp_path / "empty.conf"
    empty.touch()
    assert codes(faults(str(empty), config_for("sink"))) == ["unreadable"]


def test_a_configuration_without_mirroring_is_said_to_be(tmp_path: Path) -> None:
    (finding,) = linted(tmp_path, "server { location / { proxy_pass http://a; } }")
    assert finding.code == "nginx.not_reached"
    assert "No proxy_pass leads to unix:/run/m.sock" in finding.what


def test_serve_does_not_load_the_parser() -> None:
    program = (
        "import sys, mirror.commands.serve, mirror.commands.check;"
        "assert 'crossplane' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0

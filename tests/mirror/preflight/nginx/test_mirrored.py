"""Checks what the linter says of mirrored locations, and which server takes a host."""

from pathlib import Path

import pytest

from mirror.preflight.findings import Finding
from mirror.preflight.nginx.linter import lint
from mirror.preflight.nginx.mirrored import MOST_LETTERS, MOST_NAMES
from tests.mirror.preflight.nginx.configurations import INLINE, SINK, config_for

RETURNS = "return 200;"
DISCARD = "server { listen 127.0.0.1:9912; return 204; }"


def found(folder: Path, text: str, host: str | None = None, mode: str = "sink") -> list[Finding]:
    path = folder / "nginx.conf"
    path.write_text(f"events {{ }}\nhttp {{{text}}}\n")
    return lint(str(path), config_for(mode), host)


def mirroring(names: str, listen: str = "80") -> str:
    """Return the parts of SINK, with a name and an address for its server."""
    return SINK.replace("server {\n", f"server {{\n listen {listen}; server_name {names};", 1)


def test_note_lists_what_is_mirrored_and_what_is_not(tmp_path: Path) -> None:
    other = "location = /robots.txt { return 200; } location ~ \\.php$ { proxy_pass http://app; }"
    text = mirroring("shop.example.com").replace("location = /m", f"{other} location = /m")
    blog = "server { listen 8080; server_name blog; return 200; } server { location /x { } }"
    (note,) = found(tmp_path, text + blog + DISCARD)
    assert (note.code, note.severity) == ("nginx.mirrored", "note")
    assert note.what == (
        "Mirrored: shop.example.com: /. Not mirrored: shop.example.com: = /robots.txt, ~ \\.php$; "
        "blog; listen *:80: /x."
    )
    (note,) = found(tmp_path, INLINE, mode="inline")
    assert note.what == "Mirrored: listen *:80: /."


def test_note_is_bounded(tmp_path: Path) -> None:
    many = "".join(f"location /{n}/{'x' * 200} {{ {RETURNS} }}\n" for n in range(MOST_NAMES + 5))
    (note,) = found(tmp_path, SINK.replace("location = /m", f"{many} location = /m"))
    assert note.what.endswith(
        f"/{MOST_NAMES - 1}/".ljust(MOST_LETTERS - 3, "x") + "..., and 5 more."
    )


def test_nothing_mirrored_has_no_note(tmp_path: Path) -> None:
    text = "server { server_name a; return 200; }"
    assert [each.code for each in found(tmp_path, text, "a")] == ["nginx.not_reached"]


@pytest.mark.parametrize(
    ("own", "others", "host", "taker"),
    [
        # As included beside a site: the other server takes the host by its name.
        ("_", f"server {{ server_name shop; {RETURNS} }}", "shop", "shop"),
        ("_", f"server {{ server_name shop; {RETURNS} }}", "SHOP:80", "shop"),
        ("_", f"server {{ server_name shop; {RETURNS} }}", "other", None),
        ("shop", f"server {{ server_name blog; {RETURNS} }}", "shop", None),
        # The default is the first, unless another one is declared.
        ("shop", f"server {{ server_name blog; {RETURNS} }}", "other", None),
        ("shop", f"server {{ listen 80 default_server; {RETURNS} }}", "other", "listen *:80"),
        # An exact name, the longest `*.`, the longest `.*`, then the first expression.
        ("*.a.com", f"server {{ server_name b.a.com; {RETURNS} }}", "b.a.com", "b.a.com"),
        ("*.a.com", f"server {{ server_name *.b.a.com; {RETURNS} }}", "c.b.a.com", "*.b.a.com"),
        (".a.com", f"server {{ server_name a.*; {RETURNS} }}", "a.com", None),
        ("a.*", f"server {{ server_name *.com; {RETURNS} }}", "a.com", "*.com"),
        ("a.*", f"server {{ server_name ~^a; {RETURNS} }}", "a.com", None),
        ("b", f"server {{ server_name ~^(?<x>A)\\.; {RETURNS} }}", "a.com", "~^(?<x>a)\\."),
        # On another port, a redirect to the one that mirrors.
        ("shop", f"server {{ listen 8080; server_name shop; {RETURNS} }}", "shop", None),
        ("shop", f"server {{ listen 8080; {RETURNS} }}{DISCARD}", "other", None),
    ],
)
def test_server_that_takes_the_host_should_mirror(
    tmp_path: Path, own: str, others: str, host: str, taker: str | None
) -> None:
    warnings = found(tmp_path, mirroring(own) + DISCARD + others, host)
    expected = (
        [] if taker is None else [f"{host} is taken by {taker}, in which no location leads to"]
    )
    hits = [each for each in warnings if each.code == "nginx.host_not_mirrored"]
    assert [each.what.partition(" the sidecar")[0] for each in hits] == expected


@pytest.mark.parametrize(
    ("listen", "shadow", "is_circle"),
    [
        ("80", "http://127.0.0.1:80", True),
        ("[::]:80", "http://localhost", True),
        ("10.0.0.7:30080", "http://10.0.0.7:30080", True),
        ("80", "http://10.0.0.7:80", False),
        ("8080", "http://127.0.0.1:80", False),
    ],
)
def test_shadow_that_is_the_mirroring_server_is_a_circle(
    tmp_path: Path, listen: str, shadow: str, is_circle: bool
) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text(f"events {{ }} http {{ {mirroring('shop', listen)} }}")
    codes = [each.code for each in lint(str(path), config_for("sink", shadow_url=shadow))]
    assert ("nginx.shadow_mirrors" in codes) is is_circle
    other = "server { listen 127.0.0.1:8081; return 200; }"
    path.write_text(f"events {{ }} http {{ {mirroring('shop')} {other} }}")
    config = config_for("sink", shadow_url="http://127.0.0.1:8081")
    assert [each.code for each in lint(str(path), config)] == ["nginx.mirrored"]


def test_name_that_cannot_be_judged_is_said(tmp_path: Path) -> None:
    text = mirroring("b") + f"server {{ server_name ~(?|a; {RETURNS} }}"
    assert [each.code for each in found(tmp_path, text, "a")] == [
        "nginx.mirrored",
        "nginx.not_judged",
    ]

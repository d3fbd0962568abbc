"""Checks what is said of the locations that serve production: how often each request is sent."""

from pathlib import Path
from typing import Any

import pytest

from mirror.preflight.nginx.production import MOST_MIRRORS
from tests.mirror.preflight.nginx.configurations import INLINE, SINK, codes, linted

MIRROR = "mirror /m;"
APP = "proxy_pass http://app;"


@pytest.mark.parametrize(
    ("mirrors", "found"),
    [
        ("mirror off;", ["not_reached"]),
        ("mirror $where;", ["mirror_variable", "not_reached"]),
        ("mirror /m; mirror /m;", ["mirrored_twice"]),
        ("mirror /nowhere;", ["mirror_to_production", "not_reached"]),
        ("mirror @m;", ["not_reached", "not_reached"]),
    ],
)
def test_the_mirror_directives_of_a_location(
    tmp_path: Path, mirrors: str, found: list[str]
) -> None:
    assert codes(linted(tmp_path, SINK, [(MIRROR, mirrors)])) == found


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("10.0.0.7:30080", ["past_the_sidecar"]),
        ("10.0.0.7:30081", ["past_the_sidecar"]),
        ("10.0.0.8", ["other_mirror"]),
        ("$target", ["not_judged"]),
    ],
)
def test_another_way_beside_the_sidecar(tmp_path: Path, target: str, found: list[str]) -> None:
    proxy_pass = f"proxy_pass http://{target};"
    second = f"location = /second {{ internal; {proxy_pass} }}\n    location = /m {{"
    replaced = [(MIRROR, f"{MIRROR} mirror /second;"), ("location = /m {", second)]
    findings = linted(tmp_path, SINK, replaced)
    assert codes(findings) == found
    if found == ["past_the_sidecar"]:
        assert findings[0].severity == "refused"


def test_of_very_many_mirrors_the_first_are_judged(tmp_path: Path) -> None:
    found = linted(tmp_path, SINK, [(MIRROR, MIRROR * (MOST_MIRRORS + 1))])
    assert found[0].code == "nginx.unreadable" and found[0].severity == "unknown"
    assert f"More than {MOST_MIRRORS} `mirror` are in force in location /;" in found[0].what
    assert codes(found)[1:] == ["mirrored_twice"]


def test_an_expression_decides_where_try_files_leads(tmp_path: Path) -> None:
    replaced = [(APP, "try_files $uri /x;"), ("server {\n", "server {\nlocation ~ (?|a { }")]
    (finding,) = linted(tmp_path, SINK, replaced)
    assert finding.code == "nginx.expression" and "Where `try_files $uri /x;`" in finding.what


def test_an_internal_prefix_is_made_for_copies(tmp_path: Path) -> None:
    replaced = [(MIRROR, "mirror /m/x;"), ("location = /m {", "location /m/ {")]
    assert linted(tmp_path, SINK, replaced) == []


def test_a_share_of_the_copies_is_followed(tmp_path: Path) -> None:
    split = 'split_clients $remote_addr $share { 5% sink; * ""; }\nupstream app'
    replaced = [("\nupstream app", f"\n{split}"), ("http://sink", "http://$share")]
    assert linted(tmp_path, SINK, replaced) == []


def test_a_condition_around_the_proxy_pass_is_no_dead_end(tmp_path: Path) -> None:
    limited = "limit_except GET { proxy_pass http://sink$request_uri; }"
    found = linted(tmp_path, SINK, [("proxy_pass http://sink$request_uri;", limited)])
    assert codes(found) == ["not_judged"]
    assert "`limit_except` in location = /m may change this." in found[0].what


def test_the_shadow_alone_is_no_second_way(tmp_path: Path) -> None:
    """Checks that nginx's own mirroring is not blamed where no sidecar is on the way."""
    found = linted(tmp_path, SINK, [("unix:/run/m.sock", "10.0.0.7:30080")])
    assert codes(found) == ["not_reached"]


def test_every_port_of_loopback_is_not_near_a_shadow_there(tmp_path: Path) -> None:
    second = "location = /second { internal; proxy_pass http://127.0.0.1:7; }\n    location = /m {"
    replaced = [(MIRROR, f"{MIRROR} mirror /second;"), ("location = /m {", second)]
    found = linted(tmp_path, SINK, replaced, shadow_url="http://127.0.0.1:30080")
    assert codes(found) == ["other_mirror"]


@pytest.mark.parametrize(
    ("text", "mode", "found"),
    [
        (SINK, "inline", ["wrong_mode"]),
        (INLINE, "sink", ["wrong_mode"]),
    ],
)
def test_nginx_and_the_sidecar_agree_about_the_mode(
    tmp_path: Path, text: str, mode: str, found: list[str]
) -> None:
    findings = linted(tmp_path, text, mode=mode)
    assert codes(findings) == found and findings[0].severity == "refused"


def test_inline_and_mirror_together_count_twice(tmp_path: Path) -> None:
    found = linted(tmp_path, SINK, [(APP, "proxy_pass http://sink;")])
    assert codes(found) == ["mirrored_twice", "wrong_mode"]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("proxy_set_header Upgrade $http_upgrade;", "", ["upgrade"]),
        ("proxy_set_header X-Mirror-Mode inline;", "", ["mode_header"]),
        ("X-Mirror-Mode inline", "X-Mirror-Mode sink", ["mode_header"]),
        ("error timeout", "error timeout http_502", ["next_upstream"]),
        ("error timeout", "error timeout non_idempotent", ["next_upstream"]),
        ("proxy_next_upstream error timeout;", "", []),
        ("server {", "server { large_client_header_buffers 4 16k;", ["long_targets"]),
    ],
)
def test_each_mistake_inline(tmp_path: Path, old: str, new: str, found: list[str]) -> None:
    assert codes(linted(tmp_path, INLINE, [(old, new)], mode="inline")) == found


@pytest.mark.parametrize(
    ("location", "handler", "found"),
    [
        ("location / {", "root /srv;", ["index_redirect"]),
        ("location /files/ {", "root /srv; index a.html;", ["index_redirect"]),
        ("location = /a {", "root /srv;", []),
        ("location = / {", "root /srv;", ["index_redirect"]),
        (r"location ~ \.png$ {", "root /srv;", []),
        ("location / {", "fastcgi_pass app;", []),
        ("location / {", "root /srv; try_files $uri =404;", []),
        ("location / {", "root /srv; try_files $uri $uri/ =404;", ["index_redirect"]),
        ("location / {", "content_by_lua_block { ngx.say('}') }", ["not_judged"]),
    ],
)
def test_files_that_are_served_are_mirrored_twice(
    tmp_path: Path, location: str, handler: str, found: list[str]
) -> None:
    replaced = [("location / {", location), (APP, handler)]
    assert codes(linted(tmp_path, SINK, replaced)) == found


@pytest.mark.parametrize(
    ("last", "location", "found"),
    [
        ("@app", "location @app { proxy_pass http://app; }", ["try_files"]),
        ("@app", "location @app { mirror off; proxy_pass http://app; }", ["try_files"]),
        (
            "@app",
            "location @app { mirror /m; mirror_request_body off; proxy_pass http://app; }",
            [],
        ),
        ("/app/x?$args", "location /app/ { proxy_pass http://app; }", ["try_files"]),
        ("/x", "location /app/ { proxy_pass http://app; }", []),
        ("@none", "", []),
        ("=404", "", []),
        ("$uri.html", "", []),
    ],
)
def test_what_falls_through_try_files(
    tmp_path: Path, last: str, location: str, found: list[str]
) -> None:
    replaced = [(APP, f"try_files $uri {last};"), ("server {\n", f"server {{\n{location}")]
    assert codes(linted(tmp_path, SINK, replaced)) == found


AGAIN = "location @b { mirror /m; mirror_request_body off; proxy_pass http://app; }"


@pytest.mark.parametrize(
    ("serves", "others", "found"),
    [
        (f"error_page 502 = @b; {APP}", AGAIN, ["error_page"]),
        (f"error_page 500 502 /b?a=b; {APP}", AGAIN.replace("@b", "/b"), ["error_page"]),
        (f"error_page 502 /50x.html; {APP}", "", ["error_page"]),
        (f"error_page 404 = @b; {APP}", AGAIN, []),
        (f"proxy_intercept_errors on; error_page 404 = @b; {APP}", AGAIN, ["error_page"]),
        (
            "fastcgi_intercept_errors on; error_page 404 @b; fastcgi_pass app;",
            AGAIN,
            ["error_page"],
        ),
        (f"fastcgi_intercept_errors on; error_page 404 @b; {APP}", AGAIN, []),
        ("alias /srv/a; error_page 404 = @b;", AGAIN, ["error_page", "index_redirect"]),
        ("return 404; error_page 404 = @b;", AGAIN, []),
        ("try_files $uri =404; error_page 404 = @b;", AGAIN, []),
        (f"error_page 502 = @b; {APP}", AGAIN.replace("mirror /m;", "mirror off;"), []),
        (f"error_page 502 = @b; {APP}", AGAIN.replace(APP, "return 503;"), []),
        (f"error_page 502 = @none; {APP}", AGAIN, []),
        (f"error_page 502 http://example.com/; {APP}", AGAIN, []),
        (f"error_page 502 /$status; {APP}", AGAIN, ["not_judged"]),
        (f"error_page 502 /b; {APP}", "location ~ (?|b { }", ["expression"]),
    ],
)
def test_an_error_page_that_mirrors_again(
    tmp_path: Path, serves: str, others: str, found: list[str]
) -> None:
    replaced = [(APP, serves), ("server {\n", f"server {{\n{others}")]
    assert codes(linted(tmp_path, SINK, replaced)) == found


def test_an_error_page_is_named_at_its_location(tmp_path: Path) -> None:
    above = "server {\n mirror /m; mirror_request_body off; error_page 502 /50x.html;\n"
    page = "location = /50x.html { proxy_pass http://app; }\n"
    below = [("mirror /m;", ""), ("mirror_request_body off;", "")]
    (finding,) = linted(tmp_path, SINK, [*below, ("server {\n", above + page)])
    path = tmp_path / "nginx.conf"
    text = path.read_text().splitlines()
    line = text.index(page.strip()) + 1
    assert (finding.code, finding.where) == ("nginx.error_page", f"{path}:{line}")
    assert finding.what == (
        f"`error_page 502 /50x.html;` ({path}:{line - 1}) leads from location / to"
        " location = /50x.html."
    )


@pytest.mark.parametrize(
    ("replaced", "sections"),
    [
        ([("unix:/run/m.sock;", "127.0.0.1:8125;")], {"listen": "127.0.0.1:8125"}),
        ([("unix:/run/m.sock;", "localhost:8125;")], {"listen": "127.0.0.1:8125"}),
        ([("unix:/run/m.sock;", "mirror:8125;")], {"listen": "0.0.0.0:8125"}),
        ([("unix:/run/m.sock;", "[::1]:8125;")], {"listen": ["[::1]:8125", "unix:/a"]}),
        ([("unix:/run/m.sock;", "unix:/srv/app/run/m.sock;")], {"listen": "unix:run/m.sock"}),
    ],
)
def test_the_sidecar_is_recognised_by_each_address(
    tmp_path: Path, replaced: list[tuple[str, str]], sections: dict[str, Any]
) -> None:
    assert linted(tmp_path, SINK, replaced, **sections) == []

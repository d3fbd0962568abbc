"""Checks each mistake on the way to the sidecar, in both modes."""

from pathlib import Path

import pytest

from tests.mirror.preflight.nginx.configurations import INLINE, SINK, codes, linted

GROUP = """upstream sink {
    server unix:/run/m.sock;
    server 127.0.0.1:9912 backup;
    keepalive 8;
}"""
HOST = "Host $http_host"


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("backup;\n    keepalive 8;", "backup;", ["keepalive"]),
        ("backup;\n    keepalive 8;", "backup;\n    keepalive 0;", ["keepalive"]),
        (" backup;", " down;", ["backup"]),
        ("proxy_http_version 1.1;", "", ["http_version"]),
        ("proxy_http_version 1.1;", "proxy_http_version 1.0;", ["http_version"]),
        ("proxy_http_version 1.1;", "proxy_http_version 2;", []),
        ('proxy_set_header Connection "";', "", ["connection"]),
        ('Connection ""', "Connection close", ["connection"]),
        ('Connection ""', "Connection upgrade", ["connection"]),
        ('Connection ""', "Connection keep-alive", []),
        ('Connection ""', "Connection $http_connection", ["connection"]),
        ('Connection ""', "Connection $made_elsewhere", ["not_judged"]),
        ("proxy_set_header Host $http_host;", "", ["host"]),
        (HOST, "Host $proxy_host", ["host"]),
        (HOST, "Host www.example.com", ["host"]),
        (HOST, 'Host ""', ["host"]),
        (HOST, "Host $host", []),
        (HOST, "Host $host:$server_port", ["host_with_port"]),
        (HOST, "Host $host:30080", ["host_with_port"]),
        (HOST, "Host $made_elsewhere", ["not_judged"]),
        (HOST, "Host $http_x_forwarded_host", []),
    ],
)
def test_each_mistake_is_one_finding(tmp_path: Path, old: str, new: str, found: list[str]) -> None:
    assert codes(linted(tmp_path, SINK, [(old, new)])) == found


def test_an_address_instead_of_an_upstream_has_neither_keep_alive_nor_backup(
    tmp_path: Path,
) -> None:
    direct = "http://unix:/run/m.sock:$request_uri"
    found = linted(tmp_path, SINK, [(GROUP, ""), ("http://sink$request_uri", direct)])
    assert codes(found) == ["keepalive", "backup"]


@pytest.mark.parametrize(
    ("block", "found"),
    [
        ("websocket upgrade;", []),
        ("default upgrade; '' '';", []),
        ("default upgrade; '' close;", ["connection"]),
        ("default close;", ["connection"]),
    ],
)
def test_a_map_is_followed_for_a_request_without_an_upgrade(
    tmp_path: Path, block: str, found: list[str]
) -> None:
    replaced = [("websocket upgrade;", block)]
    assert codes(linted(tmp_path, INLINE, replaced, mode="inline")) == found


@pytest.mark.parametrize(
    ("maps", "found"),
    [
        ('map $host $a { default $host; "" $hostname; }', []),
        ("map $host $a { default $b; } map $x $b { default $http_host; }", []),
        ("map $host $a { default $host:$server_port; }", ["host_with_port"]),
        ("map $host $a { default $b; } map $x $b { default $a; }", ["not_judged"]),
        ("map $host $a { default $host; a.example b.example; }", ["not_judged"]),
    ],
)
def test_a_map_of_the_host_is_followed(tmp_path: Path, maps: str, found: list[str]) -> None:
    replaced = [(HOST, "Host $a"), ("\nupstream app", f"\n{maps} upstream app")]
    assert codes(linted(tmp_path, SINK, replaced)) == found


def test_one_finding_lists_what_a_map_may_come_to(tmp_path: Path) -> None:
    hosts = " ".join(f"a{number} b{number}.example;" for number in range(9))
    maps = f"map $host $a {{ default $host; {hosts} }}"
    replaced = [(HOST, "Host $a"), ("\nupstream app", f"\n{maps} upstream app")]
    (finding,) = linted(tmp_path, SINK, replaced)
    assert (
        "b0.example, b1.example, b2.example, b3.example, b4.example and 4 others;" in finding.what
    )

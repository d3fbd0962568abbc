"""Checks where a proxy_pass leads, by the address that is written there."""

import pytest

from mirror.preflight.nginx.destinations import Destinations, is_same_path
from mirror.preflight.nginx.reading import Directive
from mirror.preflight.nginx.scopes import Scope, Variables
from tests.mirror.preflight.nginx.configurations import config_for


def line(name: str, *args: str) -> Directive:
    return Directive(name, args, "f", 1)


GROUP = Directive(
    "upstream",
    ("group",),
    "f",
    1,
    (
        line("server", "10.0.0.9", "down"),
        line("server", "unix:/run/m.sock", "max_fails=1"),
        line("server", "10.0.0.7:30080", "backup"),
    ),
)
NO_VARIABLES = Variables({})
HTTP = Scope(Directive("http", (), "f", 1, (GROUP,)))


@pytest.mark.parametrize(
    ("url", "kind", "rest"),
    [
        ("http://unix:/run/m.sock", "sidecar", ""),
        ("http://unix:/run/m.sock:/a", "sidecar", "/a"),
        ("http://unix:/run/other.sock", "other", ""),
        ("http://127.0.0.1:8125$request_uri", "sidecar", "$request_uri"),
        ("http://localhost:8125/", "sidecar", "/"),
        ("http://[::1]:8125/", "sidecar", "/"),
        ("http://127.0.0.1:8126", "other", ""),
        ("http://group$request_uri", "sidecar", "$request_uri"),
        ("http://10.0.0.7:30080", "shadow", ""),
        ("http://10.0.0.7:30081", "near_shadow", ""),
        ("http://10.0.0.7", "near_shadow", ""),
        ("http://10.0.0.8:30080", "other", ""),
        ("http://$where/a", "unknown", ""),
        ("$url", "unknown", ""),
        ("", "unknown", ""),
    ],
)
def test_an_address_is_recognised(url: str, kind: str, rest: str) -> None:
    config = config_for("sink", listen=["unix:/run/m.sock", "127.0.0.1:8125"])
    found = Destinations(HTTP, config, NO_VARIABLES).of(line("proxy_pass", url))
    assert (found.kind, found.rest) == (kind, rest)


@pytest.mark.parametrize(
    ("path", "ours", "is_same"),
    [
        ("/run/m.sock", "/run/m.sock", True),
        ("/srv/run/m.sock", "run/m.sock", True),
        ("/srv/run/m.sock", "./run/m.sock", True),
        ("/srv/xrun/m.sock", "run/m.sock", False),
        ("/srv/run/m.sock", "/run/m.sock", False),
    ],
)
def test_a_relative_path_may_be_below_any_folder(path: str, ours: str, is_same: bool) -> None:
    assert is_same_path(path, ours) is is_same


def test_a_backup_is_no_way_and_is_known() -> None:
    config = config_for("sink", listen="127.0.0.1:1")
    found = Destinations(HTTP, config, NO_VARIABLES).of(line("proxy_pass", "http://group"))
    assert found.kind == "other" and found.has_backup and len(found.servers) == 3


def test_a_proxy_pass_without_an_argument_is_unknown() -> None:
    destinations = Destinations(HTTP, config_for("sink"), NO_VARIABLES)
    assert destinations.of(line("proxy_pass")).kind == "unknown"


@pytest.mark.parametrize(
    ("entries", "kind"),
    [
        ((("5%", "group"), ("*", "")), "sidecar"),
        ((("5%", "10.0.0.8"), ("*", "10.0.0.7:30080")), "shadow"),
        ((("5%", "$elsewhere"), ("*", "")), "unknown"),
        ((("*", ""),), "unknown"),
    ],
)
def test_a_share_of_the_clients_leads_to_the_worst_of_its_servers(
    entries: tuple[tuple[str, str], ...], kind: str
) -> None:
    block = tuple(line(*entry) for entry in entries)
    split = Directive("split_clients", ("$remote_addr", "$to"), "f", 1, block)
    http = Scope(Directive("http", (), "f", 1, (GROUP, split)))
    destinations = Destinations(http, config_for("sink"), Variables.of(http))
    found = destinations.of(line("proxy_pass", "http://$to$request_uri"))
    assert (found.kind, found.rest) == (kind, "$request_uri" if kind != "unknown" else "")

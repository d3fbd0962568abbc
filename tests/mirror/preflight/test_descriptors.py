"""Checks the descriptors that a configuration needs, and the message if there are too few."""

import resource
import subprocess
import sys

from mirror.preflight.descriptors import needed, shortage, within
from tests.fakes import make_config


def test_each_side_of_a_connection_is_counted() -> None:
    sink = make_config(max_connections=1000, shadow_connections=100)
    inline = make_config("inline", primary=1, max_connections=1000, shadow_connections=100)
    assert needed(sink) - 1100 == needed(inline) - 2100 > 0


def test_what_is_missing_is_said_in_numbers() -> None:
    config = make_config(max_connections=1000, shadow_connections=100)
    most = needed(config)
    assert shortage(config, most) == shortage(config, resource.RLIM_INFINITY) == []
    (finding,) = shortage(config, most - 1)
    assert (finding.code, finding.severity) == ("host.descriptors", "warning")
    assert "so it takes 999 connections instead of 1000" in finding.what
    assert str(most) in finding.what and str(most - 1) in finding.what


def test_connections_are_as_many_as_the_limit_covers() -> None:
    sink = make_config(max_connections=20_000, shadow_connections=100)
    inline = make_config("inline", primary=1, max_connections=20_000, shadow_connections=100)
    for config, limit, covered in (
        *((sink, needed(sink), 20_000), (sink, resource.RLIM_INFINITY, 20_000)),
        *((sink, needed(sink) - 19_000, 1000), (inline, needed(inline) - 1, 19_999), (sink, 9, 1)),
    ):
        assert within(config, limit).max_connections == covered
        assert covered in (1, 20_000) or needed(within(config, limit)) <= limit
    (finding,) = shortage(sink, needed(sink) - 19_000)
    assert finding.severity == "note"


def test_the_limit_is_raised_as_far_as_it_goes() -> None:
    program = (
        "import resource; from mirror.preflight.descriptors import raise_limit;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, 512));"
        "assert raise_limit() == 512;"
        "assert resource.getrlimit(resource.RLIMIT_NOFILE) == (512, 512)"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0

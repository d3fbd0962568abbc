"""Checks which values the keys of the sections take."""

from typing import Any

import pytest
import yaml

from mirror.addresses import UnixAddress
from mirror.config import parse
from mirror.config_sections import RampSection
from mirror.errors import ConfigError

SMALLEST = "listen: 127.0.0.1:8080\nshadow: {url: 'http://127.0.0.1:30080'}\n"


def problem_of(section: str, key: str, value: Any) -> str:
    """Return the only problem of the smallest configuration with this value."""
    document = yaml.safe_load(SMALLEST)
    (document.setdefault(section, {}) if section else document)[key] = value
    with pytest.raises(ConfigError) as refusal:
        parse(yaml.safe_dump(document))
    (problem,) = refusal.value.problems
    return problem


@pytest.mark.parametrize(
    ("text", "duration_s"), [("10m", 600), ("1h30m", 5400), ("250ms", 0.25), ("90", 90), ('"9"', 9)]
)
def test_spans_are_written_as_on_the_command_line(text: str, duration_s: float) -> None:
    document = SMALLEST.replace("}", f", timeout: {text}, ramp: {{duration: {text}}}}}")
    assert parse(document).shadow.timeout == duration_s
    assert parse(document).shadow.ramp == RampSection(duration=duration_s)


def test_days_are_written_as_a_number_or_as_a_span() -> None:
    for text, days in [("2", 2), ('"2"', 2), ("36h", 1.5), ("35d", 35)]:
        assert parse(f"{SMALLEST}series: {{retention_days: {text}}}").series.retention_days == days
    expected = "expected days, above 0 and at most 3660, or a text such as 36h, got "
    assert problem_of("capture", "keep_days", "soon") == f'capture.keep_days: {expected}"soon"'
    assert problem_of("capture", "keep_days", "3661d") == f'capture.keep_days: {expected}"3661d"'


def test_a_span_out_of_bounds_is_refused() -> None:
    for text in ("25h", "0s", "0.5ms"):
        problem = problem_of("shadow", "timeout", text)
        assert problem.startswith("shadow.timeout: expected seconds, above 0 and at most 86400")
    assert (
        problem_of("", "workers", "1m")
        == 'workers: expected a whole number from 1 to 256, got "1m"'
    )


def test_any_method_but_connect_may_be_mirrored() -> None:
    methods = ["GET", "PURGE", "REPORT", "M-SEARCH", "X_1", "CONNECTED"]
    document = yaml.safe_load(SMALLEST)
    document["shadow"]["methods"] = methods
    assert parse(yaml.safe_dump(document)).shadow.methods == tuple(methods)
    for bad in ("CONNECT", "", "G T", "GET\n", "Get", "G\u00c4T", 1):
        assert problem_of("shadow", "methods", [bad]).startswith(
            "shadow.methods[0]: expected a method"
        )


def test_a_log_socket_has_permissions_as_a_listener_has() -> None:
    document = yaml.safe_load(SMALLEST)
    log = {"path": "/run/mirror/log.sock", "mode": "0620", "group": "nginx"}
    document["comparison"] = {"access_log": log}
    source = parse(yaml.safe_dump(document)).comparison.access_log
    assert source == UnixAddress("/run/mirror/log.sock", "0620", "nginx")
    assert problem_of("comparison", "access_log", "/var/log/nginx/access.log") == (
        "comparison.access_log: expected udp://IP:PORT, unix:PATH or file:PATH, "
        'got "/var/log/nginx/access.log"'
    )

"""Checks that the checks are put together: what is asked, and what a start leaves out."""

import asyncio
import os
from typing import Any

import pytest

from mirror.preflight.examination import examine, examine_host, examine_start
from mirror.preflight.findings import Finding
from mirror.preflight.shadow import Shadow
from mirror.proxy.upstream.origins import shadow_origin
from tests.fakes import StubUpstream, make_config

QUIET: dict[str, Any] = {"series": {"enabled": False}, "max_connections": 10}


def codes(found: list[Finding]) -> set[str]:
    depends_on_the_machine = {"host.root", "host.clock_not_synchronised", "host.descriptors"}
    return {finding.code for finding in found} - depends_on_the_machine


@pytest.mark.parametrize(
    ("answer", "code", "severity"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "primary.answers", "note"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
            "primary.refused",
            "refused",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", "primary.unreachable", "unknown"),
    ],
)
def test_the_primary_is_asked_in_mode_inline(answer: bytes, code: str, severity: str) -> None:
    async def main() -> tuple[list[Finding], list[bytes], int]:
        async with StubUpstream() as primary, StubUpstream() as shadow:
            primary._script = primary.answer(answer, close=True)
            config = make_config("inline", primary.port, shadow.port, routes=[], **QUIET)
            found = await examine(config, host="www.example.com")
            return found, primary.requests, shadow.probes

    found, requests, probes = asyncio.run(main())
    assert code in codes(found)
    assert next(item.severity for item in found if item.code == code) == severity
    assert requests[0].startswith(b"GET / HTTP/1.1\r\nHost: www.example.com\r\n")
    assert probes == 2  # the second one has the number of the port in Host


def test_a_start_asks_neither_routes_nor_the_primary() -> None:
    async def main() -> tuple[list[Finding], int, int]:
        async with StubUpstream() as primary, StubUpstream() as upstream:
            config = make_config("inline", primary.port, upstream.port, **QUIET)
            shadow = Shadow(config, shadow_origin(config), ("istio-envoy", "envoy"), 5.0)
            found = await examine_start(shadow, await shadow.ask())
            return found, primary.connections, upstream.connections

    found, primary_connections, shadow_connections = asyncio.run(main())
    assert codes(found) == {"shadow.accepted"}
    assert (primary_connections, shadow_connections) == (0, 1)


def test_the_host_is_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    config = make_config(
        timeouts_idle=5,
        series={"path": "/proc/none/series.db"},
        datadog={"dogstatsd": "unix:///none"},
    )
    assert {finding.code for finding in examine_host(config)} >= {
        "host.root",
        "host.folder",
        "host.idle_timeout",
        "host.dogstatsd",
    }

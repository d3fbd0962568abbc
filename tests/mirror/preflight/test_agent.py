"""Checks that an Agent that cannot be reached is noticed, on real sockets."""

import contextlib
import socket
from pathlib import Path

import pytest

from mirror.preflight.agent import agent_findings
from tests.fakes import make_config


def said(address: str) -> list[str]:
    config = make_config(datadog={"dogstatsd": address})
    return [f"{finding.code} {finding.what}" for finding in agent_findings(config)]


def test_without_an_agent_there_is_nothing_to_say() -> None:
    assert agent_findings(make_config()) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_closed_udp_port_is_noticed_and_an_open_one_gets_no_metric(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.ExitStack() as opened:
        try:
            agent = opened.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            agent.bind((host.strip("[]"), 0))
        except OSError:
            pytest.skip("no such family here")
        address = f"udp://{host}:{agent.getsockname()[1]}"
        assert said(address) == []
        agent.settimeout(5)
        assert agent.recv(100) == b""
    assert said(address) == [
        f"host.dogstatsd {address.removeprefix('udp://')}: nothing receives there."
    ]


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_unix_socket_is_missing_present_or_left_over(tmp_path: Path, kind: int) -> None:
    path = tmp_path / "dsd.socket"
    address = f"unix://{path}"
    (missing,) = said(address)
    assert missing.endswith("No such file or directory.")
    with socket.socket(socket.AF_UNIX, kind) as agent:
        agent.bind(str(path))
        if kind == socket.SOCK_STREAM:
            agent.listen()
        assert said(address) == []
    (left_over,) = said(address)
    assert left_over.endswith("nothing receives there.")

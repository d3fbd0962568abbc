"""Checks requests to a sidecar's admin port: the responses and the possible failures."""

import pytest

from mirror.addresses import TcpAddress
from mirror.commands.admin_client import EXIT_REFUSED, EXIT_UNREACHABLE, change
from tests.fakes_admin import admin_port


def test_the_answer_is_given() -> None:
    with admin_port(200, b'{"a": 1}') as (port, asked):
        assert change(TcpAddress("127.0.0.1", port), "/x", {"b": 2}) == {"a": 1}
    assert asked == [("/x", b'{"b": 2}')]


def test_a_refusal_is_4(capsys: pytest.CaptureFixture[str]) -> None:
    with admin_port(400, b'{"error": "why"}') as (port, _), pytest.raises(SystemExit) as exit_:
        change(TcpAddress("127.0.0.1", port), "/x", {})
    assert exit_.value.code == EXIT_REFUSED
    assert "refuses: why" in capsys.readouterr().err


def test_another_server_is_3() -> None:
    with admin_port(200, b"<html>") as (port, _), pytest.raises(SystemExit) as exit_:
        change(TcpAddress("127.0.0.1", port), "/x", {})
    assert exit_.value.code == EXIT_UNREACHABLE

"""Checks requests to a sidecar's admin port: the responses and the possible failures."""

import pytest

from mirror.addresses import TcpAddress
from mirror.commands.admin_client import (
    EXIT_REFUSED,
    EXIT_UNREACHABLE,
    NoSidecarError,
    change,
    fetch,
    fetch_status,
)
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


def test_the_status_is_fetched() -> None:
    with admin_port(200, b'{"ledger": {"seen": 1}}') as (port, asked):
        assert fetch_status(TcpAddress("127.0.0.1", port)) == {"ledger": {"seen": 1}}
    assert asked == [("/status", b"")]


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        *((200, b"[]"), (200, b"{}"), (200, b'{"ledger": 1}'), (404, b'{"ledger": {}}')),
        *(
            (200, b""),
            (200, b"[" * 100_000),
            (200, b'{"ledger": {}, "a": "' + b" " * (4 << 20) + b'"}'),
        ),
    ],
    ids=lambda value: str(value)[:12],
)
def test_what_has_no_ledger_is_no_sidecar(status: int, answer: bytes) -> None:
    with admin_port(status, answer) as (port, _):
        address = TcpAddress("127.0.0.1", port)
        with pytest.raises(NoSidecarError, match=f"no sidecar answers on {address}: "):
            fetch_status(address)


def test_any_answer_is_fetched_up_to_a_limit() -> None:
    with admin_port(404, b"0123456789") as (port, asked):
        assert fetch(TcpAddress("127.0.0.1", port), "/x", 4) == (404, b"0123")
    assert asked == [("/x", b"")]
    with pytest.raises(NoSidecarError, match="no sidecar answers on"):
        fetch(TcpAddress("127.0.0.1", port), "/x", 4)

"""Checks requests to a sidecar's admin port: the responses and the possible failures."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from mirror.__main__ import main
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
    with pytest.raises(NoSidecarError, match=": Connection refused. Is it running.*with --admin"):
        fetch(TcpAddress("127.0.0.1", port), "/x", 4)


TOKEN = "0123456789abcdef"
WRITES = {
    "/ratio": (200, b'{"was": 1.0, "ratio": 0.1, "ended_ramp": false}'),
    "/capture": (200, b'{"path": "c", "until": 0}'),
    "/comparison": (404, b""),
}
COMMANDS = (
    ("set", "ratio", "0.1", "--admin"),
    ("capture", "on", "--for", "10m", "--admin"),
    ("capture", "off", "--admin"),
)


def token_file(directory: Path, mode: int = 0o600) -> Path:
    path = directory / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(mode)
    return path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_command_that_writes_sends_the_token(command: tuple[str, ...], tmp_path: Path) -> None:
    path = str(token_file(tmp_path))
    with admin_port(404, b"{}", WRITES, TOKEN) as (port, _):
        call = [*command, f"127.0.0.1:{port}"]
        run = CliRunner().invoke
        assert run(main, call).exit_code == EXIT_REFUSED
        assert run(main, [*call, "--token-file", path]).exit_code == 0
        assert run(main, call, env={"MIRROR_ADMIN_TOKEN_FILE": path}).exit_code == 0
        assert run(main, call, env={"MIRROR_ADMIN_TOKEN_FILE": ""}).exit_code == EXIT_REFUSED


def test_compare_sends_the_token_to_read(tmp_path: Path) -> None:
    path = str(token_file(tmp_path))
    with admin_port(404, b"{}", WRITES, TOKEN) as (port, _):
        call = ["compare", f"127.0.0.1:{port}"]
        assert "send the token" in CliRunner().invoke(main, call).output
        output = CliRunner().invoke(main, [*call, "--token-file", path]).output
    assert "the sidecar compares nothing" in output


@pytest.mark.parametrize("mode", [0o644, 0o620])
def test_a_token_that_others_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    path = token_file(tmp_path, mode)
    done = CliRunner().invoke(main, ["set", "ratio", "0.1", "--token-file", str(path)])
    assert done.exit_code == 2 and f"has mode {mode:04o}" in done.output
    assert TOKEN not in done.output


def test_a_token_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "none")
    done = CliRunner().invoke(main, ["set", "ratio", "0.1", "--token-file", path])
    assert done.exit_code == 2 and path in done.output

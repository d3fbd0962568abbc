"""Checks the command `mirror set ratio`."""

import pytest
from click.testing import CliRunner

from mirror.__main__ import main
from mirror.demo.processes import free_ports
from tests.fakes_admin import admin_port


def set_ratio(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["set", "ratio", *arguments])
    return done.exit_code, done.output


def test_a_change_is_shown_with_what_was_before() -> None:
    with admin_port(200, b'{"was": 1.0, "ratio": 0.1, "ended_ramp": true}') as (port, asked):
        got = set_ratio("0.1", "--admin", f"127.0.0.1:{port}")
    assert got[0] == 0
    assert "ratio was 1, is 0.1\n" in got[1] and "ramp has ended" in got[1]
    assert asked == [("/ratio", b'{"ratio": 0.1}')]


def test_a_refusal_says_why() -> None:
    with admin_port(403, b'{"error": "admin is not loopback"}') as (port, _):
        code, output = set_ratio("0.1", "--admin", f"127.0.0.1:{port}")
    assert code == 4 and "admin is not loopback" in output


@pytest.mark.parametrize("answer", [b"", b"<html>"])
def test_something_else_that_answers_is_no_sidecar(answer: bytes) -> None:
    with admin_port(200, answer) as (port, _):
        code, output = set_ratio("0.1", "--admin", f"127.0.0.1:{port}")
    assert code == 3 and "no sidecar answers" in output


def test_no_sidecar_is_said() -> None:
    (port,) = free_ports(1)
    assert set_ratio("0.1", "--admin", f"127.0.0.1:{port}")[0] == 3


@pytest.mark.parametrize("ratio", ["11", "x", "1_0", "nan", ".nan", "inf", "-0.0", "-1", "", "["])
def test_what_the_configuration_refuses_is_refused(ratio: str) -> None:
    code, output = set_ratio(ratio)
    assert code == 2 and f"expected a number from 0 to 10, got {ratio!r}" in output


def test_an_address_that_makes_no_sense_is_refused() -> None:
    assert set_ratio("0.1", "--admin", "nowhere")[0] == 2

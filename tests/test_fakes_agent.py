"""Checks that the fake Agent stores points as the Agent's documentation describes."""

import socket

import pytest

from tests.fakes_agent import Rejected, parse, received, stored


def test_a_plain_count_is_a_rate_over_ten_seconds() -> None:
    lines = [(100 + second, parse("a:10|c")) for second in range(12)]
    assert stored(lines) == {("a", ()): {100: 10.0, 110: 2.0}}


def test_a_plain_gauge_keeps_the_last_of_ten_seconds() -> None:
    lines = [(100 + second, parse(f"a:{second}|g")) for second in range(12)]
    assert stored(lines) == {("a", ()): {100: 9.0, 110: 11.0}}


def test_a_timestamp_keeps_the_second_and_divides_a_count() -> None:
    gauge = [(105, parse("a:7|g|T101")), (105, parse("a:8|g|T102"))]
    count = [(105, parse("b:7|c|T101")), (105, parse("b:5|c|T101"))]
    assert stored(gauge + count) == {("a", ()): {101: 7.0, 102: 8.0}, ("b", ()): {101: 0.5}}


def test_telemetry_is_left_out_and_a_bad_line_raises() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        theirs.send(b"a:1|c\ndatadog.dogstatsd.client.metrics:1|c\n")
        packets, lines = received(ours)
        assert len(packets) == 1
        assert [line.name for line in lines] == ["a"]
        theirs.send(b"a|c\n")
        with pytest.raises(Rejected):
            received(ours)

"""Checks what we add as a hop, and that a request which comes back is known by its Via."""

import pytest

from mirror.core.hop import Hop

HOP = Hop(b"kagami-0a")


def test_via_names_the_version_received() -> None:
    assert HOP.via == (b"Via: 1.0 kagami-0a\r\n", b"Via: 1.1 kagami-0a\r\n")


@pytest.mark.parametrize(
    ("lines", "has_seen"),
    [
        (b"Via: 1.1 kagami-0a\r\n", True),
        (b"A: 1\r\nVIA:1.0 x,1.1 kagami-0a (why)\r\n", True),
        (b"Via: 1.1 x\r\nVia: 1.1 kagami-0a\r\n", True),
        (b"Via: 1.1 kagami-0b, 1.1 kagami-0ab\r\n", False),
        (b"Referer: kagami-0a\r\nVia: 1.1 x\r\n", False),
        (b"", False),
    ],
)
def test_a_request_that_comes_back_is_known(lines: bytes, has_seen: bool) -> None:
    assert HOP.has_seen(lines) is has_seen


def test_the_address_of_the_client_is_last() -> None:
    hop = HOP.with_address(b"192.0.2.7")
    lines = b"x-forwarded-for: a\r\nB: 1\r\nX-Forwarded-For: b\r\n"
    assert hop.extend_forwarded(lines) == b"B: 1\r\nX-Forwarded-For: a, b, 192.0.2.7\r\n"
    assert hop.has_seen(b"Via: 1.1 kagami-0a\r\n")

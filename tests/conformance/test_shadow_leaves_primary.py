"""Checks that primary and client see the same bytes whatever the shadow does."""

from random import Random

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirror.config import Config, parse
from tests.conformance.memory import Plane, run
from tests.conformance.rows import METHODS
from tests.conformance.wire import OK, End, Reply, Script
from tests.fuzz.grammar import request, response

RANDOM = st.randoms(use_true_random=False)
BOUNDED = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
SHADOWS = {
    "quick": Reply(OK.data),
    "hanging": Reply(),
    "closing": Reply(end=End.CLOSE),
    "resetting": Reply(end=End.RESET),
    "garbage": Reply(b"\0\xff no HTTP \r\n\r\n"),
    "early": Reply(at_head=b"HTTP/1.1 413 Big\r\nContent-Length: 0\r\n\r\n"),
    "cut short": Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", end=End.CLOSE),
    "surplus": Reply(OK.data * 3),
    "refusing": Reply(),
    "full": Reply(),
}


def config_with(**shadow: object) -> Config:
    document = {
        "mode": "inline",
        "listen": "127.0.0.1:8080",
        "primary": "http://127.0.0.1:9",
        "shadow": {"url": "http://127.0.0.1:9", "methods": METHODS, **shadow},
    }
    return parse(yaml.safe_dump(document))


OFF = config_with(ratio=0)
ON = config_with()
FULL = config_with(buffer_bytes=1, waiting=1, connections=1, ratio=3)


def seen_by_primary_and_client(
    config: Config, sent: list[bytes], replies: list[Reply], shadow: str
) -> tuple[bytes, list[bytes], bool]:
    """Return what client and primary connections received, and whether the client was closed."""
    seen: list[tuple[bytes, list[bytes], bool]] = []

    async def main() -> None:
        plane = Plane(config, Script(replies), Script((SHADOWS[shadow],)))
        plane.shadow.refuses = shadow == "refusing"
        client = plane.connect()
        for piece in sent:
            client.deliver(piece)
            await plane.settle()
        wires = [wire.sent for wire, _ in plane.primary.wires]
        seen.append((client.sent, wires, client.is_ended))
        plane.advance(6)  # later than shadow.timeout
        await plane.settle()
        await plane.finish()

    run(main)
    return seen[0]


@pytest.mark.parametrize("shadow", SHADOWS)
@BOUNDED
@given(RANDOM)
def test_shadow_changes_no_byte(shadow: str, random: Random) -> None:
    count = random.choice((1, 1, 3))
    data = b"".join(request(random) for _ in range(count))
    at = random.randint(0, len(data))
    sent = [data[:at], data[at:]]
    ends = (End.KEEP, End.CLOSE)
    replies = [Reply(response(random), end=random.choice(ends)) for _ in range(count)]
    config = FULL if shadow == "full" else ON
    expected = seen_by_primary_and_client(OFF, sent, replies, "quick")
    assert seen_by_primary_and_client(config, sent, replies, shadow) == expected

"""h11 reads the same requests on every leg as in the bytes that the client sent."""

from dataclasses import replace
from random import Random

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.conformance.memory import Plane, run
from tests.conformance.referee import Seen, is_allowed, read, without_odd_bytes
from tests.conformance.rows import config_of
from tests.conformance.wire import Script
from tests.fuzz.grammar import Made, made_request, request

RANDOM = st.randoms(use_true_random=False)
BOUNDED = settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def forwarded(data: bytes, mode: str) -> tuple[bytes, bytes, bytes]:
    """Play `data` as a client; return the bytes received by the client, primary and shadow."""
    received = []

    async def main() -> None:
        plane = Plane(config_of(mode), Script(), Script())
        client = plane.connect()
        client.deliver(data)
        await plane.settle()
        received.extend((client.sent, plane.primary.received, plane.shadow.received))
        await plane.finish()

    run(main)
    return received[0], received[1], received[2]


def alike(seen: tuple[Seen, ...]) -> list[Seen]:
    """Return the requests without `is_last`, which depends on the connection."""
    return [replace(request, is_last=False) for request in seen]


def check(made: Made) -> None:
    original = read(without_odd_bytes(made.data))
    for mode in ("inline", "sink"):
        _, primary, shadow = forwarded(made.data, mode)
        for leg in (primary, shadow):
            reading = read(without_odd_bytes(leg))
            assert not reading.refusal, (mode, reading.refusal, leg)
            if original.refusal and is_allowed(original.refusal):
                continue
            # We forward no request that h11 refuses, and each other one as h11 reads it.
            if leg is primary or len(reading.seen) == len(original.seen):
                assert alike(reading.seen) == alike(original.seen)[: len(reading.seen)]
            else:
                assert all(request in alike(original.seen) for request in alike(reading.seen))


@BOUNDED
@given(RANDOM)
def test_what_is_forwarded_reads_the_same(random: Random) -> None:
    check(made_request(random))


@settings(BOUNDED, max_examples=200)
@given(RANDOM)
@example(Random(1))
def test_every_valid_request_is_forwarded_to_both_legs(random: Random) -> None:
    data = request(random)
    original = read(data)
    assert len(original.seen) == 1 and not original.refusal
    for mode in ("inline", "sink"):
        _, primary, shadow = forwarded(data, mode)
        assert alike(read(shadow).seen) == alike(original.seen)
        assert alike(read(primary).seen) == (alike(original.seen) if mode == "inline" else [])

"""Checks that an answer survives the channel between a worker and the supervisor."""

import msgspec

from mirror.core.comparison.answer import NOT_ANSWERED, RBAC, UNKNOWN_BYTES, Answer


def test_an_answer_reads_back_as_it_was_sent() -> None:
    for answer in (
        Answer(302, "3xx", 1234, 17, location="https://shop.example/caf\xe9"),
        Answer(403, "4xx", 5, 19, True, RBAC),
    ):
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(answer), type=Answer) == answer


def test_an_answer_that_never_came_has_no_size_and_no_latency() -> None:
    answer = Answer(0, "reset")
    assert (answer.latency_us, answer.body_bytes) == (NOT_ANSWERED, UNKNOWN_BYTES)
    assert not answer.is_from_proxy

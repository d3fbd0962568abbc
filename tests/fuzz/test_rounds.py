"""Runs a fixed set of fuzzer rounds; `make fuzz` continues with other seeds."""

import pytest

from tests.fuzz.rounds import answers_in, play_round

ROUNDS = 500


@pytest.mark.parametrize("first", range(0, 12 * ROUNDS, ROUNDS))
def test_rounds_leave_every_invariant_whole(first: int) -> None:
    for seed in range(first, first + ROUNDS):
        play_round(seed)


def test_answers_are_counted() -> None:
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    hint = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    headed = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    assert answers_in(response + hint + response, []) == 2
    assert answers_in(headed + response, [b"HEAD"]) == 2
    assert answers_in(response + response[:-1], []) == 1

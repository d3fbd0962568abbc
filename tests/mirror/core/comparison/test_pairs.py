"""Checks that every shadow leg that ended is compared, uncompared, or waiting, and only once."""

from collections.abc import Iterator
from itertools import permutations

import pytest

from mirror.core.comparison.answer import Answer
from mirror.core.comparison.examples import Examples, RequestReader
from mirror.core.comparison.pairs import Pair, Pairs
from mirror.core.ledger import Counts
from mirror.core.redaction.redactor import Redactor
from mirror.core.worker_ledger import Ledger

REQUEST = b"GET /a HTTP/1.1\r\nHost: h\r\nX-Request-Id: 9f\r\n\r\n"
OK = Answer(200, "2xx", 1000, 10)
MISS = Answer(404, "4xx", 2000, 0, True)
LOST = Answer(0, "reset")
ABORTED = Answer(0, "aborted")


class Play:
    def __init__(self) -> None:
        self.ledger = Ledger(10)
        self.examples = Examples(RequestReader("X-Request-Id", Redactor((), ())))
        self.pairs = Pairs(self.ledger, self.examples)

    def counted(self) -> Counts:
        """Return the counts without those of the classes."""
        counts = self.ledger.report(0, 0).totals
        return {key: number for key, number in counts.items() if key[0] != "compared.classes"}


def both_orders(play: Play, primary: Answer, shadow: Answer) -> Iterator[None]:
    """Play a pair in each of the two orders."""
    for order in permutations(("primary", "shadow")):
        pair = Pair("/a")
        for leg in order:
            if leg == "primary":
                play.pairs.primary_ended(pair, primary, REQUEST)
            else:
                play.pairs.shadow_ended(pair, shadow, REQUEST)
        yield


def test_either_answer_may_come_first() -> None:
    play = Play()
    for _ in both_orders(play, OK, MISS):
        assert play.pairs.waiting == 0
    totals = play.ledger.report(0, 0).totals
    assert totals == {("compared", "/a", "route_miss"): 2, ("compared.classes", "/a", "2xx>4xx"): 2}
    (example,), not_kept = play.examples.take()
    assert (example.count, example.request_id, not_kept) == (2, "9f", 0)
    assert (example.uri.path, example.first) == ("/a", 10)


def test_a_leg_waits_for_its_primary() -> None:
    play = Play()
    pairs = [Pair("/a") for _ in range(3)]
    for pair in pairs:
        play.pairs.shadow_ended(pair, OK, REQUEST)
    assert play.pairs.waiting == 3 and play.counted() == {}
    play.pairs.primary_ended(pairs[1], OK, REQUEST)
    assert play.pairs.waiting == 2
    assert play.counted() == {("compared", "/a", "same"): 1}


@pytest.mark.parametrize(
    ("primary", "shadow", "reason"),
    [
        (ABORTED, OK, "primary_aborted"),
        (OK, ABORTED, "shadow_aborted"),
        (ABORTED, ABORTED, "shadow_aborted"),
    ],
)
def test_a_leg_that_was_cut_is_not_compared(primary: Answer, shadow: Answer, reason: str) -> None:
    play = Play()
    for _ in both_orders(play, primary, shadow):
        assert play.pairs.waiting == 0
    assert play.counted() == {("uncompared", "/a", reason): 2}
    assert play.examples.take() == ([], 0)


def test_extra_copies_are_counted_apart() -> None:
    play = Play()
    play.pairs.extra_ended("/a")
    assert play.counted() == {("uncompared", "/a", "extra_copy"): 1}


def test_a_primary_whose_shadow_was_shed_counts_nothing() -> None:
    play = Play()
    play.pairs.primary_ended(Pair("/a"), OK, REQUEST)
    assert play.pairs.waiting == 0 and play.counted() == {}


@pytest.mark.parametrize(
    ("primary", "shadow", "has_latencies"), [(OK, MISS, True), (OK, LOST, False), (LOST, OK, False)]
)
def test_latencies_are_of_pairs_with_both_answers(
    primary: Answer, shadow: Answer, has_latencies: bool
) -> None:
    play = Play()
    for _ in both_orders(play, primary, shadow):
        pass
    play.ledger.roll(11)
    ((_, _, latencies),) = play.ledger.report(0, 0).seconds
    sums = {metric: sum(buckets.values()) for (metric, _), buckets in latencies.items()}
    both = {"compared.primary.latency": 2, "compared.shadow.latency": 2}
    assert sums == (both if has_latencies else {})


def test_only_new_errors_become_examples() -> None:
    play = Play()
    for _ in both_orders(play, Answer(500, "5xx"), OK):
        pass
    assert play.counted() == {("compared", "/a", "better"): 2}
    assert play.examples.take() == ([], 0)

"""Checks the copies of one worker: each leg is in one report, or counted."""

import pytest

from mirror.core.comparison.answer import Answer
from mirror.core.comparison.copies import MOST_COPIES, Copies
from mirror.core.comparison.examples import MOST, RequestReader
from mirror.core.comparison.piece import Copy
from mirror.core.redaction.redactor import Redactor
from mirror.core.uri_counts.piece import Uri
from mirror.core.worker_ledger import Ledger

REQUEST = b"GET /a?b=c HTTP/1.1\r\nHost: h\r\nX-Request-Id: 9f\r\n\r\n"
OK = Answer(200, "2xx", 1000, 10)
MISS = Answer(404, "4xx", 2000, 0, True)


class Play:
    def __init__(self) -> None:
        self.ledger = Ledger(10)
        self.copies = Copies(self.ledger, RequestReader("X-Request-Id", Redactor((), ())))

    def counted(self) -> dict[tuple[str, str, str], int]:
        return self.ledger.report(0, 0).totals


def test_a_copy_is_reported_once() -> None:
    play = Play()
    play.copies.shadow_ended("/a", OK, REQUEST)
    play.copies.shadow_ended("/a", MISS, REQUEST)
    uri = Uri("h", "GET", "/a", ("b",), False)
    assert play.copies.take() == [Copy("9f", "/a", OK, None), Copy("9f", "/a", MISS, uri)]
    assert play.copies.take() == []
    assert play.counted() == {}


def test_what_does_not_fit_into_a_report_is_counted() -> None:
    play = Play()
    for _ in range(MOST_COPIES + 3):
        play.copies.shadow_ended("/a", OK, REQUEST)
    assert play.counted() == {("uncompared", "/a", "evicted"): 3}
    assert len(play.copies.take()) == MOST_COPIES
    play.copies.shadow_ended("/a", OK, REQUEST)
    assert len(play.copies.take()) == 1


@pytest.mark.parametrize(
    "answer", [MISS, Answer(0, "timeout"), Answer(302, "3xx"), Answer(500, "5xx")]
)
def test_few_copies_name_their_uri(answer: Answer) -> None:
    play = Play()
    for _ in range(2):
        for _ in range(MOST + 5):
            play.copies.shadow_ended("/a", answer, REQUEST)
        assert [copy.uri is not None for copy in play.copies.take()] == [True] * MOST + [False] * 5


@pytest.mark.parametrize("answer", [OK, Answer(304, "3xx"), Answer(204, "2xx")])
def test_success_names_none(answer: Answer) -> None:
    play = Play()
    play.copies.shadow_ended("/a", answer, REQUEST)
    assert play.copies.take()[0].uri is None


def test_cut_and_extra_legs_are_counted_and_not_reported() -> None:
    play = Play()
    play.copies.shadow_ended("/a", Answer(0, "aborted"), REQUEST)
    play.copies.extra_ended("/a")
    assert play.copies.take() == []
    assert play.counted() == {
        ("uncompared", "/a", "shadow_aborted"): 1,
        ("uncompared", "/a", "extra_copy"): 1,
    }

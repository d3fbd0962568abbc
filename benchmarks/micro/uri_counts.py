"""Counting the URI of a request, and sending what was counted.

A case with a new path also makes its request head.
"""

from itertools import count, cycle

from benchmarks.micro.harness import Case
from mirror.core.redaction.redactor import Redactor
from mirror.core.request_head import RequestHead
from mirror.core.uri_counts.collector import ADDITIONS_OF_A_PIECE, ROUND_S, UriCollector

MOST = 10_000


def cases() -> dict[str, Case]:
    known, full = collector(), collector()
    for number in range(MOST):
        full.count(head(b"/catalogue/%d/item" % number), 0)
    full.piece(0, is_last=True)
    plain, queried = head(b"/catalogue/shoes"), head(b"/search?q=shoes&page=2&sort=price")
    new = map(head, (b"/catalogue/%b" % (b"%d" % number).translate(WORDS) for number in count()))
    shaped = map(head, cycle([b"/watch/%d" % number for number in range(50_000)]))

    def evict() -> None:
        full.count(next(new), 1)
        full.piece(0)

    return {
        "UriCollector.count, known path": lambda: known.count(plain, 0),
        "UriCollector.count, known path with a query": lambda: known.count(queried, 0),
        "UriCollector.count, shape of a new path": lambda: full.count(next(shaped), 1),
        "UriCollector.count, new path in place of another": evict,
        f"UriCollector.piece, {ADDITIONS_OF_A_PIECE} additions": sending(),
    }


WORDS = bytes.maketrans(b"0123456789", b"ghijklmnop")
"""Makes a word of a number, so that a path has no shape but itself."""


def collector() -> UriCollector:
    return UriCollector(MOST, Redactor())


def head(target: bytes) -> RequestHead:
    made = RequestHead(b"GET", 1, True)
    made.host, made.target = b"www.example.com", target
    return made


def sending() -> Case:
    """Return a case that sends a piece; it includes counting what the piece has."""
    collected = collector()
    heads = [head(b"/catalogue/%d/item" % number) for number in range(ADDITIONS_OF_A_PIECE)]
    second = 0

    def send() -> None:
        nonlocal second
        second += ROUND_S
        for each in heads:
            collected.count(each, second)
        collected.piece(second)

    return send

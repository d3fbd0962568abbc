"""Checks what the supervisor makes of the pairs of all workers, and what it says of them."""

from typing import Any

from mirror.comparison.totals import ComparisonTotals
from mirror.core.comparison.answer import Answer
from mirror.core.comparison.pairs import count_pair
from mirror.core.comparison.piece import ExampleAddition, Piece
from mirror.core.uri_counts.piece import Uri
from mirror.core.worker_ledger import Ledger
from mirror.formats.comparison import Comparison, Log, decode, to_json

URI = Uri("shop.example", "GET", "/a", (), False)
OK = Answer(200, "2xx", 1000, 10)
MISS = Answer(404, "4xx", 2000, 0, True)
LOG = Log("udp://127.0.0.1:9912", 7, 5, 2, {"gap": 1}, 12.5)


class Play:
    """The totals, with one ledger in place of the Merger."""

    def __init__(self, is_on: bool = True) -> None:
        self.ledger = Ledger(10)
        self.totals = ComparisonTotals(lambda second: second + 1000)
        self.totals.switch(is_on, 990)

    def document(self, log: Log | None = None) -> Comparison:
        self.ledger.roll(self.ledger.second + 1)
        report = self.ledger.report(0, 0)
        latencies = report.seconds[0][2] if report.seconds else {}
        document = self.totals.document((report.totals, latencies), log, ("edge-1", "sink"), 1010)
        assert document is not None
        assert decode(to_json(document)) == document
        return document

    def status(self, legs: int = 0, log: Log | None = None) -> dict[str, Any]:
        status = self.totals.status(self.ledger.report(0, 0).totals, legs, log)
        assert status is not None
        return status


def example(count: int = 1) -> ExampleAddition:
    return ExampleAddition("/a", "route_miss", URI, 200, 404, "", count, 5, 6, "9f")


def test_time_with_pairs_is_counted_in_steps() -> None:
    play = Play()
    assert play.document().pairs_s == 0
    for second in (100, 101, 109, 110, 105, 190):
        play.totals.settled(second)
    assert play.document().pairs_s == 30


def test_the_last_new_error_is_remembered() -> None:
    play = Play()
    assert play.status()["last_new_error_s"] is None
    play.totals.settled(5, has_new_errors=True)
    play.totals.settled(4, has_new_errors=True)
    play.totals.settled(9)
    assert play.status()["last_new_error_s"] == 1005


def test_pieces_of_workers_add_up() -> None:
    play = Play()
    play.totals.add(1, Piece(2, [], [example(3)], 4, True))
    play.totals.add(2, Piece(5, [], [example()], 0, False))
    play.totals.add(1, Piece(1))
    document = play.document()
    assert document.waiting == 6 and document.examples_not_kept == 4
    (shown,) = document.examples
    assert (shown.count, shown.first_s, shown.last_s) == (4, 1005, 1006)
    assert document.shows_origin is True and document.log is None
    assert (document.since_s, document.until_s) == (990, 1010)
    assert (document.instance, document.mode) == ("edge-1", "sink")
    assert play.totals.compares(1)
    assert play.totals.worker_ended(1) == 1 and play.totals.worker_ended(1) == 0
    assert not play.totals.compares(1)
    assert play.totals.waiting == 5 and play.totals.shows_origin is False
    play.totals.worker_ended(2)
    assert play.totals.shows_origin is None


def test_counts_are_shown_by_route_and_together() -> None:
    play = Play()
    count_pair(play.ledger, "/a", OK, OK)
    count_pair(play.ledger, "/a", OK, MISS)
    count_pair(play.ledger, "/b", OK, MISS)
    play.ledger.count("uncompared", "/c", "no_log_line")
    play.ledger.count("shadow.requests", "/d", "2xx")
    status = play.status(4, LOG)
    assert status["results"] == {"same": 1, "route_miss": 2}
    assert (status["compared"], status["same"], status["new_errors"]) == (3, 1, 2)
    assert status["new_error_ratio"] == 2 / 3
    assert status["uncompared"] == {"no_log_line": 1}
    assert status["balanced"] is True and status["waiting"] == 0
    assert status["log"]["lost"] == {"gap": 1} and status["log"]["newest_s"] == 12.5
    document = play.document(LOG)
    assert document.log == LOG
    routes = {each.route: each for each in document.routes}
    assert list(routes) == ["/a", "/b", "/c"]
    assert routes["/a"].results == {"same": 1, "route_miss": 1}
    assert routes["/a"].classes == {"2xx>2xx": 1, "2xx>4xx": 1}
    assert sum(routes["/a"].primary_latency.values()) == 2
    assert sum(routes["/b"].shadow_latency.values()) == 1
    assert routes["/c"].uncompared == {"no_log_line": 1} and routes["/c"].results == {}


def test_an_imbalance_is_said() -> None:
    play = Play()
    play.ledger.count("uncompared", "/a", "not_joinable")
    play.totals.add(1, Piece(2))
    assert play.status(legs=3)["balanced"] is True
    assert play.status(legs=4)["balanced"] is False
    assert play.status()["new_error_ratio"] is None, "nothing was compared"


def test_nothing_is_shown_where_the_comparison_is_off() -> None:
    play = Play(is_on=False)
    assert play.totals.status({}, 0, None) is None
    assert play.totals.document(({}, {}), None, ("edge-1", "sink"), 1010) is None
    play.totals.switch(True, 2000)
    play.totals.switch(True, 3000)
    assert play.document().since_s == 2000, "counts continue"

"""Checks the counts of URIs over workers that come and go."""

import pytest

from mirror.core.uri_counts.piece import Addition, Piece, Uri
from mirror.formats.uri_counts import decode, to_json
from mirror.process.uri_totals import UriTotals

A, B = (Uri("h", "GET", path, ("x",), False) for path in ("/a", "/b"))


def make(most: int = 10) -> UriTotals:
    totals = UriTotals(lambda second: second + 1000)
    totals.switch(most, 900)
    return totals


def piece(seen: int, *uris: Uri, not_kept: int = 0) -> Piece:
    return Piece(seen, not_kept, [Addition(uri, 1, 5, 7, {"2xx": 1}) for uri in uris])


def numbers(totals: UriTotals) -> tuple[int, int, int, int, int]:
    """Return seen, the sum of the counts, not_kept, waiting and lost."""
    document = totals.document("edge", "inline", 2000)
    assert document is not None
    document = decode(to_json(document))
    counted = sum(uri.count for uri in document.uris)
    return document.seen, counted, document.not_kept, document.waiting, document.lost


def test_workers_add_up() -> None:
    totals = make()
    totals.add(1, piece(2, A, B))
    totals.add(2, piece(1, A))
    document = totals.document("edge", "inline", 2000)
    assert document is not None
    first = document.uris[0]
    assert (first.host, first.method, first.path, first.query) == ("h", "GET", "/a", ["x"])
    assert (first.count, first.first_s, first.last_s, first.outcomes) == (2, 1005, 1007, {"2xx": 2})
    assert (document.since_s, document.until_s, document.most) == (900, 2000, 10)
    assert (document.instance, document.mode) == ("edge", "inline")
    assert numbers(totals) == (3, 3, 0, 0, 0)
    assert totals.status() == {"kept": 2, "most": 10, "seen": 3, "not_kept": 0, "lost": 0}


def test_what_a_worker_has_not_sent_waits_and_is_lost_with_it() -> None:
    totals = make()
    totals.add(1, piece(5, A))
    totals.add(2, piece(2, A))
    assert numbers(totals) == (7, 2, 0, 5, 0)
    totals.worker_ended(1)
    assert numbers(totals) == (7, 2, 0, 1, 4)
    totals.add(2, piece(0, B))
    totals.worker_ended(2)
    assert numbers(totals) == (7, 3, 0, 0, 4)
    totals.worker_ended(3)  # it never reported


def test_what_no_worker_kept_is_said_and_bounds_what_is_missing() -> None:
    totals = make(1)
    totals.add(1, piece(6, A, not_kept=4))
    totals.add(1, piece(0, B))
    assert numbers(totals) == (6, 1, 5, 0, 0)
    document = totals.document("edge", "sink", 2000)
    assert document is not None and document.missing_most == 5


def test_switched_off_nothing_is_counted() -> None:
    totals = make(0)
    totals.add(1, piece(1, A))
    assert totals.status() is None and totals.document("edge", "sink", 2000) is None


@pytest.mark.parametrize("most", [1, 20])
def test_another_number_of_uris_keeps_the_counts(most: int) -> None:
    totals = make()
    totals.add(1, piece(2, A, B))
    totals.switch(most, 1500)
    document = totals.document("edge", "sink", 2000)
    assert document is not None and (document.most, document.since_s) == (most, 900)
    assert numbers(totals) == (2, min(most, 2), 2 - min(most, 2), 0, 0)


def test_workers_from_before_do_not_count_again() -> None:
    totals = make()
    totals.add(1, piece(3, A))
    totals.switch(0, 1500)
    totals.add(2, piece(1))  # a worker that still counts
    totals.add(3, piece(0))  # one of the next configuration, which has served nothing yet
    totals.switch(10, 1600)
    for worker_id in (1, 2):
        totals.add(worker_id, piece(0, A, A))
    totals.add(3, piece(1, B))
    assert numbers(totals) == (1, 1, 0, 0, 0)
    for worker_id in (1, 2, 3):
        totals.worker_ended(worker_id)
    assert not totals._earlier
    assert numbers(totals) == (1, 1, 0, 0, 0)

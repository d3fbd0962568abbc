"""Checks what is kept of canaries, and that nobody can make it much."""

from mirror.core.canaries.canary import Canary, Piece
from mirror.core.canaries.recent import MOST, CanaryTotals, WorkerCanaries


def target(number: int) -> bytes:
    return b"/?mirror-canary=%032x" % number


def seen(canaries: WorkerCanaries, number: int) -> Canary:
    canary = canaries.saw(target(number), 1.5)
    assert canary is not None
    return canary


def reported(canaries: WorkerCanaries) -> list[Canary]:
    piece = canaries.piece()
    return [] if piece is None else piece.canaries


def test_a_canary_is_reported_when_it_changes() -> None:
    canaries = WorkerCanaries()
    canary = seen(canaries, 1)
    canaries.follow(canary, 2, target(1))
    assert canaries.followed == {target(1)[-32:]: canary}
    assert reported(canaries) == [Canary("0" * 31 + "1", 1.5, legs=2)]
    assert canaries.piece() is None
    canaries.ended(canary, "2xx", 204, True)
    canaries.ended(canary, "timeout", 0, False)
    assert [(each.outcome, each.status, each.is_from_proxy) for each in reported(canaries)] == [
        ("2xx", 204, True)
    ]


def test_a_second_copy_counts_and_hides_no_leg() -> None:
    canaries = WorkerCanaries()
    canaries.follow(seen(canaries, 1), 1, target(1))
    canaries.left_out(seen(canaries, 1), "repeated")
    (canary,) = reported(canaries)
    assert (canary.copies, canary.repeated, canary.legs, canary.why_none) == (2, 1, 1, "")


def test_the_first_reason_stays_until_a_copy_gets_a_leg() -> None:
    canaries = WorkerCanaries()
    canaries.left_out(seen(canaries, 1), "ratio")
    canaries.left_out(seen(canaries, 1), "repeated")
    assert [canary.why_none for canary in reported(canaries)] == ["ratio"]
    canaries.follow(seen(canaries, 1), 1, target(1))
    assert [canary.why_none for canary in reported(canaries)] == [""]


def test_any_other_target_is_none() -> None:
    assert WorkerCanaries().saw(b"/?mirror-canary=x", 1.5) is None


def test_a_flood_keeps_few_and_is_counted() -> None:
    canaries = WorkerCanaries()
    for number in range(1000):
        canary = canaries.saw(target(number), 1.5)
        if canary is not None:
            canaries.follow(canary, 1, target(number))
    piece = canaries.piece()
    assert piece is not None
    assert (len(piece.canaries), piece.not_kept) == (MOST, 1000 - MOST)
    for number in range(1000, 1000 + MOST):
        canaries.follow(seen(canaries, number), 1, target(number))
    assert len(canaries._kept) == len(canaries.followed) == MOST
    assert canaries.saw(target(2000), 1.5) is None
    canaries.piece()
    assert canaries.saw(target(2001), 1.5) is not None


def test_the_shares_of_workers_are_joined() -> None:
    totals = CanaryTotals()
    totals.add(1, Piece([Canary("a", 2.0, repeated=1, why_none="repeated")], 3))
    totals.add(2, Piece([Canary("a", 1.0, legs=1, outcome="4xx", status=404)], 0))
    expected = {
        **{"id": "a", "at": 1.0, "copies": 2, "repeated": 1, "legs": 1},
        **{"why_none": "", "outcome": "4xx", "status": 404, "is_from_proxy": False},
    }
    assert totals.status() == {"recent": [expected], "not_kept": 3}
    totals.worker_ended(1)
    assert totals.status() == {"recent": [expected], "not_kept": 3}


def test_the_newest_are_kept_of_all_workers() -> None:
    totals = CanaryTotals()
    for number in range(40):
        totals.add(number % 2, Piece([Canary(str(number), 1.0)], 0))
    recent = totals.status()["recent"]
    assert isinstance(recent, list)
    assert [entry["id"] for entry in recent] == [str(number) for number in range(24, 40)]

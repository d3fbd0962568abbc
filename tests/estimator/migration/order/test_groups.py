from collections import Counter

import pytest

from estimator.migration.order.groups import Facts, Group, Placed, order, place
from estimator.migration.order.observed import Seen
from estimator.migration.order.state import State
from estimator.migration.order.traffic import Traffic

QUIET, BUSY = Traffic(10.0, 1, 0.01), Traffic(10.1, 1, 0.01)


def facts(
    traffic: Traffic = QUIET,
    seen: Seen | None = None,
    state: State | None = None,
    template: str | None = "/api/*",
    tag: str = "/api/_",
) -> Facts:
    return Facts(tag, template, traffic, seen, state)


def reads(**changes: int) -> Seen:
    return Seen(100, Counter({"GET": 100}), served=100, **changes)


@pytest.mark.parametrize(
    ("case", "group", "words"),
    [
        (facts(seen=reads()), Group.SWITCH_NOW, "10 rps in its busiest second and 1% of all"),
        (facts(Traffic(0.0, None, 0.0)), Group.SWITCH_NOW, "no request in the series"),
        (facts(BUSY, reads()), Group.MIRROR_FIRST, "10.1 rps"),
        (facts(Traffic(1.0, 1, 0.02), reads()), Group.MIRROR_FIRST, "2% of all requests"),
        (facts(seen=reads(undecided=3)), Group.MIRROR_FIRST, "for 3% of its requests"),
        (facts(seen=reads(lost=1)), Group.NEEDS_WORK, "lose 1% of its requests"),
        (facts(seen=reads(upgrades=1)), Group.NEEDS_WORK, "1 of its requests open a WebSocket"),
        (facts(state=State(9, upgrades=2)), Group.NEEDS_WORK, "2 of its requests open"),
        (facts(template=None), Group.NEEDS_WORK, "no route template"),
        (
            facts(state=State(100, 1, Counter({"JSESSIONID": 1}))),
            Group.NEEDS_WORK,
            "1% of its requests carry a session cookie (JSESSIONID)",
        ),
        (
            facts(BUSY, Seen(100, Counter({"GET": 99, "POST": 1}))),
            Group.NEEDS_WORK,
            "1% of its requests write and it has 10.1 rps",
        ),
        # Strays decide nothing.
        (facts(state=State(101, 1, Counter({"JSESSIONID": 1}))), Group.SWITCH_NOW, "10 rps"),
        (
            facts(BUSY, Seen(101, Counter({"GET": 100, "POST": 1}))),
            Group.MIRROR_FIRST,
            "mirror it",
        ),
    ],
)
def test_path_is_placed(case: Facts, group: Group, words: str) -> None:
    placed = place(case)
    assert placed.group is group
    assert words in "; ".join(placed.reasons)


def test_a_mean_is_called_one() -> None:
    (reason,) = place(facts(Traffic(20.0, 1, 0.1, 60), reads())).reasons
    assert reason.startswith("it has 20 rps on average in its busiest 1m and 10% of all requests")


def test_every_reason_for_work_is_given() -> None:
    seen = Seen(10, Counter({"POST": 10}), 1, 10, 10, why="POST /x: no rule takes it")
    placed = place(facts(BUSY, seen, State(10, 10, Counter({"sid": 10}), 5), None))
    assert len(placed.reasons) == 5
    assert (
        "lose 100% of its requests that production served (10 of 10); POST /x: no"
        in (placed.reasons[1])
    )
    assert placed.hints == (
        "50% of its requests carry credentials, which both sides have to accept",
    )


def test_writes_of_a_quiet_path_are_a_hint() -> None:
    placed = place(facts(seen=Seen(4, Counter({"GET": 1, "PUT": 1, "": 2}))))
    assert placed.group is Group.SWITCH_NOW
    assert placed.hints[0].startswith("50% of its requests write, which mirroring leaves out")


def test_a_path_that_nobody_observed_says_so() -> None:
    assert place(facts()).hints == (
        "none of its requests was observed, so its methods are not known",
    )


def test_least_risk_goes_first() -> None:
    def path(tag: str, group: Group, reasons: int, hints: int, rps: float) -> Placed:
        known = facts(Traffic(rps, 1, 0.0), tag=tag)
        return Placed(known, group, ("r",) * reasons, ("h",) * hints)

    paths = [
        path("work", Group.NEEDS_WORK, 1, 0, 1.0),
        path("mirror two", Group.MIRROR_FIRST, 2, 0, 1.0),
        path("mirror busier", Group.MIRROR_FIRST, 1, 0, 200.0),
        path("mirror", Group.MIRROR_FIRST, 1, 0, 100.0),
        path("hint", Group.SWITCH_NOW, 1, 1, 1.0),
        path("busier", Group.SWITCH_NOW, 1, 0, 9.0),
        path("b", Group.SWITCH_NOW, 1, 0, 2.0),
        path("a", Group.SWITCH_NOW, 1, 0, 2.0),
    ]
    assert [each.facts.tag for each in order(paths)] == [
        *("a", "b", "busier", "hint", "mirror", "mirror busier", "mirror two", "work"),
    ]

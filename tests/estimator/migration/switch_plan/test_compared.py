from collections import Counter

import pytest

from estimator.migration.switch_plan.compared import Compared, compared_of
from estimator.series.ended_legs import EndedLegs
from estimator.series.rps import ALL_ROUTES


def legs(results: dict[str, int], classes: dict[str, int]) -> EndedLegs:
    return EndedLegs(compared=Counter(results), classes=Counter(classes))


ALIKE = legs({"same": 9000}, {"2xx>2xx": 8980, "5xx>5xx": 15, "none>none": 5})
MISSED = legs({"same": 900, "route_miss": 90, "timeout": 10}, {"2xx>2xx": 900, "2xx>4xx": 100})


def compared(*routes: str) -> Compared:
    found = compared_of(routes, {"/a": ALIKE, "/b": MISSED})
    assert found is not None
    return found


def test_production_fails_with_5xx_or_without_an_answer() -> None:
    assert compared("/a").failure_ratio == pytest.approx(20 / 9000)
    assert compared("/b").failure_ratio == 0.0


def test_the_pairs_of_all_its_routes_count() -> None:
    assert compared("/a", "/b").rehearsal.copies.count == 10_000
    assert compared(ALL_ROUTES).rehearsal.copies.count == 10_000


def test_few_pairs_say_nothing_of_production() -> None:
    few = compared_of(["/a"], {"/a": legs({"same": 999}, {"2xx>2xx": 900, "5xx>5xx": 99})})
    assert few is not None and few.failure_ratio == 0.0


def test_without_a_pair_nothing_is_known() -> None:
    assert compared_of(["/a"], None) is None
    assert compared_of(["/a"], {"/a": EndedLegs(Counter({"2xx": 9})), "/b": MISSED}) is None


def test_new_errors_above_the_limit_are_a_doubt() -> None:
    assert list(compared("/a").doubts("api", 0.001)) == []
    assert list(compared("/b").doubts("api", 0.2)) == []
    assert list(compared("/b").doubts("api", 0.001)) == [
        "api: 10% of 1,000 copies that were compared with production's answers met new errors"
        " (route_miss 90, timeout 10), so its first step would be taken back: `mirror compare` says"
        " what to do about them"
    ]

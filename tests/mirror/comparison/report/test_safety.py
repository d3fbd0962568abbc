"""Checks the rules, and that the live page and `mirror compare` say the same of the same pairs."""

import random
from dataclasses import dataclass
from typing import Any

import pytest

from mirror.admin.live import Live, Sources
from mirror.admin.verdict import judge as judge_hour
from mirror.comparison.report.judgement import Thresholds, judge
from mirror.comparison.report.safety import (
    LEAST_S,
    Level,
    NewErrors,
    difference_of,
    few_pairs,
    is_judged,
    is_too_much,
    level_of_p99,
    lost_lines,
    problems_of_log,
    severity,
    worst,
)
from mirror.core.latency import Buckets, bucket_of
from mirror.core.ledger import (
    COMPARED,
    COMPARED_PRIMARY_LATENCY,
    COMPARED_SHADOW_LATENCY,
    LOG_LOST,
    PRIMARY_LOGGED,
    UNCOMPARED,
    Counts,
    Settled,
)
from mirror.formats.comparison import Log, RouteComparison
from tests.mirror.admin.test_verdict import STATUS
from tests.mirror.comparison.report.test_parts import document, sum_of

BEGIN = 1_800_000_000


@pytest.mark.parametrize(
    ("errors", "pairs", "level"),
    [
        *((0, 0, Level.UNKNOWN), (0, 2995, Level.UNKNOWN), (0, 2996, Level.SAFE)),
        *((1, 2996, Level.UNKNOWN), (1, 4800, Level.SAFE), (1, 900, Level.ATTENTION)),
        *((2, 2, Level.ATTENTION), (3, 3, Level.UNSAFE), (5, 4000, Level.ATTENTION)),
    ],
)
def test_new_errors_have_a_level(errors: int, pairs: int, level: Level) -> None:
    judged = NewErrors(errors, pairs)
    assert judged.level is level
    assert judged.has_too_few_pairs is (level in (Level.UNKNOWN, Level.ATTENTION))
    assert judged.least <= judged.share <= judged.most


def test_as_many_pairs_as_are_needed_suffice() -> None:
    for errors in range(50):
        needed = NewErrors(errors, 0).needed
        assert NewErrors(errors, needed).level is Level.SAFE
        assert NewErrors(errors, needed - 1).level is Level.UNKNOWN


@pytest.mark.parametrize(
    ("ours", "theirs", "number", "level"),
    [
        *((10, 19, 5000, Level.SAFE), (10, 21, 5000, Level.UNSAFE), (10, 21, 90, Level.UNKNOWN)),
        *((1, 5, 5000, Level.SAFE), (1, 7, 5000, Level.UNSAFE), (1, 7, 0, Level.UNKNOWN)),
    ],
)
def test_a_p99_has_a_level(ours: int, theirs: int, number: int, level: Level) -> None:
    before, after = ({bucket_of(ms * 1000): number} for ms in (ours, theirs))
    assert level_of_p99(difference_of(before, after, "p99", 0.99)) is level


def test_the_worst_level_decides() -> None:
    assert worst([Level.SAFE, Level.ATTENTION, Level.UNKNOWN]) is Level.ATTENTION
    assert worst([]) is Level.SAFE
    assert sorted(Level, key=severity) == list(Level)


def test_few_pairs_of_many_routes_are_one_reason() -> None:
    reason = few_pairs([(f"/{n}", NewErrors(n % 2, 10)) for n in range(8)])
    assert reason.level is Level.ATTENTION
    assert reason.words == (
        "8 routes have too few pairs to be judged alone: /0 (10 of 2,996),"
        " /1 (1 new error in 10 of 4,729), /2 (10 of 2,996), /3 (1 new error in 10 of 4,729),"
        " /4 (10 of 2,996) and 3 more"
    )


def test_copies_that_were_cut_say_nothing_of_a_route() -> None:
    assert not is_judged({}, {"shadow_aborted": 9, "primary_aborted": 9, "extra_copy": 9})
    assert not is_judged({"same": 0}, {"no_log_line": 0})
    assert is_judged({"same": 1}, {}) and is_judged({}, {"no_log_line": 1})


def test_what_is_missing() -> None:
    assert (is_too_much(5, 95), is_too_much(6, 94), is_too_much(0, 0)) == (False, True, False)
    assert lost_lines({"gap": 9, "flood": 2}, 4) == {"gap": 4, "flood": 2}
    assert lost_lines({"gap": 9}, 0) == {}


def test_problems_of_a_log() -> None:
    assert list(problems_of_log("file:/l", "", 0)) == []
    assert len(list(problems_of_log("file:/l", "it is gone", 2))) == 2


# --- the same pairs, the same word ---


@dataclass
class Case:
    """Pairs of some time, and what is known of them besides."""

    seconds: int
    routes: dict[str, tuple[int, int, int]]
    """Pairs, new errors among them, and copies that made no pair."""
    shadow_ms: tuple[int, ...]
    """The latencies of production are 10 to 13 ms."""
    lines: int
    lost: dict[str, int]
    shows_origin: bool
    cut: int
    """Copies that were in flight in a worker that died."""


def case_of(drawn: random.Random) -> Case:
    routes = {}
    for number in range(drawn.choice([1, 1, 2, 3])):
        pairs = drawn.choice([0, 40, 2000, 6000, 6000, 40_000])
        errors = min(pairs, drawn.choice([0, 0, 0, 1, 2, 3, 4, 9, 60]))
        missing = drawn.choice([0, 0, 0, 5, pairs // 30, pairs // 10])
        routes[f"/{number}"] = (pairs, errors, missing)
    lines = sum(pairs for pairs, _, _ in routes.values())
    return Case(
        drawn.choice([LEAST_S - 10, LEAST_S + 10, LEAST_S + 10, LEAST_S + 10]),
        routes,
        drawn.choice([(11, 12, 13, 14), (11, 12, 13, 14), (11, 12, 13, 40), (24, 24, 25, 26)]),
        lines,
        drawn.choice([{}, {}, {"gap": lines // 9}, {"flood": lines // 30}, {"flood": lines // 9}]),
        drawn.random() < 0.9,
        drawn.choice([0, 0, 3]),
    )


def latencies(pairs: int, ms: tuple[int, ...]) -> Buckets:
    """Return each of these latencies for a fourth of the pairs."""
    return {bucket_of(each * 1000): pairs // len(ms) for each in ms} if pairs >= len(ms) else {}


def level_of_page(case: Case) -> Level:
    """Return the word for the pairs in equal parts of all slots, and the errors in the first."""
    hour = Live(Sources(dict, dict, lambda: (), lambda: None)).hour
    slots = case.seconds // 10
    for slot in range(slots):
        counts: Counts = {}
        of_slot: dict[tuple[str, str], Buckets] = {}
        for route, (pairs, errors, missing) in case.routes.items():
            share, rest = divmod(pairs - errors, slots)
            counts[COMPARED, route, "same"] = share + (slot < rest)
            if slot == 0:
                counts[COMPARED, route, "app_error"] = errors
                counts[UNCOMPARED, route, "no_log_line"] = missing
                of_slot[COMPARED_PRIMARY_LATENCY, route] = latencies(pairs, (10, 11, 12, 13))
                of_slot[COMPARED_SHADOW_LATENCY, route] = latencies(pairs, case.shadow_ms)
        if slot == 0:
            counts[UNCOMPARED, "other", "shadow_aborted"] = case.cut
            counts[PRIMARY_LOGGED, "", ""] = case.lines
            counts |= {(LOG_LOST, "", reason): number for reason, number in case.lost.items()}
        rates = dict.fromkeys(case.routes, 9)
        hour.add(Settled(BEGIN + 10 * slot, counts, rates, rates, False, True, of_slot))
    comparison = {"balanced": True, "shows_origin": case.shows_origin, "log": None}
    return judge_hour(STATUS | {"comparison": comparison}, hour).level


def level_of_compare(case: Case) -> Level:
    routes = [
        RouteComparison(
            route,
            {"2xx>2xx": pairs - errors, "2xx>5xx": errors},
            {"same": pairs - errors, "app_error": errors},
            {"no_log_line": missing},
            latencies(pairs, (10, 11, 12, 13)),
            latencies(pairs, case.shadow_ms),
        )
        for route, (pairs, errors, missing) in case.routes.items()
        if pairs or missing
    ]
    if case.cut:
        routes.append(RouteComparison("other", {}, {}, {"shadow_aborted": case.cut}, {}, {}))
    until_s = BEGIN + 3600
    log = Log("udp://127.0.0.1:9914", case.lines, case.lines, 0, case.lost, float(until_s))
    changes: dict[str, Any] = {"since_s": BEGIN, "until_s": until_s, "log": log}
    made = document(**changes, shows_origin=case.shows_origin, pairs_s=case.seconds)
    made.routes[:] = routes
    return judge(sum_of(made), Thresholds()).level


def test_the_page_and_compare_say_the_same_of_the_same_pairs() -> None:
    drawn = random.Random(1)
    cases = [case_of(drawn) for _ in range(400)]
    levels = [(level_of_page(case), level_of_compare(case)) for case in cases]
    assert [
        case for case, (page, compare) in zip(cases, levels, strict=True) if page != compare
    ] == []
    assert {page for page, _ in levels} == set(Level)

"""Checks the verdict, its reasons and its doubts."""

from collections import Counter
from typing import Any

import pytest

from mirror.comparison.report.judgement import (
    Judgement,
    Thresholds,
    judge,
    milliseconds,
    percent,
)
from mirror.comparison.report.safety import Level
from mirror.core.latency import Buckets, bucket_of
from mirror.formats.comparison import Comparison, Log, RouteComparison
from tests.mirror.comparison.report.test_parts import document, route, sum_of


def flat(number: int, *latencies_ms: float) -> Buckets:
    """Return a histogram of this many answers, in turn with these latencies."""
    shares = Counter(bucket_of(int(ms * 1000)) for ms in latencies_ms)
    return {bucket: share * number // len(latencies_ms) for bucket, share in shares.items()}


def pairs(number: int, name: str = "/api/_", errors: int = 0, **changes: Any) -> RouteComparison:
    good = number - errors
    plain: dict[str, Any] = {
        "classes": {"2xx>2xx": good, "2xx>5xx": errors},
        "results": {"same": good, "app_error": errors},
        "uncompared": {},
        "primary_latency": flat(number, 10, 11, 12, 13),
        "shadow_latency": flat(number, 11, 12, 13, 14),
    }
    return route(name, **plain | changes)


def judged(*documents: Comparison, **thresholds: Any) -> Judgement:
    return judge(sum_of(*documents), Thresholds(**thresholds))


def test_many_pairs_without_an_error_are_ok() -> None:
    found = judged(document(pairs(3000)))
    assert (found.level, found.reasons, found.doubts) == (Level.SAFE, (), ())
    assert found.all.new_errors.most < 0.001 and found.exit_code == 0


def test_too_few_pairs_are_a_doubt_with_the_number_needed() -> None:
    found = judged(document(pairs(1000)))
    assert found.level is Level.UNKNOWN and found.exit_code == 3
    assert found.doubts == (
        "1,000 pairs are too few: up to 0.3 % of all requests may be new errors (95 % confidence);"
        " 2,996 pairs are needed for 0.1 %, in about 2h at this rate",
    )


def test_no_pair_is_a_doubt() -> None:
    found = judged(document(pairs(0)))
    assert found.level is Level.UNKNOWN
    assert found.doubts == ("no pair was compared: at least 2,996 are needed",)


def test_more_errors_than_allowed_are_not_safe() -> None:
    found = judged(document(pairs(4000, errors=9)))
    assert found.level is Level.UNSAFE and found.exit_code == 5
    assert found.reasons == (
        "all routes: 0.225 % of 4,000 pairs are new errors (9), at most 0.1 % are allowed",
    )
    assert judged(document(pairs(40_000, errors=9))).level is Level.SAFE


def test_a_few_errors_more_may_be_chance() -> None:
    found = judged(document(pairs(4000, errors=5)))
    assert found.level is Level.ATTENTION
    assert found.doubts == (
        "0.125 % of 4,000 pairs are new errors (5), which is more than the 0.1 % that are allowed"
        " and may be chance: it is 0.0491 % to 0.263 %",
    )


def test_a_small_route_does_not_hide_among_many() -> None:
    found = judged(document(pairs(100_000), pairs(20, "/rare", errors=3)))
    assert found.level is Level.UNSAFE
    assert found.reasons == (
        "/rare: 15 % of 20 pairs are new errors (3), at most 0.1 % are allowed",
    )
    assert [part.name for part in found.routes] == ["/rare", "/api/_"]


def test_a_small_route_without_errors_is_a_doubt_unless_it_may_have_more() -> None:
    small = document(pairs(100_000), pairs(40, "/rare"))
    found = judged(small)
    assert found.level is Level.UNKNOWN
    (doubt,) = found.doubts
    assert doubt.startswith("1 route has too few pairs to be judged alone: /rare (40 of 2,996)")
    assert judged(small, of_routes={"/rare": 0.1}).level is Level.SAFE


def test_a_burst_in_a_quiet_hour_is_of_a_short_time() -> None:
    burst = document(pairs(3000), pairs_s=20)
    assert judged(burst).level is Level.UNKNOWN
    other = document(pairs(3000), instance="web-2", pairs_s=280)
    assert judged(burst, other).level is Level.SAFE


def test_one_route_with_a_threshold_of_its_own_is_judged_by_that_as_well() -> None:
    found = judged(document(pairs(3000)), of_routes={"/api/_": 0.0001})
    assert found.level is Level.UNKNOWN and "/api/_ (3,000 of 29,958)" in found.doubts[0]


def test_copies_of_a_worker_that_died_are_no_route() -> None:
    lost = pairs(0, "other", uncompared={"shadow_aborted": 7})
    assert judged(document(pairs(100_000), lost)).level is Level.SAFE


def test_an_error_of_a_small_route_is_named() -> None:
    found = judged(document(pairs(100_000), pairs(400, "/rare", errors=1)))
    assert found.level is Level.ATTENTION
    (doubt,) = found.doubts
    assert "/rare (1 new error in 400 of 4,729)" in doubt


def test_many_small_routes_are_one_doubt() -> None:
    routes = [pairs(10, f"/{number}") for number in range(8)]
    (doubt,) = judged(document(pairs(100_000), *routes)).doubts
    assert doubt.startswith("8 routes have too few pairs") and " and 3 more. " in doubt


def test_pairs_of_a_short_time_are_a_doubt() -> None:
    until_s = 1_774_512_000 + 298
    found = judged(document(pairs(3000), until_s=until_s, log=None))
    assert (found.level, found.exit_code) == (Level.UNKNOWN, 3)
    assert found.doubts == (
        "the pairs are of 299 seconds, and errors come in bursts: 300 seconds are the least",
    )
    enough = judged(document(pairs(3000), until_s=until_s + 1, log=None))
    assert enough.level is Level.SAFE


def test_a_threshold_of_a_route_that_is_not_there_is_a_doubt() -> None:
    found = judged(document(pairs(3000)), of_routes={"/typo": 0.1})
    assert found.doubts == ("no pair of the route /typo, which has a threshold (there are /api/_)",)


def test_a_slower_p99_is_not_safe() -> None:
    slow = pairs(3000, shadow_latency=flat(3000, 11, 12, 13, 40))
    found = judged(document(slow))
    assert found.reasons == (
        "all routes: p99 is 40.2 ms at the shadow and 13.1 ms in production, 3.079 times as much;"
        " at most 2 times are allowed",
    )
    assert judged(document(slow), slower=4.0).level is Level.SAFE


def test_a_slower_p99_of_few_pairs_may_be_noise() -> None:
    slow = pairs(100, shadow_latency=flat(100, 11, 12, 13, 40))
    found = judged(document(slow), new_errors=0.1)
    assert found.level is Level.UNKNOWN
    assert found.doubts == (
        "p99 is 3.079 times production's, which may be noise: more pairs are needed to say",
    )


def test_a_few_milliseconds_are_not_slow() -> None:
    quick = {"primary_latency": flat(3000, 1), "shadow_latency": flat(3000, 5)}
    assert judged(document(pairs(3000, **quick))).level is Level.SAFE


def test_latency_that_nobody_knows_is_a_doubt() -> None:
    found = judged(document(pairs(3000, primary_latency={})))
    assert found.all.p99 is None
    assert found.doubts == ("no latency of both sides is known, so it cannot be compared",)


def test_many_copies_without_a_pair_are_a_doubt() -> None:
    few, many = {"no_log_line": 150, "extra_copy": 9000}, {"no_log_line": 160}
    assert judged(document(pairs(3000, uncompared=few))).level is Level.SAFE
    found = judged(document(pairs(3000, uncompared=many)))
    assert found.level is Level.ATTENTION
    assert found.doubts[0].startswith("5.06 % of the copies (160) made no pair")


def test_suppressed_headers_are_a_doubt() -> None:
    found = judged(document(pairs(3000), shows_origin=False))
    assert found.level is Level.ATTENTION
    assert "web-1: the shadow's answers lack x-envoy-upstream-service-time" in found.doubts[0]
    assert judged(document(pairs(3000), shows_origin=None)).level is Level.SAFE


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (Log("udp://a", 900, 900, 0, {"flood": 50}, 1_774_515_600.0), "5.26 % of production's log"),
        (Log("udp://a", 0, 0, 0, {}, None), "web-1: no line has come from udp://a"),
        (Log("udp://a", 9, 9, 0, {}, 1_774_515_000.0), "no line of udp://a is newer than 2026-03"),
        (
            Log("file:/l", 9, 9, 0, {}, 1_774_515_599.0, problem="it is no regular file"),
            "web-1: file:/l is not read: it is no regular file",
        ),
    ],
)
def test_a_log_that_lacks_lines_is_a_doubt(log: Log, words: str) -> None:
    (doubt,) = judged(document(pairs(3000), log=log)).doubts
    assert words in doubt


def test_only_gaps_of_lines_that_copies_lack_are_losses() -> None:
    log = Log("udp://a", 900, 900, 0, {"gap": 500}, 1_774_515_600.0)
    assert judged(document(pairs(3000), log=log)).doubts == ()
    lacking = pairs(3000, uncompared={"no_log_line": 30})
    (doubt,) = judged(document(lacking, log=log, waiting=20)).doubts
    assert "5.26 % of production's log lines (50) were lost" in doubt


def test_a_log_of_another_clock_is_not_silent() -> None:
    log = Log("udp://a", 9, 9, 0, {}, 1_774_512_000.0, offset_s=3599.0)
    assert judged(document(pairs(3000), log=log)).doubts == ()


def test_a_result_of_a_newer_version_is_a_new_error() -> None:
    strange = pairs(3000, results={"same": 2000, "sideways": 1000})
    assert judged(document(strange)).level is Level.UNSAFE


@pytest.mark.parametrize(
    ("share", "words"),
    [
        *((0.0, "0 %"), (1.0, "100 %"), (0.00123456, "0.123 %"), (0.5, "50 %")),
        *((0.99999, "over 99.9 %"), (0.9994, "99.9 %"), (1e-7, "0.000010 %")),
    ],
)
def test_percent_is_never_rounded_to_nothing_or_all(share: float, words: str) -> None:
    assert percent(share) == words


def test_milliseconds() -> None:
    assert [milliseconds(value) for value in (0.5, 12.345, 999.0, 12345.6)] == [
        *("0.5 ms", "12.3 ms", "999 ms", "12,346 ms")
    ]

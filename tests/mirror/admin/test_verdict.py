"""Checks the verdict of the page: what makes a switch unsafe, doubtful, unknown, or safe so far."""

from typing import Any

import pytest

from mirror.admin.hour import Hour
from mirror.admin.live import Live, Sources
from mirror.admin.verdict import Verdict, judge
from mirror.comparison.report.safety import Level, severity
from mirror.core.latency import bucket_of
from mirror.core.ledger import (
    COMPARED,
    COMPARED_PRIMARY_LATENCY,
    COMPARED_SHADOW_LATENCY,
    LOG_LOST,
    PRIMARY_LOGGED,
    REPEATED,
    SHADOW_REQUESTS,
    SHADOW_SENT,
    SHED,
    UNCOMPARED,
    Counts,
    Settled,
)
from mirror.metrics.catalogue import SINK_DROPPED, WORKER_RESTARTS

NOW = 1_800_000_000
WORKER = {
    **{"id": 1, "pid": 7, "ready": True, "retiring": False},
    **{"breaker": "closed", "breaker_cause": "", "refused": ""},
}
STATUS: dict[str, Any] = {
    **{"workers": [WORKER], "ledger": {"balanced": True}, "mode": "sink", "ratio": 1.0},
    **{"silence": None, "worker_start_error": None, "ramp": None, "reload": {"last": None}},
    "comparison": {"balanced": True, "shows_origin": True, "log": None},
}
EQUAL = {
    (metric, "/"): {bucket_of(9000): 200}
    for metric in (COMPARED_PRIMARY_LATENCY, COMPARED_SHADOW_LATENCY)
}
SAME = {(COMPARED, "/", "same"): 200}


def hour_of(*counts: Counts, latencies: Any = EQUAL, slots: int = 60) -> Hour:
    """Return an hour whose last slots each have these counts, one second after the other."""
    hour = Live(Sources(dict, dict, lambda: (), lambda: None)).hour
    for slot in range(slots):
        for at, each in enumerate(counts):
            second = NOW + slot * 10 + at
            hour.add(Settled(second, each, {"/": 200}, {"/": 200}, False, True, latencies))
    return hour


def verdict(*counts: Counts, **status: Any) -> Verdict:
    return judge(STATUS | status, hour_of(*counts))


def words_of(judged: Verdict, level: Level) -> str:
    return "\n".join(reason.words for reason in judged.reasons if reason.level == level)


def test_many_pairs_without_a_new_error_are_safe_so_far() -> None:
    judged = verdict(SAME)
    assert judged.level == Level.SAFE
    assert judged.reasons[0].words == (
        "no new error in 12,000 pairs of the last hour, at most 0.025 % with 95 % confidence; "
        "0.1 % is allowed"
    )


def test_routes_without_a_pair_are_not_called_safe() -> None:
    hour = hour_of(SAME)
    rps = {f"/upload{n}": 5 - n for n in range(4)} | {"/": 3}
    hour.add(Settled(NOW + 600, {}, rps, {}, False, True))
    assert (
        judge(STATUS, hour)
        .reasons[0]
        .words.endswith(
            ". Not judged, because no copy was compared: /upload0, /upload1, /upload2 and 1 more"
        )
    )


def test_a_small_route_that_is_lost_is_not_hidden_by_a_large_one() -> None:
    hour = hour_of(SAME)
    hour.add(
        Settled(NOW, {(COMPARED, "/cart", "route_miss"): 4}, {}, {}, is_late=True, is_complete=True)
    )
    judged = judge(STATUS, hour)
    assert judged.level == Level.UNSAFE
    assert judged.reasons[0].words == (
        "new errors in the last hour on /cart: 4 of 4 pairs (Envoy has no route)"
    )


def test_a_shadow_that_fails_now_is_not_hidden_by_a_good_hour() -> None:
    hour = hour_of({(COMPARED, "/", "same"): 20_000}, slots=300)
    for at in range(3):
        hour.add(
            Settled(
                NOW + 3300 + at * 100,
                {(COMPARED, "/", "app_error"): 20, (COMPARED, "/", "same"): 90},
                *({}, {}),
                is_late=False,
                is_complete=True,
            )
        )
    judged = judge(STATUS, hour)
    assert judged.level == Level.UNSAFE
    assert "in the last five minutes on /: 60 of " in judged.reasons[0].words


def test_errors_that_have_ended_are_said_to_have_ended() -> None:
    hour = hour_of({(COMPARED, "/", "route_miss"): 20}, slots=10)
    for at in range(1000, 1300):
        hour.add(Settled(NOW + at, {(COMPARED, "/", "same"): 20}, {"/": 1}, {}, False, True))
    assert judge(STATUS, hour).reasons[0].words == (
        "new errors in the last hour on /: 200 of 6,200 pairs (Envoy has no route; none in the "
        "last five minutes)"
    )


def test_new_errors_over_all_routes_add_up() -> None:
    counts = {(COMPARED, f"/{n}", "timeout"): 1 for n in range(2)}
    hour = hour_of(SAME, slots=60)
    for at, key in enumerate(list(counts) * 20):
        late = Settled(NOW + at, {(key[0], f"/r{at}", key[2]): 1}, {}, {}, True, True)
        hour.add(late)
    judged = judge(STATUS, hour)
    assert judged.level == Level.UNSAFE
    assert judged.reasons[0].words == (
        "40 new errors in 12,040 pairs of the last hour, which is 0.33 %; 0.1 % is allowed: "
        "no answer in time"
    )


def test_few_pairs_prove_nothing() -> None:
    judged = judge(STATUS, hour_of({(COMPARED, "/", "same"): 20}))
    assert judged.level == Level.UNKNOWN
    assert "it takes 2,996 to vouch for no more than 0.1 %" in words_of(judged, Level.UNKNOWN)
    hour = hour_of({(COMPARED, "/", "same"): 20})
    hour.add(Settled(NOW, {(COMPARED, "/", "redirect"): 2}, {}, {}, True, True))
    judged = judge(STATUS, hour)
    assert judged.level == Level.ATTENTION
    assert "2 new errors in 1,202 pairs" in judged.reasons[0].words


def test_many_pairs_of_a_short_time_prove_little() -> None:
    judged = judge(STATUS, hour_of({(COMPARED, "/", "same"): 10_000}, slots=29))
    assert judged.level == Level.UNKNOWN
    assert "only 4.8 minutes have pairs so far" in judged.reasons[0].words
    assert words_of(judged, Level.SAFE)


def test_pairs_that_stop_are_said() -> None:
    hour = hour_of(SAME)
    hour.add(Settled(NOW + 1500, {}, {"/": 1}, {}, False, True))
    assert words_of(judge(STATUS, hour), Level.UNKNOWN) == (
        "no pair of answers was compared in the last five minutes"
    )
    assert judge(STATUS, hour_of({})).reasons[0].words == (
        "no pair of answers was compared in the last hour"
    )


def test_without_requests_or_copies_nothing_is_known() -> None:
    hour = Live(Sources(dict, dict, lambda: (), lambda: None)).hour
    assert judge(STATUS, hour).reasons[0].words == "no request was seen in the last hour"
    assert "nothing is mirrored: the ratio is 0" in words_of(verdict(SAME, ratio=0), Level.UNKNOWN)


@pytest.mark.parametrize(
    ("mode", "key"), [("sink", "comparison.access_log"), ("inline", "comparison.enabled")]
)
def test_without_a_comparison_the_switch_is_never_called_safe(mode: str, key: str) -> None:
    fine = {(SHADOW_REQUESTS, "/", "2xx"): 100}
    judged = verdict(fine, comparison=None, mode=mode)
    assert judged.level == Level.UNKNOWN and key in judged.reasons[0].words
    failing = fine | {(SHADOW_REQUESTS, "/", "timeout"): 9, (SHADOW_REQUESTS, "/", "aborted"): 99}
    judged = verdict(failing, comparison=None, mode=mode)
    assert judged.level == Level.ATTENTION
    assert judged.reasons[0].words == (
        "8.3 % of 3,270 shadow legs of the last five minutes failed: timeout 270"
    )


@pytest.mark.parametrize(
    ("status", "level", "words"),
    [
        ({"workers": []}, Level.UNSAFE, "no worker is ready"),
        ({"workers": [WORKER | {"retiring": True}]}, Level.UNSAFE, "no worker is ready"),
        ({"ledger": {"balanced": False}}, Level.UNSAFE, "the ledger does not balance"),
        ({"workers": [WORKER | {"refused": "server: nginx"}]}, Level.UNSAFE, "refused"),
        (
            {"workers": [WORKER | {"breaker": "open", "breaker_cause": "10 in a row"}]},
            *(Level.UNSAFE, "the breaker is open, so the shadow gets nothing: 10 in a row"),
        ),
        (
            {"workers": [WORKER, WORKER | {"breaker": "open", "breaker_cause": ""}]},
            *(Level.ATTENTION, "the breaker of 1 of 2 workers is not closed"),
        ),
        ({"workers": [WORKER | {"breaker": "half-open"}]}, Level.ATTENTION, "is not closed"),
        ({"silence": "no request since 3"}, Level.ATTENTION, "no request since 3"),
        ({"worker_start_error": "no memory"}, Level.ATTENTION, "cannot be started: no memory"),
        (
            {"ramp": {"holding": True, "last_fall": "errors: 2%"}},
            *(Level.ATTENTION, "the ramp fell back: errors: 2%"),
        ),
        (
            {"reload": {"last": {"result": "refused"}}},
            Level.ATTENTION,
            "the last reload was refused",
        ),
    ],
)
def test_what_is_broken_or_suffers_is_said_first(
    status: dict[str, Any], level: Level, words: str
) -> None:
    judged = verdict(SAME, **status)
    assert judged.level == level and words in judged.reasons[0].words
    assert words_of(judged, Level.SAFE), "the pairs stay readable below"


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (
            {(SHED, "/", "buffer_full"): 3, (SHADOW_SENT, "/", ""): 97},
            "3 % of the copies of the last five minutes were shed: buffer_full 90",
        ),
        ({(UNCOMPARED, "/", "no_log_line"): 20}, "9.1 % of the last hour's copies were not"),
        (
            {(LOG_LOST, "", "flood"): 6, (PRIMARY_LOGGED, "", ""): 94},
            "6 % of the last hour's lines of production's log were lost: flood 360",
        ),
        (
            {
                **{(LOG_LOST, "", "gap"): 50, (PRIMARY_LOGGED, "", ""): 94},
                (UNCOMPARED, "/", "no_log_line"): 6,
            },
            "6 % of the last hour's lines of production's log were lost: gap 360",
        ),
        ({(SINK_DROPPED, "", "series"): 1}, "dropped before a sink in the last hour: series 60"),
        ({(REPEATED, "/", ""): 200}, "nginx mirrored 100 % of the last hour's requests twice"),
        ({(WORKER_RESTARTS, "", ""): 1}, "60 times a worker ended and was replaced"),
    ],
)
def test_losses_need_attention(counts: Counts, words: str) -> None:
    judged = verdict(SAME | counts)
    assert judged.level == Level.ATTENTION and words in judged.reasons[0].words


def test_a_loss_that_is_small_or_by_design_needs_none() -> None:
    counts: Counts = {
        **{(SHED, "/", "buffer_full"): 1, (SHADOW_SENT, "/", ""): 199},
        **{(UNCOMPARED, "/", "no_log_line"): 9, (UNCOMPARED, "/", "extra_copy"): 400},
        **{(LOG_LOST, "", "flood"): 1, (PRIMARY_LOGGED, "", ""): 199, (REPEATED, "/", ""): 30},
    }
    assert verdict(SAME | counts).level == Level.SAFE


def test_lines_that_nginx_does_not_write_are_no_loss() -> None:
    counts: Counts = {(LOG_LOST, "", "gap"): 50, (PRIMARY_LOGGED, "", ""): 50}
    assert verdict(SAME | counts).level == Level.SAFE


@pytest.mark.parametrize(
    ("ours", "theirs", "number", "level"),
    [
        *((9, 20, 200, Level.UNSAFE), (9, 17, 200, Level.SAFE), (1, 5, 200, Level.SAFE)),
        (9, 20, 1, Level.UNKNOWN),
    ],
)
def test_a_shadow_that_is_much_slower_is_not_safe(
    ours: int, theirs: int, number: int, level: Level
) -> None:
    latencies = {
        (COMPARED_PRIMARY_LATENCY, "/"): {bucket_of(ours * 1000): number},
        (COMPARED_SHADOW_LATENCY, "/"): {bucket_of(theirs * 1000): number},
    }
    judged = judge(STATUS, hour_of(SAME, latencies=latencies))
    assert judged.level == level
    is_slow = level is not Level.SAFE
    assert judged.reasons[0].words.startswith("the shadow's p99 is") is is_slow


def test_without_a_latency_of_both_sides_nothing_is_known_of_it() -> None:
    judged = judge(STATUS, hour_of(SAME, latencies={}))
    assert words_of(judged, Level.UNKNOWN).startswith("no latency of both sides is known")


def test_a_small_route_alone_is_not_known() -> None:
    judged = verdict(SAME | {(COMPARED, "/rare", "same"): 1})
    assert judged.level == Level.UNKNOWN
    words = "1 route has too few pairs to be judged alone: /rare (60 of 2,996)"
    assert judged.reasons[0].words == words


@pytest.mark.parametrize(
    ("part", "level", "words"),
    [
        ({"balanced": False}, Level.UNSAFE, "the comparison does not balance"),
        ({"shows_origin": False}, Level.ATTENTION, "lack x-envoy-upstream-service-time"),
        (
            {"log": {"source": "file:/l", "problem": "it is gone", "repeated": 0}},
            *(Level.ATTENTION, "file:/l is not read: it is gone"),
        ),
        (
            {"log": {"source": "file:/l", "problem": "", "repeated": 7}},
            *(Level.ATTENTION, "7 requests have two lines in file:/l"),
        ),
    ],
)
def test_pairs_that_are_not_what_they_should_be_are_doubted(
    part: dict[str, Any], level: Level, words: str
) -> None:
    judged = verdict(SAME, comparison=STATUS["comparison"] | part)
    assert judged.level == level and words in judged.reasons[0].words


def test_the_worst_reason_decides() -> None:
    judged = verdict({(COMPARED, "/", "mtls"): 5}, silence="none since 3")
    assert [reason.level for reason in judged.reasons] == sorted(
        (reason.level for reason in judged.reasons), key=severity
    )
    assert judged.level == Level.UNSAFE


def test_many_lost_routes_are_counted() -> None:
    judged = verdict({(COMPARED, f"/{n}", "route_miss"): n + 1 for n in range(5)})
    assert judged.reasons[0].words.startswith("new errors in the last hour on /4: 300 of 300 pairs")
    assert judged.reasons[0].words.endswith("; and 2 more")

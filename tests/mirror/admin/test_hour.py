"""Checks the slots of the last hour: late counts, gaps, steps of the clock, and the bounds."""

from typing import Any

from mirror.admin.hour import MOST_COUNTERS, MOST_ROUTES, SLOT_S, SLOTS, Hour
from mirror.core.ledger import COMPARED, PRIMARY_LATENCY, REQUESTS, SHADOW_LATENCY, SHED, Settled

NOW = 1_800_000_000


def settled(second: int, number: int = 0, route: str = "/", **changes: Any) -> Settled:
    fields: dict[str, Any] = {
        "second": second,
        "counts": {(REQUESTS, route, ""): number} if number else {},
        "rps": {route: number} if number else {},
        "shadow_rps": {route: number // 2} if number else {},
        "is_late": False,
        "is_complete": True,
    }
    return Settled(**fields | changes)


def hour_of(*seconds: Settled) -> Hour:
    hour = Hour({COMPARED}, {SHED}, {SHADOW_LATENCY})
    for each in seconds:
        hour.add(each)
    return hour


def means(hour: Hour) -> list[float]:
    return [mean for mean in hour.series(hour.total)[0] if mean is not None]


def test_a_slot_has_the_mean_and_the_highest_of_its_seconds() -> None:
    hour = hour_of(*(settled(NOW + at, rps) for at, rps in enumerate([4, 10, 1])))
    mean, highest = hour.series(hour.total)
    assert (mean[-1], highest[-1]) == (5.0, 10)
    assert hour.series(hour.shadow)[0][-1] == 2.3
    assert (len(mean), mean[:-1]) == (SLOTS, [None] * (SLOTS - 1))
    assert [route for route, _ in hour.routes()] == ["/"]


def test_an_incomplete_second_is_a_gap_until_it_is_complete() -> None:
    part = settled(NOW, 3, rps={"/": 3}, is_complete=False)
    hour = hour_of(part, settled(NOW + 1, 8))
    assert means(hour) == [8.0]
    whole = settled(NOW, 2, rps={"/": 5}, shadow_rps={"/": 1}, is_late=True)
    hour.add(whole)
    assert means(hour) == [6.5]
    assert hour.requests == 13


def test_late_counts_are_added_to_their_own_second_once() -> None:
    hour = hour_of(settled(NOW, 4), settled(NOW + SLOT_S, 1))
    hour.add(settled(NOW, 2, rps={"/": 6}, is_late=True))
    mean, highest = hour.series(hour.total)
    assert (mean[-2:], highest[-2:]) == ([6.0, 1.0], [6, 1])


def test_what_is_older_than_an_hour_is_gone() -> None:
    counts = {(SHED, "/", "full"): 2, (COMPARED, "/a", "same"): 3}
    hour = hour_of(settled(NOW, 9, counts=counts), settled(NOW + 3599, 1))
    assert (hour.by_label(SHED), hour.by_route(COMPARED)) == ({"full": 2}, {"/a": {"same": 3}})
    hour.add(settled(NOW + 3600, 1))
    assert (hour.by_label(SHED), hour.by_route(COMPARED), hour.requests) == ({}, {}, 2)
    hour.add(settled(NOW, 1, counts=counts, is_late=True))
    assert hour.by_label(SHED) == {}


def test_the_newest_slots_are_counted_by_themselves() -> None:
    early = settled(NOW, counts={(COMPARED, "/a", "same"): 3})
    late = settled(NOW + 300, counts={(COMPARED, "/a", "same"): 4, (COMPARED, "/b", "size"): 1})
    hour = hour_of(early, late)
    assert hour.by_label(COMPARED, 30) == {"same": 4, "size": 1}
    assert hour.by_label(COMPARED, 31) == {"same": 7, "size": 1}
    assert hour.slots_with(COMPARED) == 2


def test_after_a_clock_that_was_set_back_nothing_is_in_the_future() -> None:
    hour = hour_of(settled(NOW, 5), settled(NOW + 60, 7), settled(NOW + 20, 3))
    assert means(hour) == [5.0, 3.0]
    hour.add(settled(NOW + 60, 9, is_late=True))
    assert means(hour) == [5.0, 3.0]
    hour.add(settled(NOW - 7200, 2))
    assert means(hour) == [2.0]
    hour.add(settled(NOW + 10**6, 4))
    assert means(hour) == [4.0]


def test_the_latency_is_that_of_the_last_minute() -> None:
    latencies = {(SHADOW_LATENCY, "/"): {5: 1}, (SHADOW_LATENCY, "/b"): {5: 1, 9: 2}}
    hour = hour_of(settled(NOW, latencies=latencies))
    assert hour.latency(SHADOW_LATENCY) == {5: 2, 9: 2}
    hour.add(settled(NOW + 10, latencies=latencies))
    hour.add(settled(NOW + 11, latencies=latencies))
    hour.add(settled(NOW, latencies=latencies, is_late=True))
    assert hour.latency(SHADOW_LATENCY) == {5: 8, 9: 8}
    hour.add(settled(NOW + 60))
    assert hour.latency(SHADOW_LATENCY) == {5: 4, 9: 4}
    hour.add(settled(NOW + 3000))
    assert hour.latency(SHADOW_LATENCY) == {}
    hour.add(settled(NOW + 1000, latencies=latencies, is_late=True))
    assert hour.latency(SHADOW_LATENCY) == {}


def test_the_latency_of_the_hour_is_kept_of_the_metrics_that_are_asked_for() -> None:
    latencies = {(SHADOW_LATENCY, "/"): {5: 1}, (PRIMARY_LATENCY, "/"): {5: 1}}
    hour = hour_of(settled(NOW, latencies=latencies), settled(NOW + 3000, latencies=latencies))
    assert hour.latency(SHADOW_LATENCY) == {5: 1}
    assert hour.latency_of_hour(SHADOW_LATENCY) == {5: 2}
    assert hour.latency_of_hour(PRIMARY_LATENCY) == {}
    hour.add(settled(NOW + 3600))
    assert hour.latency_of_hour(SHADOW_LATENCY) == {5: 1}
    hour.add(settled(NOW - 7200))
    assert hour.latency_of_hour(SHADOW_LATENCY) == {}


def test_routes_beyond_the_most_are_counted_together() -> None:
    hour = hour_of(*(settled(NOW, 1, f"/{n}", is_late=n > 0) for n in range(MOST_ROUTES + 9)))
    assert len(hour.routes()) == MOST_ROUTES + 1
    assert sum(sum(rates.sums) for _, rates in hour.routes()) == MOST_ROUTES + 9
    counts = {(COMPARED, f"/{n}", "same"): 1 for n in range(MOST_COUNTERS + 7)}
    hour = hour_of(settled(NOW, counts=counts))
    assert hour.by_route(COMPARED)["other"] == {"same": 7}
    assert hour.by_label(COMPARED) == {"same": MOST_COUNTERS + 7}


def test_what_is_counted_elsewhere_is_of_the_newest_second() -> None:
    hour = hour_of(settled(NOW))
    hour.count("sink.dropped", "series", 3)
    assert hour.by_label("sink.dropped") == {"series": 3}

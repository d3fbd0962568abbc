"""Checks how the reports of all workers are added up, and when a second is settled."""

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mirror.core import ledger
from mirror.core.comparison.answer import Answer
from mirror.core.comparison.copies import Copies
from mirror.core.comparison.examples import Examples, RequestReader
from mirror.core.comparison.pairs import Pair, Pairs, count_pair
from mirror.core.comparison.piece import Copy, Piece
from mirror.core.ledger import (
    AMPLIFIED,
    NOT_SELECTED,
    REQUESTS,
    SHADOW_LATENCY,
    SHADOW_REQUESTS,
    SHADOW_SENT,
    SHED,
    WORKER_LOST,
    Counts,
    Report,
    Settled,
    add_counts,
)
from mirror.core.redaction.redactor import Redactor
from mirror.core.worker_ledger import Ledger
from mirror.core.wrong_mode import WRONG_MODE
from mirror.formats.comparison import decode, to_json
from mirror.process.merger import Merger

SAFE = (REQUESTS, "/a", "safe")


def counts_of(number: int) -> Counts:
    return {SAFE: number}


def report_of(
    through: int, *seconds: tuple[int, int], in_flight: int = 0, reading: int = 0
) -> Report:
    closed: list[tuple[int, Counts, ledger.Latencies]] = [
        (second, counts_of(number), {}) for second, number in seconds
    ]
    totals = counts_of(sum(number for _, number in seconds))
    return Report(through, closed, totals, in_flight, reading)


def numbers(settled: list[Settled]) -> list[tuple[int, int]]:
    return [(item.second, item.counts.get(SAFE, 0)) for item in settled]


# --- the merger: settling ---


def test_second_settles_when_every_worker_closed_it() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    merger.worker_started(2)
    merger.worker_reported(1, report_of(100, (100, 1)))
    assert merger.settle(101.2) == []
    merger.worker_reported(2, report_of(100, (100, 2)))
    assert merger.settle(101.4) == [
        Settled(100, counts_of(3), {"/a": 3}, {}, is_late=False, is_complete=True)
    ]
    assert merger.settle(101.6) == []


def test_open_second_is_never_settled() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    merger.worker_reported(1, report_of(105, (105, 1)))
    assert [item.second for item in merger.settle(102.9)] == [100, 101]


def test_quiet_seconds_are_settled_as_zeros() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    merger.worker_reported(1, report_of(103, (102, 5)))
    settled = merger.settle(104.0)
    assert numbers(settled) == [(100, 0), (101, 0), (102, 5), (103, 0)]
    assert all(item.is_complete for item in settled)


def test_stalled_worker_is_waited_for_three_seconds() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    merger.worker_started(2)
    merger.worker_reported(1, report_of(103, (100, 1)))
    assert merger.settle(103.9) == []
    settled = merger.settle(104.0)
    assert numbers(settled) == [(100, 1)]


def test_second_settled_without_a_worker_is_incomplete() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    merger.worker_started(2)
    merger.worker_reported(1, report_of(103, (100, 1)))
    assert [item.is_complete for item in merger.settle(104.0)] == [False]


def test_late_counts_are_additions_to_their_second() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    merger.worker_started(2)
    merger.worker_reported(1, report_of(103, (100, 1)))
    merger.settle(104.0)
    merger.worker_reported(2, report_of(103, (100, 2)))
    late, *rest = merger.settle(104.1)
    assert late == Settled(100, counts_of(2), {"/a": 3}, {}, is_late=True, is_complete=True)
    assert numbers(rest) == [(101, 0), (102, 0), (103, 0)]


def test_latencies_of_workers_merge_by_second() -> None:
    merger = Merger(100)
    for worker in (1, 2, 3):
        merger.worker_started(worker)
    key = (SHADOW_LATENCY, "/a")
    merger.worker_reported(1, Report(100, [(100, {}, {key: {7: 1, 9: 1}})], {}, 0, 0))
    merger.worker_reported(2, Report(100, [(100, {}, {key: {7: 2}})], {}, 0, 0))
    assert [item.latencies for item in merger.settle(104.0)] == [{key: {7: 3, 9: 1}}]
    merger.worker_reported(3, Report(103, [(100, {}, {key: {8: 1}})], {}, 0, 0))
    late, *_ = merger.settle(104.1)
    assert (late.second, late.is_late, late.latencies) == (100, True, {key: {8: 1}})
    assert merger.latencies == {key: {7: 3, 8: 1, 9: 1}}


def test_what_the_supervisor_counts_holds_back_no_second() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    own: Counts = {(ledger.COMPARED, "/a", "same"): 3}
    latencies: ledger.Latencies = {(ledger.COMPARED_SHADOW_LATENCY, "/a"): {9: 3}}
    merger.supervisor_counted(Report(100, [(100, own, latencies)], own, 0, 0))
    merger.worker_reported(1, report_of(101, (100, 1)))
    first, second = merger.settle(102.2)
    assert first.counts == counts_of(1) | own and first.latencies == latencies
    assert second.counts == {} and second.is_complete
    merger.worker_ended(1, 102, is_clean=True)
    assert merger.totals() == counts_of(1) | own and merger.latencies == latencies


def test_copies_go_to_who_joins_them() -> None:
    copies: list[Copy] = []
    merger = Merger(100, take_copies=copies.extend)
    merger.worker_started(1)
    report = report_of(99)
    report.comparison = Piece(0, [Copy("8f", "/a", Answer(200, "2xx"), None)])
    merger.worker_reported(1, report)
    merger.worker_reported(1, report_of(100))
    assert [copy.id for copy in copies] == ["8f"]


def test_rates_are_of_the_whole_second() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    merger.worker_started(2)
    sent = (SHADOW_SENT, "/a", "")
    merger.worker_reported(1, Report(103, [(100, {SAFE: 5, sent: 4}, {})], {}, 0, 0))
    assert merger.settle(104.0)[0].shadow_rps == {"/a": 4}
    merger.worker_reported(2, Report(103, [(100, {SAFE: 2, sent: 1}, {})], {}, 0, 0))
    late = merger.settle(104.1)[0]
    assert (late.rps, late.shadow_rps, late.counts[sent]) == ({"/a": 7}, {"/a": 5}, 1)


def test_incomplete_seconds_are_counted_once() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    merger.settle(104.0)
    assert merger.incomplete_seconds == 1
    merger.worker_reported(1, report_of(103))
    merger.settle(104.1)
    assert merger.incomplete_seconds == 1


def test_the_worst_breaker_is_shown() -> None:
    merger = Merger(100)
    assert merger.breaker == 0
    for worker, breaker in ((1, 1), (2, 2), (3, 0)):
        merger.worker_started(worker)
        merger.worker_reported(worker, Report(100, [], {}, 0, 0, breaker))
    assert merger.breaker == 2
    merger.worker_ended(2, 101, is_clean=True)
    assert merger.breaker == 1


def test_what_the_workers_hold_adds_up() -> None:
    merger = Merger(100)
    for worker in (1, 2):
        merger.worker_started(worker)
        report = report_of(100)
        report.held = (100 * worker, worker, 10)
        merger.worker_reported(worker, report)
    assert merger.held == [300, 3, 20]
    merger.worker_ended(1, 101, is_clean=True)
    assert merger.held == [200, 2, 10]


def test_stalled_worker_without_counts_completes_its_seconds() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    merger.settle(104.0)
    merger.worker_reported(1, report_of(103))
    assert merger.settle(104.1)[0] == Settled(100, {}, {}, {}, is_late=True, is_complete=True)
    assert [item.second for item in merger.settle(104.2)] == []


def test_late_counts_of_one_worker_do_not_complete_for_another() -> None:
    merger = Merger(100)
    for worker in (1, 2, 3):
        merger.worker_started(worker)
    merger.worker_reported(1, report_of(103))
    merger.settle(104.0)
    merger.worker_reported(2, report_of(103, (100, 1)))
    assert [item.is_complete for item in merger.settle(104.1)] == [False]
    merger.worker_reported(3, report_of(103, (100, 1)))
    assert merger.settle(104.2)[0].is_complete


def test_first_partial_second_is_counted_and_incomplete() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    merger.worker_reported(1, report_of(100, (99, 1)))
    settled = merger.settle(101.0)
    assert settled[0] == Settled(99, counts_of(1), {"/a": 1}, {}, is_late=True, is_complete=False)
    assert settled[1].is_complete


def test_sum_of_a_forgotten_second_is_not_invented() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    merger.worker_started(2)
    merger.worker_reported(1, report_of(299, (100, 9)))
    merger.settle(300.0)
    merger.settle(301.0)
    merger.worker_reported(2, report_of(299, (100, 1)))
    assert merger.settle(302.0)[0] == Settled(100, counts_of(1), {}, {}, True, False)


# --- the merger: processes that stand still ---


def test_seconds_in_which_a_worker_stood_still_are_gaps() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    report = report_of(115, (100, 5), (113, 7), (114, 5))
    report.unobserved = [(101, 113)]
    merger.worker_reported(1, report)
    settled = merger.settle(116.0)
    gaps = [item.second for item in settled if not item.is_complete]
    assert gaps == list(range(101, 114))
    assert [item.counts for item in settled if item.second == 113] == [counts_of(7)]
    assert merger.incomplete_seconds == 13


def test_standing_still_is_a_gap_if_the_supervisor_wakes_first() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    merger.worker_started(2)
    for worker in (1, 2):
        merger.worker_reported(worker, report_of(100))
    assert [item.second for item in merger.settle(113.1) if item.is_complete] == [100]
    report = report_of(112)
    report.unobserved = [(101, 113)]
    merger.worker_reported(1, report)
    merger.worker_reported(2, report_of(112))
    settled = merger.settle(113.2)
    assert [item.second for item in settled if item.is_late] == list(range(101, 110))
    assert [item.second for item in settled if not item.is_late] == [110, 111, 112]
    assert not any(item.is_complete for item in settled)
    assert merger.incomplete_seconds == 12


def test_an_hour_is_left_out_and_not_walked_through() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    merger.worker_reported(1, report_of(100, (100, 3)))
    merger.settle(101.0)
    report = report_of(3700, (101, 4), (3700, 6))
    report.unobserved = [(101, 3700)]
    merger.worker_reported(1, report)
    first, *settled = merger.settle(3701.5)
    assert first == Settled(101, counts_of(4), {}, {}, is_late=True, is_complete=False)
    assert [item.second for item in settled] == list(range(3701 - Merger.REMEMBER_S, 3701))
    assert not any(item.is_complete for item in settled)
    assert merger.incomplete_seconds == 3600
    merger.worker_reported(1, report_of(3701, (3701, 5)))
    assert [item.is_complete for item in merger.settle(3702.5)] == [True]


def test_what_is_forgotten_takes_no_memory() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    report = report_of(100)
    report.unobserved = [(0, 10**9)]
    merger.worker_reported(1, report)
    assert len(merger._incomplete) <= Merger.REMEMBER_S + 1
    merger.settle(2e9)
    assert not merger._incomplete


# --- the merger: workers that end ---


def test_killed_worker_leaves_its_open_seconds_incomplete() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    merger.worker_started(2)
    merger.worker_reported(1, report_of(101, (101, 1)))
    merger.worker_reported(2, report_of(100, (100, 1)))
    merger.worker_ended(2, 102, is_clean=False)
    merger.worker_reported(1, report_of(103))
    complete = {item.second: item.is_complete for item in merger.settle(104.0)}
    assert complete == {100: True, 101: False, 102: False, 103: True}


def test_killed_worker_loses_only_what_it_had_not_reported() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    counter = Ledger(100)
    counter.count(REQUESTS, "/a", "safe")
    merger.worker_reported(1, counter.report(0, 0))
    counter.count(REQUESTS, "/a", "safe")
    merger.worker_ended(1, 100, is_clean=False)
    (settled,) = merger.finish(100.0)
    assert (settled.second, settled.rps, settled.is_complete) == (100, {"/a": 1}, False)
    assert merger.status()["seen"] == 1


def test_breaker_of_a_worker_is_shown_with_its_cause() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    merger.worker_reported(1, Report(100, [], {}, 0, 0, 2, "10 legs in a row failed"))
    assert merger.breaker_of(1) == (2, "10 legs in a row failed")


def test_killed_worker_ends_its_legs_as_lost() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    totals = {SAFE: 3, (SHADOW_SENT, "/a", ""): 2}
    merger.worker_reported(1, Report(100, [(100, totals, {})], totals, in_flight=2, reading=1))
    assert merger.status()["balanced"]
    merger.worker_ended(1, 101, is_clean=False)
    status = merger.status()
    assert (status["in_flight"], status["reading"]) == (0, 0)
    assert status["outcomes"] == {WORKER_LOST: 2}
    assert status["shed"] == {WORKER_LOST: 1}
    assert status["balanced"]
    lost = merger.settle(102.0)[-1].counts
    assert lost == {(SHADOW_REQUESTS, "other", WORKER_LOST): 2, (SHED, "other", WORKER_LOST): 1}


def test_clean_end_loses_nothing() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    merger.worker_started(2)
    merger.worker_reported(1, report_of(101, (101, 4)))
    merger.worker_ended(1, 101, is_clean=True)
    merger.worker_reported(2, report_of(101, (101, 1)))
    settled = merger.settle(102.0)
    assert numbers(settled) == [(100, 0), (101, 5)]
    assert all(item.is_complete for item in settled)


def test_seconds_without_any_worker_are_incomplete() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    merger.worker_reported(1, report_of(101))
    merger.worker_ended(1, 102, is_clean=True)
    complete = {item.second: item.is_complete for item in merger.settle(104.0)}
    assert complete == {100: True, 101: True, 102: False, 103: False}


def test_seconds_before_the_first_worker_are_incomplete() -> None:
    assert [item.is_complete for item in Merger(100).settle(102.0)] == [False, False]


def test_finish_settles_the_open_second_as_incomplete() -> None:
    merger = Merger(100)
    merger.worker_started(1)
    merger.worker_reported(1, report_of(101, (100, 1), (101, 2)))
    merger.worker_ended(1, 101, is_clean=True)
    settled = merger.finish(101.7)
    assert numbers(settled) == [(100, 1), (101, 2)]
    assert [item.is_complete for item in settled] == [True, False]


# --- the identities ---


@pytest.mark.parametrize(
    "extra",
    [
        {SAFE: 1},
        {(AMPLIFIED, "/a", ""): 1},
        {(NOT_SELECTED, "/a", "method"): 1},
        {(SHED, "/a", "unavailable"): 1},
        {(SHADOW_SENT, "/a", ""): 1},
        {(SHADOW_REQUESTS, "/a", "2xx"): 1},
    ],
)
def test_one_count_too_many_shows_as_imbalance(extra: Counts) -> None:
    merger = Merger(100)
    merger.worker_started(1)
    totals = {SAFE: 1, (SHADOW_SENT, "/a", ""): 1, (SHADOW_REQUESTS, "/a", "2xx"): 1}
    merger.worker_reported(1, Report(100, [], totals, 0, 0))
    assert merger.status()["balanced"]
    add_counts(totals, extra)
    assert not merger.status()["balanced"]


def test_status_adds_workers_up() -> None:
    merger = Merger(100)
    for worker in (1, 2):
        merger.worker_started(worker)
        totals = {
            SAFE: 4,
            (REQUESTS, "/b", "unsafe"): 1,
            (NOT_SELECTED, "/b", "method"): 1,
            (AMPLIFIED, "/a", ""): 1,
            (SHED, "/a", "unavailable"): 1,
            (SHADOW_SENT, "/a", ""): 3,
            (SHADOW_REQUESTS, "/a", "2xx"): 1,
            (SHADOW_REQUESTS, "/b", "2xx"): 1,
            (ledger.PRIMARY_REQUESTS, "/a", "5xx"): 1,
            (ledger.MALFORMED, "other", "syntax"): 1,
            (ledger.LOOPED, "/a", ""): 1,
            (ledger.REPEATED, "/a", ""): 1,
            (WRONG_MODE, "other", ""): 1,
        }
        merger.worker_reported(worker, Report(100, [], totals, in_flight=1, reading=1))
    assert merger.status() == {
        "seen": 10,
        "not_selected": {"method": 2},
        "amplified": 2,
        "shed": {"unavailable": 2},
        "sent": 6,
        "reading": 2,
        "outcomes": {"2xx": 4},
        "probes": {},
        "in_flight": 2,
        "primary": {"5xx": 2},
        "malformed": {"syntax": 2},
        "looped": 2,
        "repeated": 2,
        "wrong_mode": 2,
        "balanced": True,
    }


class AnyInterleaving(RuleBasedStateMachine):
    """Lets workers count, report, stall and die in any order; each reported count arrives once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.merger = Merger(100)
        self.workers: dict[int, Ledger] = {}
        self.in_flight: Counter[int] = Counter()
        self.handed_over: Counter[tuple[int, ledger.Key]] = Counter()
        self.handed_open: dict[int, tuple[int, ledger.Counts]] = {}
        self.settled: Counter[tuple[int, ledger.Key]] = Counter()
        self.rps: dict[int, dict[str, int]] = {}
        self.next_second = 100
        self.last_id = 0

    @rule()
    def worker_starts(self) -> None:
        self.last_id += 1
        self.workers[self.last_id] = Ledger(int(self.now))
        self.merger.worker_started(self.last_id)

    @rule(step=st.floats(0.1, 2.5))
    def time_passes(self, step: float) -> None:
        self.now += step

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), route=st.sampled_from(["/a", "/b"]), fate=st.integers(0, 2))
    def request_comes(self, data: st.DataObject, route: str, fate: int) -> None:
        worker = data.draw(st.sampled_from(sorted(self.workers)))
        counter = self.workers[worker]
        counter.roll(int(self.now))
        counter.count(REQUESTS, route, "safe")
        if fate == 0:
            counter.count(NOT_SELECTED, route, "ratio")
            return
        counter.count(SHADOW_SENT, route)
        if fate == 1:
            counter.count(SHADOW_REQUESTS, route, "2xx")
        else:
            self.in_flight[worker] += 1

    def report(self, worker: int) -> None:
        report = self.workers[worker].report(self.in_flight[worker], 0)
        for second, counts, _ in report.seconds:
            for key, number in counts.items():
                self.handed_over[second, key] += number
        self.handed_open[worker] = (report.through + 1, report.open_counts)
        self.merger.worker_reported(worker, report)

    def end(self, worker: int, is_clean: bool) -> None:
        second, counts = self.handed_open.pop(worker, (0, {}))
        for key, number in counts.items():
            self.handed_over[second, key] += number
        self.merger.worker_ended(worker, int(self.now), is_clean)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def worker_reports(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.workers)))
        self.workers[worker].roll(int(self.now))
        self.report(worker)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), is_clean=st.booleans())
    def worker_ends(self, data: st.DataObject, is_clean: bool) -> None:
        worker = data.draw(st.sampled_from(sorted(self.workers)))
        if is_clean:
            lost = self.in_flight.pop(worker, 0)
            if lost:
                self.workers[worker].count(SHADOW_REQUESTS, "/a", "aborted", lost)
            self.workers[worker].roll(self.workers[worker].second + 1)
            self.report(worker)
        self.end(worker, is_clean)
        del self.workers[worker]
        self.in_flight.pop(worker, None)

    @rule()
    def sinks_are_fed(self) -> None:
        self.take(self.merger.settle(self.now))

    def take(self, seconds: list[Settled]) -> None:
        for item in seconds:
            if not item.is_late:
                assert item.second == self.next_second, "a hole, or a second settled twice"
                self.next_second += 1
            for key, number in item.counts.items():
                self.settled[item.second, key] += number
            self.rps[item.second] = item.rps

    @invariant()
    def open_second_is_not_settled(self) -> None:
        assert self.next_second <= int(self.now)

    @invariant()
    def ledger_balances(self) -> None:
        assert self.merger.status()["balanced"]

    def teardown(self) -> None:
        for worker in list(self.workers):
            self.report(worker)
            self.end(worker, is_clean=True)
        self.take(self.merger.finish(self.now))
        self.take(self.merger.settle(self.now + 10))
        settled = Counter({k: n for k, n in self.settled.items() if k[1][2] != WORKER_LOST})
        assert settled == self.handed_over
        for second, rps in self.rps.items():
            expected: Counter[str] = Counter()
            for (at, (metric, route, _)), number in settled.items():
                if at == second and metric == REQUESTS:
                    expected[route] += number
            assert rps == expected


AnyInterleaving.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestAnyInterleaving: Any = AnyInterleaving.TestCase


# --- pairs ---

ANSWERED = Answer(200, "2xx", 1000, 10)
MISSED = Answer(404, "4xx", 2000, 0, True)
CUT = Answer(0, "aborted")
REQUEST = b"GET /a HTTP/1.1\r\nHost: h\r\nX-Id: 9f\r\n\r\n"


class PairingWorker:
    """A worker's ledger and pairs, or copies, without its sockets."""

    def __init__(self, merger: Merger, worker_id: int, mode: str) -> None:
        self.worker_id = worker_id
        self._merger = merger
        self._ledger = Ledger(10)
        reader = RequestReader("X-Id", Redactor((), ()))
        self._examples = Examples(reader)
        self._pairs = Pairs(self._ledger, self._examples) if mode == "inline" else None
        self._copies = Copies(self._ledger, reader) if mode == "sink" else None
        self._open: list[Pair] = []
        """Pairs whose shadow leg is in flight."""
        self._unanswered: list[Pair] = []
        """Pairs whose primary has not ended."""
        merger.worker_started(worker_id)

    def send(self) -> None:
        pair = Pair("/a")
        self._ledger.count(ledger.SHADOW_SENT, "/a")
        self._open.append(pair)
        self._unanswered.append(pair)

    def end_leg(self, answer: Answer, is_extra: bool = False) -> None:
        if not self._open:
            return
        pair = self._open.pop(0)
        self._ledger.count(ledger.SHADOW_REQUESTS, "/a", answer.outcome)
        if self._pairs is not None:
            if is_extra:
                self._pairs.extra_ended("/a")
            else:
                self._pairs.shadow_ended(pair, answer, REQUEST)
        elif self._copies is not None:
            if is_extra:
                self._copies.extra_ended("/a")
            else:
                self._copies.shadow_ended("/a", answer, REQUEST)

    def end_primary(self, answer: Answer) -> None:
        if self._unanswered:
            pair = self._unanswered.pop(0)
            if self._pairs is not None:
                self._pairs.primary_ended(pair, answer, REQUEST)

    def report(self) -> None:
        report = self._ledger.report(len(self._open), 0)
        if self._pairs is not None:
            examples, not_kept = self._examples.take()
            report.comparison = Piece(self._pairs.waiting, [], examples, not_kept)
        elif self._copies is not None:
            report.comparison = Piece(0, self._copies.take())
        self._merger.worker_reported(self.worker_id, report)

    def drain(self) -> None:
        """End as on SIGTERM: what is in flight is cut, then the last report is sent."""
        while self._unanswered:
            self.end_primary(CUT)
        while self._open:
            self.end_leg(CUT)
        self.report()
        self._merger.worker_ended(self.worker_id, 11, is_clean=True)

    def die(self) -> None:
        self._merger.worker_ended(self.worker_id, 11, is_clean=False)


class Window:
    """Copies that wait for their lines, which the test sends, in a ledger of its own."""

    def __init__(self) -> None:
        self._ledger = Ledger(10)
        self.copies: list[Copy] = []

    def add(self, copies: list[Copy]) -> None:
        self.copies += copies

    def line(self, primary: Answer) -> None:
        if self.copies:
            copy = self.copies.pop(0)
            count_pair(self._ledger, copy.route, primary, copy.shadow)

    def expire(self) -> None:
        if self.copies:
            self._ledger.count(ledger.UNCOMPARED, self.copies.pop(0).route, "no_log_line")

    def report(self) -> Report:
        report = self._ledger.report(0, 0)
        report.comparison = Piece(len(self.copies))
        return report


@pytest.mark.parametrize("seed", range(8))
def test_every_ended_leg_is_compared_uncompared_or_waiting(seed: int) -> None:
    """Plays legs, answers, reports, kills and reloads in a random order."""
    chance = random.Random(seed)
    window = Window()
    merger = Merger(10, None, window.add)
    merger.comparison.switch(True, 0)
    mode = "inline" if seed % 2 else "sink"
    workers = [PairingWorker(merger, 1, mode), PairingWorker(merger, 2, mode)]
    next_id = 3
    for _ in range(600):
        worker = chance.choice(workers)
        answer = chance.choice((ANSWERED, MISSED, ANSWERED, CUT))
        match chance.randrange(10):
            case 0 | 1 | 2:
                worker.send()
            case 3 | 4:
                worker.end_leg(answer, is_extra=chance.random() < 0.1)
            case 5 | 6:
                worker.end_primary(answer)
            case 7:
                window.line(ANSWERED)
                window.expire()
            case 8:
                worker.report()
            case 9 if chance.random() < 0.2:
                workers.remove(worker)
                chance.choice((worker.die, worker.drain))()
                # A reload may switch the comparison off, and the mode may change.
                mode = chance.choice(("inline", "sink", "off", mode))
                workers.append(PairingWorker(merger, next_id, mode))
                next_id += 1
        merger.supervisor_counted(window.report())
        status = merger.comparison_status(None)
        assert status is not None and status["balanced"], status
        sums = merger.totals(), merger.latencies
        document = merger.comparison.document(sums, None, ("edge", mode), 12)
        assert document is not None and decode(to_json(document)) == document
    for worker in workers:
        chance.choice((worker.die, worker.drain))()
    while window.copies:
        window.expire()
    merger.supervisor_counted(window.report())
    status = merger.comparison_status(None)
    assert status is not None and status["balanced"] and not status["waiting"]
    assert status["compared"] > 3 and len(status["uncompared"]) > 2


def test_a_lost_worker_takes_its_pairs_along_and_they_are_counted() -> None:
    merger = Merger(10)
    merger.comparison.switch(True, 0)
    worker = PairingWorker(merger, 1, "inline")
    for _ in range(3):
        worker.send()
    worker.end_leg(ANSWERED)
    worker.report()
    worker.end_primary(ANSWERED)  # this comes in no report
    worker.die()
    status = merger.comparison_status(None)
    assert status is not None and status["balanced"]
    assert status["uncompared"] == {"primary_aborted": 1, "shadow_aborted": 2}
    settled = {each.second: each.counts for each in merger.settle(20)}
    assert settled[11]["uncompared", "other", "shadow_aborted"] == 2


def test_only_seconds_with_pairs_are_time_with_pairs() -> None:
    merger = Merger(10)
    merger.comparison.switch(True, 0)
    for second, metric in ((12, "compared"), (33, "uncompared"), (34, "compared.classes")):
        report = Report(second, [(second, {(metric, "/", "same"): 1}, {})], {}, {}, 0, 0)
        merger.supervisor_counted(report)
    merger.settle(40)
    document = merger.comparison.document(({}, {}), None, ("edge", "sink"), 40)
    assert document is not None and document.pairs_s == 10


def test_the_last_second_with_a_new_error_is_known() -> None:
    merger = Merger(10)
    merger.comparison.switch(True, 0)
    for second, result in ((12, "route_miss"), (13, "app_error"), (14, "same")):
        counts: Counts = {("compared", "/", result): 1}
        merger.supervisor_counted(Report(second, [(second, counts, {})], counts, 0, 0))
    merger.settle(40)
    status = merger.comparison_status(None)
    assert status is not None and status["last_new_error_s"] == 13

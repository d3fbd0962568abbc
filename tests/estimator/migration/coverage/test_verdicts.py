"""Checks when a request that production served is lost."""

from dataclasses import replace

import pytest

from estimator.migration.coverage.verdicts import (
    Served,
    Split,
    Verdict,
    is_elsewhere,
    is_other_service,
    judge,
    served,
)
from estimator.routing.decision import Decision, Outcome
from estimator.routing.rules import Destination

EVERY_ANSWER = Served(answered=10, redirected=4, refused=2, unrecorded=1)


def forwarded(host: str = "web.shop") -> Decision:
    return Decision(Outcome.FORWARDED, destinations=(Destination(host),))


def test_statuses_are_answers_redirects_and_refusals() -> None:
    statuses = {101: 1, 200: 5, 304: 4, 301: 3, 308: 1, 404: 1, 503: 1}
    assert served(17, statuses) == EVERY_ANSWER
    assert EVERY_ANSWER.counted == 15


def test_a_request_without_a_status_counts_as_served() -> None:
    assert served(7, {}) == Served(0, 0, 0, unrecorded=7)


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        (forwarded(), Split(15, 0, Verdict.ROUTED)),
        (Decision(Outcome.REJECTED, status=404), Split(0, 15, Verdict.REJECTED)),
        (Decision(Outcome.REDIRECTED, status=301), Split(4, 11, Verdict.ELSEWHERE)),
        (Decision(Outcome.ANSWERED, status=200), Split(4, 11, Verdict.ELSEWHERE)),
        (Decision(Outcome.ANSWERED, status=403), Split(0, 15, Verdict.ELSEWHERE)),
    ],
)
def test_what_is_lost(decision: Decision, expected: Split) -> None:
    assert judge(decision, EVERY_ANSWER) == expected


def test_nothing_is_lost_of_what_production_refused() -> None:
    refused = served(3, {404: 2, 500: 1})
    assert judge(Decision(Outcome.REJECTED), refused) == Split(0, 0, Verdict.ROUTED)


def test_another_service_is_elsewhere() -> None:
    before = forwarded("web.shop")
    other = forwarded("api.shop")
    assert judge(forwarded("web.shop"), EVERY_ANSWER, before) == Split(15, 0, Verdict.ROUTED)
    assert judge(other, EVERY_ANSWER, before) == Split(0, 15, Verdict.ELSEWHERE)
    assert judge(other, EVERY_ANSWER, Decision(Outcome.REDIRECTED)).lost == 0
    assert is_other_service(before, other)


def test_a_redirect_of_today_is_none_that_is_new() -> None:
    redirect = Decision(Outcome.REDIRECTED, status=301)
    unrecorded = served(7, {})
    assert judge(redirect, unrecorded).lost == 7
    assert judge(redirect, unrecorded, redirect).lost == 0
    assert judge(redirect, served(7, {200: 7}), redirect).lost == 7


def test_undecided_is_decided_where_all_candidates_mean_the_same() -> None:
    two = Decision(Outcome.UNDECIDED, candidates=(forwarded("a.b"), forwarded("c.d")))
    assert judge(two, EVERY_ANSWER).verdict is Verdict.ROUTED
    lost = Decision(Outcome.UNDECIDED, candidates=(forwarded(), Decision(Outcome.REJECTED)))
    assert judge(lost, EVERY_ANSWER) == Split(0, 15, Verdict.UNDECIDED)


def test_lost_in_any_event_is_lost() -> None:
    redirected = Decision(Outcome.REDIRECTED, status=301)
    either = Decision(Outcome.UNDECIDED, candidates=(redirected, Decision(Outcome.REJECTED)))
    assert judge(either, Served(3, 0, 0, 0)) == Split(0, 3, Verdict.REJECTED)
    assert judge(either, EVERY_ANSWER).verdict is Verdict.UNDECIDED


def test_another_known_port_is_another_service() -> None:
    def to(port: int | None) -> Decision:
        return Decision(Outcome.FORWARDED, destinations=(Destination("web.shop", port),))

    assert is_other_service(to(80), to(8080))
    assert not is_other_service(to(80), to(None))


def test_another_path_is_elsewhere_where_both_are_known() -> None:
    def with_target(target: str) -> Decision:
        return replace(forwarded(), target=target)

    assert is_elsewhere(with_target("/a"), with_target("/b"))
    assert not is_elsewhere(with_target("/a"), with_target(""))
    assert not is_elsewhere(with_target("//a"), with_target("/a"))

"""Checks the sums of an answer."""

from estimator.migration.coverage.result import Allowed, Coverage, Group, Undecided
from estimator.migration.coverage.verdicts import Verdict
from estimator.routing.decision import Decision, Outcome

REJECTED = Decision(Outcome.REJECTED, status=404)


def group(verdict: Verdict, count: int, statuses: dict[int, int]) -> Group:
    return Group("a.example", "/x", verdict, count, None, (), statuses, "/x", REJECTED)


def coverage(served: int) -> Coverage:
    groups = (
        group(Verdict.REJECTED, 5, {200: 5}),
        group(Verdict.REJECTED, 1, {}),
        group(Verdict.REJECTED, 1, {404: 3}),
        group(Verdict.ELSEWHERE, 3, {200: 3}),
    )
    undecided = (Undecided(("port",), 10, "/x", ()),)
    return Coverage(
        *("a log", None, served, 2, 0, groups, undecided, (), (), 1, (), (), {}, {}, (), ())
    )


def test_requests_are_added_up_by_what_becomes_of_them() -> None:
    answer = coverage(100)
    counts = [answer.count_of(verdict) for verdict in (Verdict.REJECTED, Verdict.ELSEWHERE)]
    assert (counts, answer.undecided_count) == ([7, 3], 10)
    assert (answer.lost_count, answer.lost_ratio, answer.undecided_ratio) == (10, 0.1, 0.1)


def test_only_what_production_is_known_to_have_served_is_unknown_to_the_routes() -> None:
    assert coverage(100).unknown == coverage(100).lost[:1]


def test_no_requests_are_no_share() -> None:
    assert (coverage(0).lost_ratio, coverage(0).undecided_ratio) == (0.0, 0.0)


def test_what_is_allowed_is_a_share() -> None:
    answer = coverage(100)
    assert answer.is_lossy(Allowed()) and answer.is_lossy(Allowed(lost=0.0999))
    assert not answer.is_lossy(Allowed(lost=0.1))

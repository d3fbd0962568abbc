"""Checks that requests are added up completely, in whatever number and parts they come."""

import pickle
import random

import pytest

from estimator.requests import sums as sums_module
from estimator.requests.sums import Extra, Key, Sums


def key(target: str, method: str = "GET") -> Key:
    return ("a.example", method, target, None)


def added(targets: list[str], sums: Sums | None = None) -> Sums:
    sums = sums or Sums()
    for second, target in enumerate(targets):
        sums.sum_of(key(target)).add(float(second), 200)
    return sums


def counts(sums: Sums) -> dict[str, int]:
    return {key[2]: found.count for key, found in sums.all()}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums_module, "MOST_TARGETS", 2)
    monkeypatch.setattr(sums_module, "MOST_SHAPES", 2)


def test_equal_requests_are_added_up() -> None:
    sums = added(["/a", "/b", "/a"])
    sums.sum_of(key("/a", "HEAD")).add(1.5, 404)
    sums.sum_of(key("/a")).add(9.5, None)
    first = sums.of_targets[key("/a")]
    assert (first.count, first.first_s, first.last_s) == (3, 0, 9.5)
    assert first.statuses == {200: 2}
    assert sums.of_targets[key("/a", "HEAD")].statuses == {404: 1}


@pytest.mark.usefixtures("few")
def test_further_targets_are_added_up_by_shape() -> None:
    sums = added(["/i/1", "/i/2", "/i/3", "/i/4?x=1", "/i/5?x=2", "/i/1", "/i/3", "/other"])
    assert counts(sums) == {"/i/1": 2, "/i/2": 1, "/i/3": 2, "/i/4?x=1": 2}
    assert sums.beyond.count == 1
    assert [found.is_sample for _, found in sums.all()] == [False, False, False, True]
    assert sums.targets_of_shapes == 3


@pytest.mark.usefixtures("few")
def test_parameters_that_decide_keep_their_values() -> None:
    sums = added(["/1", "/2", "/a?v=1&x=1", "/a?x=2&v=1", "/a?v=2"], Sums(frozenset({"v"})))
    assert counts(sums) == {"/1": 1, "/2": 1, "/a?v=1&x=1": 2, "/a?v=2": 1}


@pytest.mark.usefixtures("few")
def test_parts_add_up_to_the_whole() -> None:
    chance = random.Random(1)
    targets = [f"/{chance.choice('abc')}/{chance.randrange(9)}" for _ in range(200)]
    whole = Sums()
    for start in range(0, 200, 20):
        part = added(targets[start : start + 20])
        whole.merge(pickle.loads(pickle.dumps(part)))
    assert sum(counts(whole).values()) + whole.beyond.count == whole.count == 200
    assert whole.targets_of_shapes <= 27
    assert {found.last_s for _, found in whole.all()} <= set(map(float, range(20)))
    assert all(found.statuses == {200: found.count} for _, found in whole.all())


def test_a_full_directory_has_any_further_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums_module, "MOST_TARGETS", 0)
    monkeypatch.setattr(sums_module, "MOST_CHILDREN", 3)
    names = [f"/title/{name}/photos" for name in "abcdefg"]
    pages = ["/title/a/x", "/title/a/photos", "/other", "*", "/a?x=1", "/a?y=1", "/a?z=1", "/a?w=1"]
    sums = added([*names, *pages])
    assert counts(sums) == {
        "/title/a/photos": 2,
        "/title/b/photos": 1,
        "/title/c/photos": 1,
        "/title/d/photos": 4,
        "/title/a/x": 1,
        "/other": 1,
        "*": 1,
        "/a?x=1": 1,
        "/a?y=1": 1,
        "/a?z=1": 1,
        "/a?w=1": 1,
    }
    assert {found.target for _, found in sums.all() if found.is_sample} == {"/title/d/photos"}
    assert ("a.example", "GET", "/title/{any}/photos", None) in sums.of_shapes


@pytest.mark.usefixtures("few")
def test_what_is_beyond_all_shapes_adds_up() -> None:
    whole = Sums()
    for _ in range(3):
        part = Sums()
        for host in "abcdef":
            part.sum_of((host, "GET", "/", None)).add(1.0, None)
        assert part.beyond.count == 2
        whole.merge(part)
    assert (whole.beyond.count, whole.count) == (6, 18)


def test_parts_fill_a_directory_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums_module, "MOST_TARGETS", 0)
    monkeypatch.setattr(sums_module, "MOST_CHILDREN", 2)
    whole = added(["/t/a", "/t/b"])
    whole.merge(added(["/t/c", "/t/d"]))
    assert counts(whole) == {"/t/a": 1, "/t/b": 1, "/t/c": 2}
    assert [found.is_sample for _, found in whole.all()] == [False, False, True]


def test_deep_and_long_targets_stay_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums_module, "MOST_TARGETS", 0)
    sums = added(["/a" * 4000, "/a" * 3000, "/a" * 16])
    assert [found.count for _, found in sums.all()] == [2, 1]
    monkeypatch.setattr(sums_module, "MOST_TARGETS", 9)
    monkeypatch.setattr(sums_module, "MOST_BYTES", 40)
    sums = added(["/0123456789", "/b", "/c", "/0123456789", "/long", "/longer", "/new"])
    assert counts(sums) == {"/0123456789": 2, "/b": 1, "/c": 1, "/long": 1, "/longer": 1}
    assert sums.beyond.count == 1
    long = Extra((("x", "v" * 40),))
    sums = Sums()
    for target in ("/a", "/b"):
        sums.sum_of(("a", "GET", target, long)).add(1.0, None)
    assert (len(sums.of_targets), len(sums.of_shapes)) == (1, 1)
    monkeypatch.setattr(sums_module, "MOST_TARGETS", 0)
    monkeypatch.setattr(sums_module, "MOST_BYTES", 10)
    assert counts(added(["/l/o/n/g", "/l/o/n/h"])) == {"/l/o/n/g": 2}


def test_many_targets_are_counted_within_two_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums_module, "MOST_TARGETS", 0)
    sums = added([f"/item/{number}" for number in range(20_000)])
    assert len(sums.of_shapes) == 1
    assert sums.targets_of_shapes == pytest.approx(20_000, rel=0.02)

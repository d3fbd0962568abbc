from pathlib import Path

import numpy as np
import pytest

from estimator.errors import InputError, Refused
from estimator.series.hosts import read_hosts, sum_of
from estimator.series.rps import RpsSeries

GAP = np.nan


def host(name: str, start: int, rps: dict[str, list[float]], step_s: int = 1) -> RpsSeries:
    return RpsSeries(name, start, step_s, tuple(rps), np.array(list(rps.values())))


def test_hosts_are_added_up_second_by_second() -> None:
    a = host("a", 10, {"/x": [1, 2, 3, 4], "other": [GAP, 5, GAP, GAP]})
    b = host("b", 11, {"/x": [10, 20, 30, 40], "/y": [7, 7, 7, 7]})
    total = sum_of([a, b])
    assert (total.start, total.routes, total.source) == (
        10,
        ("/x", "/y", "other"),
        "the sum of a; b",
    )
    np.testing.assert_array_equal(
        total.rps,
        [[GAP, 12, 23, 34, GAP], [GAP, 7, 7, 7, GAP], [GAP, 5, 0, 0, GAP]],
    )
    assert total.repairs == ("2 s that not all 2 files have left out as gaps",)


def test_a_second_that_one_host_lacks_is_a_gap() -> None:
    a = host("a", 0, {"/x": [1, GAP, 3]})
    total = sum_of([a, host("b", 0, {"/x": [1, 1, 1]}), host("c", 0, {"/x": [5, 5, 5]})])
    np.testing.assert_array_equal(total.rps, [[7, GAP, 9]])
    assert total.completeness_ratio == pytest.approx(2 / 3)


def test_no_second_of_all_files_is_refused() -> None:
    with pytest.raises(Refused, match=r"a; b: have no second in common.* have to be one file"):
        sum_of([host("a", 0, {"/x": [1]}), host("b", 1, {"/x": [1]})])


def test_different_resolutions_are_refused() -> None:
    with pytest.raises(Refused, match="a one value each 1 s, b one value each 60 s"):
        sum_of([host("a", 0, {"/x": [1]}), host("b", 0, {"/x": [1]}, 60)])


def test_what_was_wrong_with_a_file_names_it() -> None:
    a = RpsSeries("a", 0, 1, ("/x",), np.ones((1, 1)), None, ("mean",), ("r",), ("w",), ("d",))
    b = RpsSeries("b", 0, 1, ("/x",), np.ones((1, 1)), None, ("mean",))
    total = sum_of([a, b])
    assert (total.caveats, total.repairs) == (("mean",), ("a: r",))
    assert (total.warnings, total.doubts) == (("a: w",), ("a: d",))


def test_one_file_is_itself_and_none_counts_twice(tmp_path: Path) -> None:
    only = host("a", 0, {"/x": [1]})
    assert read_hosts([tmp_path], lambda _: only) is only
    (tmp_path / "a").touch()
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(InputError, match=f"b: is the same file as {tmp_path}/a"):
        read_hosts([tmp_path / "a", tmp_path / "b"], lambda _: only)

"""Checks the options of access logs; test_sources reads logs with them."""

from pathlib import Path

import pytest

from estimator.errors import InputError
from estimator.series.access_log.files import files_of, problem_of, route_table
from mirror.formats.access_log.line_reader import Reading


def test_patterns_stand_for_files(tmp_path: Path) -> None:
    for name in ("b.log", "a.log", "odd[1].log"):
        (tmp_path / name).touch()
    pattern = str(tmp_path / "?.log")
    assert files_of((pattern, "-")) == [str(tmp_path / "a.log"), str(tmp_path / "b.log"), "-"]
    assert files_of((str(tmp_path / "odd[1].log"),)) == [str(tmp_path / "odd[1].log")]
    with pytest.raises(InputError, match="no such file"):
        files_of((str(tmp_path / "none*"),))


def test_routes_of_options_come_before_those_of_the_table() -> None:
    assert route_table(("/api/*",), None, ("/watch/{id}",)).tags == ("/api/_", "other")
    assert route_table((), None, ("/a", "*", "/a", "other")).tags == ("/a", "other")


def test_wrong_options_are_problems() -> None:
    assert [*problem_of(Reading(fields="time=ts", zone="UTC"))] == []
    (problem,) = problem_of(Reading(zone="Mars/City"))
    assert "expected UTC" in str(problem)

"""Checks that each route tag is one observation, and that the rest is said."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from estimator.errors import InputError, Refused
from estimator.requests.series import observe_series
from mirror.formats.series_db import SCHEMA

SECONDS = "INSERT INTO seconds VALUES (100), (101), (103);"
COUNTS = """
INSERT INTO counts VALUES
    (100, 'requests', '/watch/_id_', 'safe', 7), (100, 'requests', '/watch/_id_', 'unsafe', 2),
    (103, 'requests', '/watch/_id_', 'safe', 4), (101, 'requests', '/about', 'safe', 3),
    (103, 'shadow.requests', '/about', '2xx', 400)
"""
OTHER = ", (100, 'requests', 'other', 'safe', 5)"


def write(path: Path, sql: str) -> Path:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(SCHEMA + SECONDS + sql)
    return path


def test_each_tag_is_one_observation(tmp_path: Path) -> None:
    found = observe_series([write(tmp_path / "series.db", COUNTS + OTHER)])
    assert [
        (item.request.target, item.count, item.first_s, item.last_s, item.is_sample)
        for item in found.items
    ] == [("/watch/1", 13, 100, 103, True), ("/about", 3, 101, 101, False)]
    request = found.items[0].request
    assert (request.authority, request.method, request.headers) == ("", "", None)
    assert (found.count, found.seconds) == (16, (100, 103))
    assert found.source == f"series file {tmp_path}/series.db"


def test_only_whole_templates_can_be_judged(tmp_path: Path) -> None:
    found = observe_series([write(tmp_path / "series.db", COUNTS)])
    assert found.left_out == {}
    (doubt,) = found.doubts
    assert doubt.startswith("a series holds route tags only")


def test_requests_of_other_routes_are_counted(tmp_path: Path) -> None:
    found = observe_series([write(tmp_path / "series.db", COUNTS + OTHER)])
    assert list(found.left_out.values()) == [5]
    assert found.doubts[1].startswith("5 requests of the route `other`")
    only_other = "INSERT INTO counts VALUES (100, 'requests', 'other', 'safe', 5)"
    with pytest.raises(Refused, match="holds no request beside 5 of the route `other`"):
        observe_series([write(tmp_path / "other.db", only_other)])


def test_the_files_of_several_hosts_are_added_up(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, COUNTS) for name in ("a.db", "b.db")]
    assert [item.count for item in observe_series(paths).items] == [26, 6]


def test_what_is_no_series_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("nothing")
    with pytest.raises(InputError, match=r"a\.db"):
        observe_series([tmp_path / "a.db"])

"""Checks what is read from the sidecars' series and captures."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from mirror.audit.ids import CAPTURE, IdStore
from mirror.audit.sidecar import common_span, read_captured, read_counts, read_seen
from mirror.audit.window import Seconds
from mirror.errors import InputError
from mirror.formats.series_db import SCHEMA
from tests.mirror.audit.world import FIRST, LENGTH_S, PER_SECOND, WINDOW, World


def test_two_sidecars_add_up_where_both_observed(tmp_path: Path) -> None:
    paths = []
    for name, unobserved in (("a", FIRST + 100), ("b", FIRST + 200)):
        folder = tmp_path / name
        folder.mkdir()
        World(folder, unobserved={unobserved}).sources()
        paths.append(folder / "series.db")
    seconds = Seconds(WINDOW)
    sidecars = read_seen(paths, seconds)
    read_counts(paths, seconds, sidecars)
    assert sidecars.unobserved_s == 2
    judged_s = LENGTH_S - 2 * 5
    assert sum(seconds.judged) == judged_s
    assert sum(seconds.seen) == 2 * LENGTH_S * PER_SECOND
    assert sidecars.total("requests") == 2 * judged_s * PER_SECOND
    assert sidecars.labels("shadow.requests") == {"2xx": 2 * judged_s * PER_SECOND}
    assert sidecars.total("shadow") == 0
    assert common_span(paths) == (FIRST - 30, FIRST + LENGTH_S + 29)


def test_mistakes_count_in_seconds_that_are_not_judged(tmp_path: Path) -> None:
    further = Counter({"repeated": 3, "looped": 2, "shed buffer_full": 5})
    world = World(tmp_path, unobserved={FIRST + LENGTH_S // 2}, further=further)
    world.sources()
    seconds = Seconds(WINDOW)
    paths = [tmp_path / "series.db"]
    sidecars = read_seen(paths, seconds)
    read_counts(paths, seconds, sidecars)
    assert [sidecars.total(name) for name in ("repeated", "looped", "shed")] == [3, 2, 0]


def test_the_ids_of_a_capture_are_kept(tmp_path: Path) -> None:
    World(tmp_path).sources()
    with IdStore() as ids:
        assert read_captured([tmp_path / "a.capture"], WINDOW, ids) == LENGTH_S * PER_SECOND
        assert ids.numbers[CAPTURE] == LENGTH_S * PER_SECOND


@pytest.mark.parametrize("content", [None, b"no database, but long enough to be read as one" * 9])
def test_what_is_no_series_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="--series"):
        read_seen([path], Seconds(WINDOW))


def test_a_second_that_is_no_whole_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(SCHEMA)
        database.execute("INSERT INTO counts VALUES (?, 'requests', 'a', 'b', 1)", (FIRST + 0.5,))
        database.commit()
    with pytest.raises(InputError, match="seconds that are whole numbers"):
        read_seen([path], Seconds(WINDOW))


def test_a_damaged_number_and_an_empty_series_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(SCHEMA)
        database.execute("INSERT INTO counts VALUES (?, 'requests', 'a', 'b', -1)", (FIRST,))
        database.commit()
    with pytest.raises(InputError, match="whole numbers"):
        read_seen([path], Seconds(WINDOW))
    with pytest.raises(InputError, match="no second"):
        common_span([path])

"""Checks what is read of a series.db: the pairs of a span, and what is refused."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mirror.comparison.report.judgement import Thresholds, judge
from mirror.comparison.report.parts import add_up
from mirror.comparison.report.series_part import Span, part_of_series, refuse_same_sidecar
from mirror.errors import InputError
from mirror.formats.series_db import SCHEMA

Row = tuple[int, str, object, object, object]
COUNTS: tuple[Row, ...] = (
    (6000, "compared", "/a", "same", 7),
    (6001, "compared", "/a", "route_miss", 2),
    (6001, "compared.classes", "/a", "2xx>2xx", 7),
    (6001, "compared.classes", "/a", "2xx>4xx", 2),
    (6001, "uncompared", "/a", "no_log_line", 1),
    (6059, "compared", "/b", "same", 3),
    (6060, "compared", "/b", "same", 30),
    (6119, "compared", "/b", "same", 300),
    (6001, "requests", "/c", "safe", 99),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "series.db"


def series(path: Path, *counts: Row) -> Path:
    """Make a series.db of two observed minutes, from second 6000 on."""
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(SCHEMA)
        database.executemany("INSERT INTO seconds VALUES (?)", [(n,) for n in range(6000, 6120)])
        database.executemany("INSERT INTO counts VALUES (?, ?, ?, ?, ?)", counts)
    return path


def test_all_pairs_are_read(path: Path) -> None:
    part = part_of_series(series(path, *COUNTS), Span())
    assert (part.first_s, part.last_s, part.instance) == (6000, 6119, "")
    assert sorted(part.routes) == ["/a", "/b"]
    pairs = part.routes["/a"]
    assert pairs.results == {"same": 7, "route_miss": 2}
    assert pairs.classes == {"2xx>2xx": 7, "2xx>4xx": 2}
    assert pairs.uncompared == {"no_log_line": 1}
    assert part.routes["/b"].number == 333


def test_time_without_pairs_does_not_count(path: Path) -> None:
    made = series(path, *COUNTS)
    assert part_of_series(made, Span()).pairs_s == 40
    assert part_of_series(made, Span(until_s=6059)).pairs_s == 20


def with_histograms(path: Path, *rows: tuple[object, object, object, object]) -> Path:
    series(path, *COUNTS)
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany("INSERT INTO histograms VALUES (?, ?, ?, ?)", rows)
    return path


def test_latencies_of_minutes_add_up(path: Path) -> None:
    shadow = "compared.shadow.latency"
    rows = (
        (6000, shadow, "/a", '{"7":1,"300":2}'),
        (6060, shadow, "/a", '{"7":4}'),
        (6000, "compared.primary.latency", "/a", '{"5":3}'),
        (5940, shadow, "/a", '{"7":100}'),
    )
    pairs = part_of_series(with_histograms(path, *rows), Span()).routes["/a"]
    assert pairs.shadow == {7: 5, 300: 2} and pairs.primary == {5: 3}
    last = part_of_series(path, Span(last_s=60)).routes["/a"]
    assert last.shadow == {7: 4} and last.primary == {}


@pytest.mark.parametrize(
    ("minutes", "span", "pending"),
    [
        ((6000,), Span(), 330),
        ((6000, 6060), Span(), 0),
        ((6000,), Span(until_s=6059), 0),
        ((), Span(), 342),
        ((), Span(until_s=6059), 12),
        (("no",), Span(), 342),
    ],
)
def test_the_pairs_of_the_open_minute_have_no_latency_yet(
    path: Path, minutes: tuple[object, ...], span: Span, pending: int
) -> None:
    rows = ((minute, "compared.shadow.latency", "/b", "{}") for minute in minutes)
    assert part_of_series(with_histograms(path, *rows), span).pairs_without_latency == pending


def test_a_log_without_latencies_is_no_open_minute(path: Path) -> None:
    with_histograms(path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("INSERT INTO seconds VALUES (6120)")
    assert part_of_series(path, Span()).pairs_without_latency == 0


def test_a_series_from_before_has_no_latencies(path: Path) -> None:
    series(path, *COUNTS)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE histograms")
    part = part_of_series(path, Span())
    assert part.routes["/a"].shadow == {} and part.pairs_without_latency == 0


@pytest.mark.parametrize(
    "text", ['{"x":1}', '{"10000":1}', '{"-1":1}', '{"7":"a"}', '{"7":-1}', "no"]
)
def test_latencies_that_no_sidecar_writes_are_refused(path: Path, text: str) -> None:
    with_histograms(path, (6000, "compared.shadow.latency", "/a", text))
    with pytest.raises(InputError):
        part_of_series(path, Span())


def test_what_was_given_up_at_the_stop_is_read(path: Path) -> None:
    # Second 6120 is not observed to its end.
    of_stop = (6120, "uncompared", "/a", "no_log_line", 4)
    part = part_of_series(series(path, *COUNTS, of_stop), Span())
    assert (part.last_s, part.routes["/a"].uncompared) == (6119, {"no_log_line": 5})
    until = part_of_series(series(path.with_name("b.db"), *COUNTS, of_stop), Span(until_s=6100))
    assert until.routes["/a"].uncompared == {"no_log_line": 1}


@pytest.mark.parametrize(
    ("span", "bounds"),
    [
        (Span(from_s=6059.5), (6000, 6119)),
        (Span(from_s=6060), (6060, 6119)),
        (Span(until_s=6059.9), (6000, 6059)),
        (Span(until_s=6060), (6000, 6119)),
        (Span(last_s=60), (6060, 6119)),
        (Span(last_s=61), (6000, 6119)),
        (Span(from_s=0, until_s=1e11), (6000, 6119)),
    ],
)
def test_a_span_is_widened_to_whole_minutes(
    path: Path, span: Span, bounds: tuple[int, int]
) -> None:
    part = part_of_series(series(path, *COUNTS), span)
    assert (part.first_s, part.last_s) == bounds
    expected = sum(
        row[4]
        for row in COUNTS
        if row[1] == "compared" and row[2] == "/b" and bounds[0] <= row[0] <= bounds[1]
    )  # type: ignore[misc]
    assert part.routes["/b"].number == expected


def test_a_time_that_was_not_observed_has_no_routes(path: Path) -> None:
    assert part_of_series(series(path, *COUNTS), Span(until_s=100)).routes == {}


def test_lost_lines_are_a_doubt(path: Path) -> None:
    lines = (6000, "primary.logged", "other", "", 900)
    made = series(path, *COUNTS, lines, (6000, "log.lost", "other", "flood", 50))
    part = part_of_series(made, Span())
    assert (part.lines, part.lost, part.log) == (900, {"flood": 50}, None)
    judgement = judge(add_up([part]), Thresholds())
    assert f"{path}: 5.26 % of production's log lines (50) were lost" in judgement.doubts


def test_a_gap_of_lines_that_no_copy_lacks_is_no_loss(path: Path) -> None:
    lines = (6000, "primary.logged", "other", "", 900)
    made = series(path, *COUNTS, lines, (6000, "log.lost", "other", "gap", 500))
    doubts = judge(add_up([part_of_series(made, Span())]), Thresholds()).doubts
    assert not any("were lost" in doubt for doubt in doubts)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ((6000, "compared", b"\xff", "same", 1), "expected a route and a label as texts"),
        ((6000, "compared", "/a", b"\xff", 1), "expected a route and a label as texts"),
        ((6000, "compared", "/a", "size", -1), "expected a number of pairs of /a, got -1"),
        ((6000, "compared", "/a", "size", "x"), "expected a number of pairs of /a, got 0.0"),
    ],
)
def test_what_no_sidecar_writes_is_refused(path: Path, row: Row, words: str) -> None:
    series(path, row)
    with pytest.raises(InputError, match=words):
        part_of_series(path, Span())


def test_another_file_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE t (a)")
    with pytest.raises(InputError, match="cannot be read as a series.db: expected the tables"):
        part_of_series(path, Span())


def test_an_empty_series_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(SCHEMA)
    with pytest.raises(InputError, match="holds no second that was observed"):
        part_of_series(path, Span())


PRIMARY, SHADOW = "compared.primary.latency", "compared.shadow.latency"


def with_latencies(path: Path, *rows: tuple[int, str, str, object]) -> Path:
    series(path, *COUNTS)
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany("INSERT INTO histograms VALUES (?, ?, ?, ?)", rows)
    return path


def test_series_without_latencies_may_be_of_two_sidecars(tmp_path: Path) -> None:
    parts = []
    for name in ("one.db", "other.db"):
        path = with_latencies(tmp_path / name, (6000, SHADOW, "/a", "{}"))
        parts.append((path, part_of_series(path, Span())))
    refuse_same_sidecar(parts)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE histograms")
    refuse_same_sidecar(parts)


def test_computed_histograms_are_refused(path: Path) -> None:
    series(path, *COUNTS)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE histograms")
        columns = "minute, metric, route, buckets TEXT AS ('{}')"
        database.execute(f"CREATE TABLE histograms ({columns})")
    with pytest.raises(InputError, match="expected a plain table histograms"):
        part_of_series(path, Span())


ALIKE, FEW, OTHER = '{"100": 20}', '{"100": 19}', '{"100": 19, "101": 1}'


@pytest.mark.parametrize(
    ("rows", "span", "is_refused"),
    [
        ([(6000, SHADOW, "/a", ALIKE), (6060, SHADOW, "/b", FEW)], Span(), True),
        ([(6000, SHADOW, "/a", OTHER), (6060, SHADOW, "/b", ALIKE)], Span(), True),
        ([(6000, SHADOW, "/a", OTHER), (6060, SHADOW, "/b", FEW)], Span(), False),
        ([(6060, SHADOW, "/a", ALIKE)], Span(), False),
        ([(6000, SHADOW, "/a", ALIKE)], Span(from_s=6060), False),
    ],
)
def test_copies_of_one_series_are_refused(
    tmp_path: Path, rows: list[tuple[int, str, str, object]], span: Span, is_refused: bool
) -> None:
    first = (6000, SHADOW, "/a", ALIKE), (6060, SHADOW, "/b", ALIKE), (6060, SHADOW, "/c", ALIKE)
    paths = [with_latencies(tmp_path / "one.db", *first), with_latencies(tmp_path / "b.db", *rows)]
    parts = [(path, part_of_series(path, span)) for path in paths]
    if is_refused:
        with pytest.raises(InputError, match="same latencies in the minute from 1970-01-01 01:4"):
            refuse_same_sidecar(parts)
    else:
        refuse_same_sidecar(parts)

"""Checks how each kind of source is told from the others, and what is said where one is none."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mirror.commands.compare_sources import SWITCH_ON, NotComparedError, read_parts
from mirror.comparison.report.series_part import Span
from mirror.errors import InputError
from mirror.formats.comparison import LIMIT, to_json
from mirror.formats.series_db import SCHEMA
from tests.fakes_admin import admin_port
from tests.mirror.comparison.report.test_parts import document

ANY = Span()


@pytest.mark.parametrize(
    "form", ["127.0.0.1:{}", "http://127.0.0.1:{}/", "127.0.0.1:{}/comparison"]
)
def test_a_running_sidecar_is_asked(form: str) -> None:
    with admin_port(200, to_json(document())) as (port, asked):
        (part,) = read_parts([form.format(port)], ANY)
    assert (part.instance, part.mode, part.routes["/api/_"].number) == ("web-1", "sink", 100)
    assert asked == [("/comparison", b"")]


def test_a_saved_document_is_read(tmp_path: Path) -> None:
    path = tmp_path / "comparison.json"
    path.write_bytes(to_json(document()))
    (part,) = read_parts([str(path)], ANY)
    assert (part.source, part.instance) == (str(path), "web-1")


@pytest.mark.parametrize("mode", ["inline", "sink"])
def test_a_sidecar_that_compares_nothing_says_what_to_write(mode: str) -> None:
    status = json.dumps({"ledger": {}, "mode": mode}).encode()
    pages = {"/status": (200, status)}
    with (
        admin_port(404, b"", pages) as (port, _),
        pytest.raises(NotComparedError, match="the sidecar compares nothing") as missing,
    ):
        read_parts([f"127.0.0.1:{port}"], ANY)
    assert [words in str(missing.value) for words in SWITCH_ON.values()].count(True) == 1
    assert SWITCH_ON[mode] in str(missing.value)


def test_an_older_sidecar_may_be_in_either_mode() -> None:
    with admin_port(404, b"") as (port, _), pytest.raises(NotComparedError) as missing:
        read_parts([f"127.0.0.1:{port}"], ANY)
    assert all(words in str(missing.value) for words in SWITCH_ON.values())


def test_a_sidecar_that_refuses_or_is_not_there_is_no_comparison() -> None:
    with (
        admin_port(403, b'{"error": "only this host"}') as (port, _),
        pytest.raises(NotComparedError, match=r"answered 403 at /comparison: only this host$"),
    ):
        read_parts([f"127.0.0.1:{port}"], ANY)
    with pytest.raises(NotComparedError, match="no sidecar answers on"):
        read_parts([f"127.0.0.1:{port}"], ANY)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"<html>", "expected the JSON that a sidecar serves at /comparison"),
        (b"x" * (LIMIT.most_bytes + 2), "has more than 33,554,432 bytes, which is the limit"),
    ],
    ids=["html", "long"],
)
def test_another_answer_cannot_be_used(answer: bytes, words: str) -> None:
    with admin_port(200, answer) as (port, _), pytest.raises(InputError, match=words):
        read_parts([f"127.0.0.1:{port}"], ANY)


def test_what_is_neither_file_nor_address_says_so() -> None:
    with pytest.raises(InputError, match="there is no such file, and it is no admin address"):
        read_parts(["comparision.json"], ANY)


def test_a_directory_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no regular file"):
        read_parts([str(tmp_path)], ANY)


def series(path: Path, *counts: tuple[int, str, str, str, int]) -> Path:
    """Make a series.db with these counts in its first two minutes."""
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(SCHEMA)
        database.executemany("INSERT INTO seconds VALUES (?)", [(n,) for n in range(6000, 6120)])
        database.executemany("INSERT INTO counts VALUES (?, ?, ?, ?, ?)", counts)
    return path


def test_a_series_is_told_by_its_content(tmp_path: Path) -> None:
    path = series(tmp_path / "any-name", (6001, "compared", "/a", "same", 7))
    (part,) = read_parts([str(path)], ANY)
    assert (part.instance, part.routes["/a"].number) == ("", 7)


def test_one_series_counts_once(tmp_path: Path) -> None:
    path = series(tmp_path / "series.db", (6001, "compared", "/a", "same", 7))
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with pytest.raises(InputError, match="the same file is named twice"):
        read_parts([str(path), str(link)], ANY)


def test_a_copy_of_a_series_is_refused(tmp_path: Path) -> None:
    paths = [tmp_path / "series.db", tmp_path / "copy.db"]
    for path in paths:
        series(path, (6001, "compared", "/a", "same", 20))
        with closing(sqlite3.connect(path)) as database, database:
            row = (6000, "compared.shadow.latency", "/a", '{"100": 20}')
            database.execute("INSERT INTO histograms VALUES (?, ?, ?, ?)", row)
    with pytest.raises(InputError, match="they are of one sidecar"):
        read_parts(map(str, paths), ANY)


def test_a_series_without_pairs_says_what_to_write(tmp_path: Path) -> None:
    path = series(tmp_path / "series.db", (6001, "requests", "/a", "safe", 7))
    with pytest.raises(NotComparedError, match="holds no pair between 1970-01-01 01:40") as missing:
        read_parts([str(path)], ANY)
    assert all(words in str(missing.value) for words in SWITCH_ON.values())


def test_a_span_needs_a_series(tmp_path: Path) -> None:
    path = tmp_path / "comparison.json"
    path.write_bytes(to_json(document()))
    with pytest.raises(InputError, match="--from, --until and --last choose from a series.db"):
        read_parts([str(path)], Span(last_s=60.0))

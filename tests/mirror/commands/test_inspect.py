"""Checks `mirror inspect` on valid, damaged and foreign captures."""

import json
from pathlib import Path

import pytest
import zstandard
from click.testing import CliRunner, Result

from mirror.commands.inspect import inspect
from mirror.formats.capture.record import Record, Summary, encode, encode_header, encode_summary

BEGIN_S = 1767193199.0
SUMMARY = Summary(5, 7, {"queue_full": 2})


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(inspect, list(map(str, arguments)))


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "capture.zst"
    frames = [encode_header() + encode_summary(SUMMARY)]
    frames.append(encode(Record(BEGIN_S, "POST", "a.example", "/\xe9\x9b", (), b"1234")))
    for number in range(10):
        record = Record(BEGIN_S + number**2 / 10, "GET", "a.example", f"/watch/{number}")
        frames.append(encode(record))
    path.write_bytes(b"".join(map(zstandard.ZstdCompressor(write_checksum=True).compress, frames)))
    return path


def test_text_says_all(capture: Path) -> None:
    done = run(capture, "--route", "/watch/{id}")
    assert done.exit_code == 0, done.output
    for expected in (
        "11 requests over 8.1 s, 2025-12-31T14:59:59Z to 2025-12-31T15:00:07Z",
        "highest second 5 at 2025-12-31T14:59:59Z",
        "\u2588",
        "10  90.9%  GET",
        "10  90.9%  /watch/_id_",
        "1, 4 bytes each, largest 4; 0 not kept",
        "dropped queue_full 2; 7 values redacted; 5 requests not sampled",
    ):
        assert expected in done.output, done.output


def test_json_says_the_same(capture: Path) -> None:
    document = json.loads(run(capture, "--json").output)
    assert (document["format"], document["version"]) == ("kagami-overview", 1)
    assert document["requests"] == 11
    assert document["peak"] == {"second": BEGIN_S, "rps": 5}
    assert document["dropped"] == {"queue_full": 2}
    assert document["bodies"]["bytes"] == 4
    assert document["unreadable"] == 0


def test_paths_cannot_drive_the_terminal(capture: Path) -> None:
    assert "/\xe9\\x9b" in run(capture).output


def test_many_names_are_summed_up(capture: Path) -> None:
    assert "in 1 others" in run(capture).output


def test_damaged_capture_is_salvaged(capture: Path) -> None:
    whole = capture.read_bytes()
    capture.write_bytes(whole[:-10])
    done = run(capture)
    assert done.exit_code == 2
    assert f"{capture}: byte " in done.output and "--salvage" in done.output
    done = run(capture, "--salvage")
    assert done.exit_code == 0
    assert "10 requests over" in done.output and "1 places could not be read" in done.output
    assert json.loads(run(capture, "--salvage", "--json").output)["unreadable"] == 1


def test_what_cannot_be_read_is_2(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_bytes(encode_header())
    for path, why in [
        (tmp_path / "none", "no such file"),
        (tmp_path, "without segments"),
        (empty, "no request in it"),
    ]:
        done = run(path, "--salvage")
        assert done.exit_code == 2 and why in done.output
    assert run(empty, "--route", "nope").exit_code == 2

import gzip
import io
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zstandard

from estimator.errors import InputError, Refused
from estimator.series.access_log import counts
from estimator.series.access_log.total import read_access_logs
from estimator.series.access_log.workers import Workers
from estimator.series.rps import RpsSeries
from mirror.formats.access_log import blocks
from mirror.formats.routes import RouteTable

T = 1_700_000_000
NOW = T + 1e6
ROUTES = ["/watch/{id}", "/api/*"]


def combined(second: int, path: str = "/watch/7") -> bytes:
    moment = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(second))
    return f'10.0.0.1 - - [{moment}] "GET {path}?q=1 HTTP/1.1" 200 5 "-" "curl"\n'.encode()


def jsonl(second: float, path: str = "/watch/7", more: str = "") -> bytes:
    return f'{{"time":"{second:.3f}","uri":"{path}"{more}}}\n'.encode()


def read(tmp_path: Path, *contents: bytes) -> RpsSeries:
    names = []
    for number, content in enumerate(contents):
        path = tmp_path / f"log.{number}"
        path.write_bytes(content)
        names.append(str(path))
    return read_access_logs(names, RouteTable(ROUTES), NOW)


def demand(series: RpsSeries) -> list[float]:
    found: list[float] = series.demand("*").tolist()
    return found


def test_seconds_and_routes_are_counted(tmp_path: Path) -> None:
    series = read(
        tmp_path,
        combined(T) * 3
        + combined(T, "/api/x")
        + combined(T + 2, "/none")
        + combined(T + 2, "/api/"),
    )
    assert (series.start, series.resolution_s, series.averaging_s) == (T, 1, None)
    assert series.routes == ("/watch/_id_", "/api/_", "other")
    assert series.rps.tolist() == [[3, 0, 0], [1, 0, 1], [0, 0, 1]]
    assert series.repairs == ()


def test_a_line_counts_when_its_request_began(tmp_path: Path) -> None:
    took = ',"request_time":"2.500"'
    series = read(tmp_path, jsonl(T + 3.25, more=took) + jsonl(T + 1.5, more=took))
    assert (series.start, demand(series)) == (T - 1, [1, 1])
    assert series.caveats == ()


def test_lines_without_their_duration_are_said(tmp_path: Path) -> None:
    series = read(tmp_path, jsonl(T) + jsonl(T, more=',"request_time":"0.1"'))
    assert series.caveats[0].startswith("1 of 2 lines have no request_time and count in the second")


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_compressed_logs_are_known_by_content(tmp_path: Path, pack) -> None:
    series = read(tmp_path, pack(combined(T) * 2) + pack(combined(T + 1)), combined(T + 2))
    assert demand(series) == [2, 1, 1]


def test_standard_input_is_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(gzip.compress(combined(T)))))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert demand(read_access_logs(["-"], RouteTable([]), NOW)) == [1]


def test_bad_lines_are_counted_and_shown(tmp_path: Path) -> None:
    series = read(tmp_path, combined(T) + b"?\n\n" + combined(T + 1) + b"!\n" * 9 + jsonl(T + 1))
    assert demand(series) == [1, 2]
    (doubt,) = series.doubts
    lost = "10 of 13 lines (76.9%) left out: 10 lines in no known format; the first: "
    assert doubt.startswith(f"{lost}{tmp_path}/log.0:2: neither")
    assert "log.0:5" not in doubt  # It says the same.


@pytest.mark.parametrize(("bad", "said"), [(1, "repairs"), (2, "warnings"), (6, "doubts")])
def test_a_loss_is_said_louder_the_greater_it_is(tmp_path: Path, bad: int, said: str) -> None:
    series = read(tmp_path, combined(T) * (100 - bad) + b"bad\n" * bad)
    texts = {name: getattr(series, name) for name in ("repairs", "warnings", "doubts")}
    assert [name for name, lines in texts.items() if lines] == [said]
    assert texts[said][0].startswith(f"{bad} of 100 lines ({bad}.0%) left out")


def test_lines_about_no_request_are_no_loss(tmp_path: Path) -> None:
    silent = combined(T).replace(b"GET /watch/7?q=1 HTTP/1.1", b"-").replace(b"200 5", b"400 0")
    error = b"2023/11/14 22:13:20 [error] 7#7: *1 open() failed\n"
    series = read(tmp_path, combined(T) + silent * 3 + error)
    assert (demand(series), series.doubts, series.warnings) == ([1], (), ())
    assert series.repairs == (
        "3 lines without an HTTP request, 1 lines of an error log or of a frame: no traffic is"
        " lost with them",
    )


@pytest.mark.parametrize("make", [combined, jsonl])
@pytest.mark.parametrize("cut", range(1, 60))
def test_a_log_rotated_in_the_middle_of_a_line_loses_none(tmp_path: Path, make, cut: int) -> None:
    lines = make(T) + make(T + 1) + make(T + 2)
    cut += len(make(T))
    older, newer = lines[:cut], lines[cut:]
    for order in ((older, newer), (newer, older)):
        series = read(tmp_path, *order)
        assert demand(series) == [1, 1, 1]
        # A half with everything that counts is read as a line; the other half is a bad line.
        if cut < 2 * len(make(T)) - 1:
            assert len(series.repairs) + len(series.doubts) == 1
        if 14 < cut - len(make(T)) < 40:
            assert series.repairs == ("1 lines that a rotation cut in two were joined",)


def test_lines_out_of_order_count_in_their_seconds(tmp_path: Path) -> None:
    series = read(tmp_path, combined(T + 2) + combined(T), combined(T + 1) + combined(T))
    assert demand(series) == [2, 1, 1]


def test_offsets_that_change_shift_nothing(tmp_path: Path) -> None:
    moments = [time.strftime("%d/%b/%Y:%H:%M:%S", time.gmtime(T + h * 3600)) for h in (0, 1, 9)]
    zones = ("+0000", "+0100", "+0900")
    line = '192.0.2.1 - - [{} {}] "GET / HTTP/1.1" 200 5\n'
    lines = "".join(line.format(*pair) for pair in zip(moments, zones, strict=True))
    assert demand(read(tmp_path, lines.encode())) == [3]


def test_a_line_with_a_known_id_counts_once(tmp_path: Path) -> None:
    identity = ',"request_id":"' + "a" * 32 + '"'
    series = read(tmp_path, jsonl(T, more=identity) * 2 + jsonl(T))
    assert demand(series) == [2]
    assert series.repairs == (
        "1 lines with the id of an earlier line: no traffic is lost with them",
    )


def test_the_same_log_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"log\.1: begins exactly as .*log\.0 does"):
        read(tmp_path, combined(T), gzip.compress(combined(T)))


def test_silence_is_zero_and_a_missing_log_a_gap(tmp_path: Path) -> None:
    series = read(tmp_path, combined(T) + combined(T + 100), combined(T + 150), combined(T + 300))
    found = series.demand("*")
    assert found[[0, 100, 150, 300]].tolist() == [1, 1, 1, 1]
    assert found[1:100].tolist() == [0] * 99
    assert found[101:150].tolist() == [0] * 49
    assert np.isnan(found[151:300]).all()


def test_lines_of_the_future_are_left_out(tmp_path: Path) -> None:
    series = read(tmp_path, combined(T) + combined(int(NOW) + 3600))
    assert demand(series) == [1]
    assert series.repairs == ("1 lines of the future left out (whose clock is off?)",)
    with pytest.raises(Refused, match="wholly in the future"):
        read(tmp_path, combined(int(NOW) + 3600))


def test_one_line_of_another_century_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="Was a clock wrong"):
        read(tmp_path, combined(0) + combined(T))


@pytest.mark.parametrize("content", [b"", b"\n", b"nothing\n"])
def test_a_log_without_a_request_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Refused, match="holds no request.*Expected an access log"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    "content",
    [gzip.compress(combined(T))[:-9], zstandard.compress(combined(T))[:-9]],
    ids=["gzip", "zstd"],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    with pytest.raises((InputError, Refused), match=r"log\.0"):
        read(tmp_path, content)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: no such file"):
        read_access_logs([str(tmp_path / "none")], RouteTable([]), NOW)


@pytest.mark.parametrize("size", [1, 7, 60, 61, 200])
def test_blocks_of_any_size_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", size)
    lines = b"".join(combined(T + number % 3) for number in range(9)) + b"bad\n" + jsonl(T)
    assert demand(read(tmp_path, lines)) == [4, 3, 3]


def test_a_line_without_end_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1 << 18)
    endless = b"x" * (3 << 20)
    series = read(tmp_path, combined(T) + endless + b"\n" + combined(T + 1))
    assert demand(series) == [1, 1]
    assert "1 of 3 lines (33.3%) left out: 1 lines that are too long" in series.doubts[0]


def test_entries_are_handed_over_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "_ENTRIES", 1)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 200)
    assert demand(read(tmp_path, (combined(T) + combined(T + 1)) * 9)) == [9, 9]


def test_any_number_of_processes_counts_the_same(tmp_path: Path) -> None:
    names = []
    for number in range(3):
        (tmp_path / f"log.{number}").write_bytes(
            combined(T + number) * 9 + b"bad\n" + jsonl(T + 9, more=f',"n":{number}')
        )
        names.append(str(tmp_path / f"log.{number}"))
    one, two = (
        read_access_logs(names, RouteTable(ROUTES), NOW, workers=Workers(jobs)) for jobs in (1, 2)
    )
    assert demand(two) == demand(one) == [9, 9, 9, 0, 0, 0, 0, 0, 0, 3]
    assert (two.doubts, two.caveats) == (one.doubts, one.caveats)
    (tmp_path / "log.2").unlink()
    with pytest.raises(InputError, match=r"log\.2: no such file"):
        read_access_logs(names, RouteTable(ROUTES), NOW, workers=Workers(2))

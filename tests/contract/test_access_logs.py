"""`mirror import` and `estimate --from-access-log` read the same requests from one log."""

import json
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from estimator.series.access_log.total import read_access_logs
from estimator.series.rps import RpsSeries
from mirror.capture.access_log import LogImport
from mirror.capture.sorter import Sorter
from mirror.formats.access_log import blocks, tally
from mirror.formats.access_log.line_reader import LineReader
from mirror.formats.capture.record import decode, encode_header
from mirror.formats.routes import RouteTable

T = 1_700_000_000
COMBINED = '10.0.0.1 - - [{}] "{}" 200 5 "-" "curl"'
ROUTES = RouteTable(["/watch/{id}", "/watch/a", "/api/*"])


def as_json(**keys: object) -> str:
    return json.dumps({"time": T, "method": "GET", "uri": "/watch/7", "host": "h"} | keys)


LINES = [
    COMBINED.format("15/Nov/2023:07:13:20 +0900", "GET /watch/7?x=1 HTTP/1.1"),
    COMBINED.format("14/Nov/2023:22:13:21 +0000", r"POST /watch/\x61 HTTP/2.0"),
    COMBINED.format("14/Nov/2023:22:13:22 +0000", "GET /none HTTP/1.0"),
    COMBINED.format("14/Nov/2023:22:13:22 +0000", "-"),
    COMBINED.format("14/Foo/2023:22:13:22 +0000", "GET / HTTP/1.1"),
    "not a log",
    "",
    as_json(),
    as_json(request_time="2.250", time=T + 3.5),
    as_json(request_time="long"),
    as_json(time="2023-11-14T22:13:20"),
    as_json(time="2023-11-14T22:13:20Z"),
    as_json(request_id="a" * 32),
    as_json(request_id="a" * 32),
    as_json(id="7") * 2,
    as_json(uri="-", request="GET /api/\u3042 HTTP/1.1"),
    as_json(uri=7),
    as_json(uri="/watch/7/8"),
    '{"time":1700000000.5,"method":"GET","host":"h","u":"/watch/\udcff"}',
]


WRAPPED = [
    "Dec  7 11:05:07 web1 nginx: {}",
    "<190>1 2024-12-07T11:05:07.003Z web1 nginx 7 - - {}",
    "2024-12-07T11:05:07.123456789Z stdout F {}",
    "web_nginx.1.k2jx@node-1    | {}",
]


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_both_read_the_same_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(tally, "SHOWN_LINES", 100)
    path = tmp_path / "access.log"
    path.write_bytes("\n".join(LINES).encode("utf-8", "surrogateescape") + b"\n")
    log = LogImport(str(path), LineReader(), "h", None)

    imported = counts_of(log, path)
    series = read_access_logs([str(path)], ROUTES, T + 3600)

    assert counts_in(series) == imported
    assert imported.total() == 10
    assert series.doubts == (f"{log.tally.loss()}. The traffic of these lines is missing",)
    assert series.repairs == (log.tally.other_lines() + "",)
    assert (log.tally.lost.total(), log.tally.others.total()) == (6, 2)


@pytest.mark.parametrize("wrapper", WRAPPED)
def test_both_read_the_same_requests_in_a_wrapper(tmp_path: Path, wrapper: str) -> None:
    path = tmp_path / "access.log"
    lines = (LINES[:2] * 50 + [LINES[6]]) * 3
    path.write_text("".join(wrapper.format(line) + "\n" for line in lines if line))
    imported = counts_of(LogImport(str(path), LineReader(), "h", None), path)
    series = read_access_logs([str(path)], ROUTES, T + 3600)
    assert counts_in(series) == imported
    assert (imported.total(), series.doubts) == (300, ())


def counts_of(log: LogImport, path: Path) -> Counter[tuple[int, str]]:
    counts: Counter[tuple[int, str]] = Counter()
    with path.open("rb") as stream, closing(Sorter(None)) as sorter:
        log.read(stream, sorter)
        lines = b"".join(chunk for _, _, chunk in sorter.lines()).splitlines(keepends=True)
    for record in decode([encode_header(), *lines], "capture"):
        counts[int(record.time_s), ROUTES.match(record.target.encode("latin-1"))] += 1
    return counts


def counts_in(series: RpsSeries) -> dict[tuple[int, str], float]:
    return {
        (series.start + second, route): number
        for route, row in zip(series.routes, series.rps.tolist(), strict=True)
        for second, number in enumerate(row)
        if number
    }

"""`mirror import` and `estimate --from-access-log` read the same requests from one log."""

import json
from collections import Counter
from pathlib import Path

import pytest

from estimator.series import access_log
from estimator.series.access_log import read_access_logs
from mirror.capture.access_log import read_log
from mirror.capture.entries import Entry
from mirror.formats.access_log import KnownIds
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


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_both_read_the_same_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(access_log, "_BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(access_log, "SHOWN_LINES", 100)
    path = tmp_path / "access.log"
    path.write_bytes("\n".join(LINES).encode("utf-8", "surrogateescape") + b"\n")
    imported: Counter[tuple[int, str]] = Counter()
    reasons = []
    with path.open("rb") as stream:
        for item in read_log(stream, "h", KnownIds()):
            if isinstance(item, Entry):
                tag = ROUTES.match(item.record.target.encode("latin-1"))
                imported[int(item.record.time_s), tag] += 1
            else:
                reasons.append(f"{path}:{item}")

    series = read_access_logs([str(path)], ROUTES, T + 3600)

    counted = {
        (series.start + second, route): number
        for route, row in zip(series.routes, series.rps.tolist(), strict=True)
        for second, number in enumerate(row)
        if number
    }
    assert counted == imported
    assert sum(counted.values()) == 10
    repeats = [reason for reason in reasons if "earlier line" in reason]
    left_out = "; ".join(reason for reason in reasons if reason not in repeats)
    assert series.repairs == (
        f"7 of 18 lines left out, the first: {left_out}",
        "1 lines have the id of an earlier line and were left out",
    )
    assert len(repeats) == 1

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from estimator.errors import InputError, Refused
from estimator.series import columns, limits
from estimator.series.files import read_series
from estimator.series.rps import RpsSeries

NOW = 1_800_000_000.0
T = 1_700_000_000
CSV = f"""second,route,requests
{T},/api/_,7
{T},other,1
{T + 1},other,0
{T + 3},/api/_,4
"""


def read(tmp_path: Path, text: str) -> RpsSeries:
    path = tmp_path / "any.name"
    path.write_text(text)
    return read_series(path, NOW)


def wrong(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    return [str(problem).removeprefix(str(tmp_path)) for problem in caught.value.problems]


def test_csv_is_known_by_its_content(tmp_path: Path) -> None:
    series = read(tmp_path, CSV)
    assert (series.start, series.resolution_s, series.routes) == (T, 1, ("/api/_", "other"))
    assert series.demand("*")[[0, 1, 3]].tolist() == [8, 0, 4]
    assert np.isnan(series.demand("*")[2])
    assert series.repairs == ()


def test_parquet_holds_the_same(tmp_path: Path) -> None:
    text = read(tmp_path, CSV)
    path = tmp_path / "series.csv"  # a misleading name
    pd.read_csv(tmp_path / "any.name").to_parquet(path)
    found = read_series(path, NOW)
    assert (found.start, found.routes) == (text.start, text.routes)
    np.testing.assert_array_equal(found.rps, text.rps)


def test_times_with_any_offset_are_one_instant(tmp_path: Path) -> None:
    rows = "time,rps\n2023-11-15T07:13:20+09:00,5\n2023-11-14T22:14:20Z,6\n"
    series = read(tmp_path, rows)
    assert (series.start, series.resolution_s) == (T // 60 * 60, 60)
    assert series.routes == ("other",)
    assert series.rps[0].tolist() == [5, 6]


def test_parquet_timestamps_with_a_zone_are_read(tmp_path: Path) -> None:
    times = pd.to_datetime([T, T + 1], unit="s", utc=True).tz_convert("Asia/Tokyo")
    pd.DataFrame({"time": times, "rps": [1.5, 2]}).to_parquet(tmp_path / "p")
    series = read_series(tmp_path / "p", NOW)
    assert (series.start, series.rps[0].tolist()) == (T, [1.5, 2])


def test_requests_are_divided_by_their_interval(tmp_path: Path) -> None:
    series = read(tmp_path, f"second,requests\n{T},600\n{T + 60},1200\n{T + 120},60\n")
    assert series.rps[0].tolist() == [10, 20, 1]


def test_rows_three_seconds_apart_are_not_a_third_of_their_requests(tmp_path: Path) -> None:
    # Rows of the seconds with a request: mostly three apart, and sometimes less.
    seconds = [T, T + 3, T + 6, T + 9, T + 10, T + 13, T + 16]
    text = "second,requests\n" + "".join(f"{second},90\n" for second in seconds)
    series = read(tmp_path, text)
    assert (series.resolution_s, series.peak(["*"]).rps) == (1, 90)
    (problem,) = wrong(tmp_path, f"second,requests\n{T},90\n{T + 3},90\n{T + 6},90\n")
    assert "rows are 3 s apart, which no tool counts over" in problem
    assert read(tmp_path, f"second,rps\n{T},90\n{T + 3},90\n").peak(["*"]).rps == 90


def test_a_time_without_its_zone_is_refused(tmp_path: Path) -> None:
    (problem,) = wrong(tmp_path, "time,rps\n2023-11-14T22:13:20,5\n")
    assert problem == (
        "/any.name:line 2: time: expected a time with its offset from UTC such as"
        " 2026-03-01T10:00:00Z, got '2023-11-14T22:13:20'"
    )
    naive = pd.DataFrame({"time": pd.to_datetime([T], unit="s"), "rps": [1]})
    naive.to_parquet(tmp_path / "p")
    with pytest.raises(InputError, match="row 1: time: expected a time with its offset"):
        read_series(tmp_path / "p", NOW)


def test_every_bad_cell_is_named(tmp_path: Path) -> None:
    text = f"second,route,rps\n{T},a,1\n{T}000,a,1\n,a,2\n{T + 1},a,many\n"
    assert wrong(tmp_path, text) == [
        f"/any.name:line 3: second: expected Unix seconds, got '{T}000'",
        "/any.name:line 4: second: expected Unix seconds, got 'nan'",
        "/any.name:line 5: rps: expected a number, got 'many'",
    ]


def test_many_bad_cells_are_counted(tmp_path: Path) -> None:
    problems = wrong(tmp_path, "second,rps\n" + "x,1\n" * 30)
    assert len(problems) == 21
    assert problems[-1] == "/any.name: second: and 10 more such cells"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a,b\n1,2\n", "expected one of the columns second and time, got a, b"),
        ("second,time,rps\n", "expected one of the columns second and time, got second, time, rps"),
        ("second,route\n", "expected one of the columns requests and rps, got second, route"),
        ("second,rps\n1,2,3,4\n5,6\n7,8,9,9,9,9\n", "cannot be read: "),
        ("PAR1 and nothing more", "cannot be read: "),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, rule: str) -> None:
    assert rule in wrong(tmp_path, text)[0]


def test_repairs_are_counted(tmp_path: Path) -> None:
    rows = [
        (T + 1, 5),
        (T, 4),
        (T, 3),
        (T + 2, "NaN"),
        (T + 3, ""),
        (T + 4, -2),
        (9_000_000_000, 1),
    ]
    series = read(tmp_path, "second,rps\n" + "".join(f"{s},{v}\n" for s, v in rows))
    assert series.rps[0].tolist() == [4, 5]
    assert [repair.split(" left")[0].split(":")[0] for repair in series.repairs] == [
        "2 of 7 points without a number (NaN, infinite or null)",
        "1 of 7 points that no rate of requests has (below 0, or 1e12 and more)",
        "1 of 7 points of the future (whose clock is off?)",
        "1 of 3 points repeat a bucket of their route",
        "1 of 3 points were out of order and were sorted",
    ]


def test_nothing_usable_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no point that can be used; 1 of 1 points without a number"):
        read(tmp_path, f"second,rps\n{T},nan\n")
    with pytest.raises(Refused, match="no point that can be used"):
        read(tmp_path, "second,rps\n")


@pytest.mark.parametrize("name", ["series.csv.gz", "series"])
def test_a_packed_csv_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(CSV.encode()))
    assert read_series(tmp_path / name, NOW).routes == ("/api/_", "other")
    # And a name does not pack a file.
    (tmp_path / "plain.csv.gz").write_text(CSV)
    assert read_series(tmp_path / "plain.csv.gz", NOW).routes == ("/api/_", "other")


def test_pieces_are_one_series_and_keep_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read(tmp_path, CSV)
    monkeypatch.setattr(columns, "PIECE_ROWS", 1)
    np.testing.assert_array_equal(read(tmp_path, CSV).rps, whole.rps)
    frame = pd.read_csv(tmp_path / "any.name")
    frame.to_parquet(tmp_path / "parquet")
    np.testing.assert_array_equal(read_series(tmp_path / "parquet", NOW).rps, whole.rps)
    assert wrong(tmp_path, CSV + "x,/a,1\n")[0].startswith("/any.name:line 6: second: expected")


@pytest.mark.parametrize(
    ("limit", "value", "rule"),
    [
        ("MAX_UNPACKED_BYTES", 50, "has more than 74 bytes unpacked, which is the limit"),
        ("MAX_HEADER_BYTES", 10, "its header has more than 10 bytes, the limit"),
        ("most_rows", lambda _: 3, "it has more than 3 rows, the limit for its size"),
        ("MAX_ROUTES", 1, "it has more than 1 routes, the limit"),
    ],
)
def test_limits_of_a_csv_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: object, rule: str
) -> None:
    path = tmp_path / "series.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode(), mtime=0))
    monkeypatch.setattr(columns, limit, value)
    with pytest.raises(InputError) as refused:
        read_series(path, NOW)
    size = path.stat().st_size
    assert rule.replace("74", str(size)) in str(refused.value)


def test_limits_of_parquet_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pd.DataFrame({"second": [T], "rps": [1]}).to_parquet(tmp_path / "p")
    for limit, value, rule in (
        ("most_rows", lambda _: 0, "it has 1 rows, more than 0, the limit for its size"),
        ("MAX_UNPACKED_BYTES", 9, "bytes, more than 9, the limit"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(columns, limit, value)
            with pytest.raises(InputError, match=rule):
                read_series(tmp_path / "p", NOW)


def test_no_route_is_invented(tmp_path: Path) -> None:
    frame = pd.DataFrame({"second": [T, T], "route": ["/a", "/b"], "rps": [1, 2]})
    frame.to_parquet(tmp_path / "p")
    assert read_series(tmp_path / "p", NOW).routes == ("/a", "/b")
    assert read(tmp_path, frame.to_csv(index=False)).routes == ("/a", "/b")
    frame.loc[0, "route"] = None
    frame.to_parquet(tmp_path / "p")
    assert read_series(tmp_path / "p", NOW).routes == ("/b", "other")
    assert read(tmp_path, frame.to_csv(index=False)).routes == ("/b", "other")


def test_few_points_far_apart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="more than the limit for its points and its size, which is"
    ):
        read(tmp_path, f"second,rps\n{T},1\n{T + 1},1\n{T + 3_000_001},1\n")


def test_rows_follow_the_size_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"x")
    os.truncate(tmp_path / "small", 1 << 30)  # a sparse file
    assert limits.most_rows(tmp_path / "small") == 1 << 29
    os.truncate(tmp_path / "small", 10)
    assert limits.most_rows(tmp_path / "small") == 5_000_000


def test_cells_follow_the_size_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SMALL_CELLS", 16)
    monkeypatch.setattr(limits, "CELLS_PER_ROW_BYTE", 0)
    with pytest.raises(InputError, match=r"and 8 for all routes together"):
        read(tmp_path, CSV.replace(str(T + 3), str(T + 5)))
    assert read(tmp_path, CSV).routes == ("/api/_", "other")

"""Checks counting one log: what several processes can add up to what one would have counted."""

import pickle
from pathlib import Path

import pytest

from estimator.errors import InputError
from estimator.series.access_log.counts import count_log
from mirror.formats.access_log.line_reader import Reading
from mirror.formats.routes import RouteTable

T = 1_700_000_000
ROUTES = RouteTable(["/watch/{id}"])


def jsonl(second: float, duration: object = "0.100") -> bytes:
    return f'{{"time":{second:.3f},"uri":"/watch/7","request_time":{duration}}}\n'.encode()


def test_counts_of_a_log_are_plain_values(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(jsonl(T + 0.5) * 3 + b"bad\n" + jsonl(T + 9.05))
    found = count_log(str(tmp_path / "a.log"), ROUTES, Reading())
    assert (found.span, found.counted, found.with_begin) == ((T, T + 8), 4, 4)
    ((keys, counts),) = found.parts
    assert dict(zip(keys.tolist(), counts.tolist(), strict=True)) == {T * 2: 3, (T + 8) * 2: 1}
    assert (found.tally.lines, found.tally.lost.total()) == (5, 1)
    assert pickle.loads(pickle.dumps(found)).tally == found.tally


def test_milliseconds_taken_for_seconds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ms.log"
    path.write_bytes(b"".join(jsonl(T + number, "250") for number in range(30)))
    with pytest.raises(InputError, match="--fields duration_ms=request_time reads it as millisec"):
        count_log(str(path), ROUTES, Reading())
    found = count_log(str(path), ROUTES, Reading(fields="duration_ms=request_time"))
    assert found.span == (T - 1, T + 28)
    assert count_log(str(path), ROUTES, Reading(fields="duration=request_time")).span[0] == T - 250


def test_a_second_that_does_not_exist_is_a_lost_line(tmp_path: Path) -> None:
    line = b'192.0.2.1 - - [%b] "GET / HTTP/1.1" 200 5\n'
    good, bad = line % b"14/Nov/2023:22:13:20 +0000", line % b"31/Nov/2023:22:13:20 +0000"
    (tmp_path / "a.log").write_bytes(good + bad + good)
    found = count_log(str(tmp_path / "a.log"), ROUTES, Reading())
    assert (found.counted, found.tally.lines, found.tally.lost.total()) == (2, 3, 1)
    assert found.tally.shown[0].startswith(f"{tmp_path}/a.log:2: time '31/Nov/2023")


def test_a_wrong_log_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: no such file"):
        count_log(str(tmp_path / "none"), ROUTES, Reading())

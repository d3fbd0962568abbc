"""Checks that every line of a log is one request of the observations, or left out with a reason."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.errors import InputError, Refused
from estimator.requests import sums as sums_module
from estimator.requests.access_log import observe_access_logs, read_log
from estimator.requests.asked import Asked
from estimator.requests.observations import Observation, Observations
from estimator.requests.sums import Sums
from estimator.series.access_log.workers import Workers
from mirror.formats.access_log import blocks
from mirror.formats.access_log.line_reader import LineReader, Reading
from mirror.formats.access_log.request import BadLine

T = 1_767_193_199
"""Unix time of 31/Dec/2025:14:59:59 +0000."""


def combined(target: str = "/a", status: str = "200", front: str = "", end: str = "") -> bytes:
    line = f'{front}10.0.0.1 - - [31/Dec/2025:14:59:59 +0000] "GET {target} HTTP/1.1" {status} 12'
    return f'{line} "-" "curl/8"{end}\n'.encode("latin-1")


def jsonl(target: str = "/a", status: object = 200, **more: object) -> bytes:
    line = {"time": T + 0.25, "method": "GET", "host": "a.example", "uri": target}
    return json.dumps({**line, "status": status, **more}).encode() + b"\n"


def observe(tmp_path: Path, log: bytes, reading: Reading | None = None) -> Observations:
    path = tmp_path / "access.log"
    path.write_bytes(log)
    return observe_access_logs([str(path)], Asked(), reading)


def counts(observations: Observations) -> dict[str, int]:
    return {item.request.target: item.count for item in observations.items}


def only(observations: Observations) -> Observation:
    (item,) = observations.items
    return item


def test_a_line_says_all_that_it_holds(tmp_path: Path) -> None:
    item = only(observe(tmp_path, combined("/a?b=1", front="www.example.com:443 ")))
    assert (item.request.authority, item.request.method) == ("www.example.com", "GET")
    assert item.request.target == "/a?b=1"
    assert item.request.headers is None
    assert (item.count, item.first_s, item.last_s, item.statuses) == (1, T, T, {200: 1})


def test_equal_requests_are_added_up_with_their_statuses(tmp_path: Path) -> None:
    log = combined("/a") * 3 + combined("/a", "404") + combined("/b", "301") + jsonl("/a")
    found = observe(tmp_path, log)
    assert [(item.request.authority, item.count) for item in found.items] == [
        ("", 4),
        ("a.example", 1),
        ("", 1),
    ]
    assert found.items[0].statuses == {200: 3, 404: 1}
    assert (found.count, found.seconds) == (6, (T, T + 0.25))
    assert (found.left_out, found.doubts) == ({}, ())
    assert found.source == f"access log {tmp_path}/access.log"


def test_the_bytes_of_a_target_are_those_of_the_request(tmp_path: Path) -> None:
    # nginx writes quotes and bytes above 127 as \\xHH.
    found = observe(tmp_path, combined("/\\x22\\xC3\\xA4") + combined("/\\xE4") + combined("/%E4"))
    assert set(counts(found)) == {'/"ä', "/\udce4", "/%E4"}


def test_a_repeated_id_counts_once(tmp_path: Path) -> None:
    same = jsonl(id="0123456789abcdef0123456789abcdef")
    found = observe(tmp_path, same + same + jsonl("/b") + same)
    assert counts(found) == {"/a": 1, "/b": 1}
    assert found.left_out == {"lines with the id of an earlier line": 2}
    assert found.doubts == ()


def test_lines_without_a_request_are_no_loss(tmp_path: Path) -> None:
    none = b'10.0.0.1 - - [31/Dec/2025:14:59:59 +0000] "-" 400 0 "-" "-"\n'
    found = observe(tmp_path, combined() + none)
    assert found.left_out == {"lines without an HTTP request": 1}
    assert (found.count, found.doubts) == (1, ())


@pytest.mark.parametrize(("good", "where"), [(200, "note"), (50, "note"), (10, "doubt")])
def test_lost_lines_are_said_and_many_are_a_doubt(tmp_path: Path, good: int, where: str) -> None:
    found = observe(tmp_path, combined() * good + b"neither of both\n")
    assert found.left_out == {"lines in no known format": 1}
    assert found.count == good
    assert len(found.doubts) == (where == "doubt")
    said = found.doubts if where == "doubt" else found.notes
    assert f"1 of {good + 1} lines" in said[0]
    assert f"access.log:{good + 1}:" in said[0]


def test_a_file_without_a_request_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="holds no request"):
        observe(tmp_path, b"neither\n")


def test_a_missing_file_and_a_log_given_twice_are_named(tmp_path: Path) -> None:
    (tmp_path / "b.log").write_bytes(combined())
    observe(tmp_path, combined())
    with pytest.raises(InputError, match="the same log twice would count twice"):
        observe_access_logs([str(tmp_path / "access.log"), str(tmp_path / "b.log")], Asked())
    with pytest.raises(InputError, match=r"none\.log: no such file"):
        observe_access_logs([str(tmp_path / "none.log")], Asked())


def test_options_say_how_lines_are_read(tmp_path: Path) -> None:
    log = b'{"at":"2025-12-31T15:00","verb":"GET","u":"/a","code":404}\n'
    fields = Reading(fields="time=at,method=verb,target=u,status=code", zone="UTC")
    item = only(observe(tmp_path, log, fields))
    assert (item.request.method, item.statuses, item.first_s) == ("GET", {404: 1}, T + 1)


def test_what_is_no_host_is_no_authority(tmp_path: Path) -> None:
    names = ("_", "*.example.com", "~^www")
    lines = [jsonl(f"/{number}", host=None, server_name=name) for number, name in enumerate(names)]
    found = observe(tmp_path, b"".join(lines) + b"odd\n" * 9)
    assert [item.request.authority for item in found.items] == ["", "", ""]
    assert [item.request.authority for item in observe(tmp_path, lines[0]).items] == [""]


def test_logged_headers_are_known_where_rules_ask_for_them(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(combined() + combined().replace(b"curl", b"wget") + jsonl())
    asked = Asked(frozenset({"user-agent", "x"}))
    found = [item.request for item in observe_access_logs([str(path)], asked).items]
    agents = {(request.headers or {}).get("user-agent"): request for request in found}
    assert agents.keys() == {"curl/8", "wget/8", None}
    assert agents["curl/8"].unknown_headers == {"x"}
    assert agents[None].unknown_headers == {"user-agent", "x"}
    others = observe_access_logs([str(path)], Asked(frozenset({"x"})))
    assert [item.request.headers for item in others.items] == [None, None]


INGRESS = " 489 0.250 [default-web-80] []"
LINES = st.sampled_from(
    [
        combined(),
        combined("/b?x=1", "404"),
        combined("/\\x22"),
        combined("/c", "000"),
        combined("/c", front="www.example.com:443 "),
        combined("/c", front="app:8080 "),
        combined("/d", end=' "www.example.com"'),
        combined("/d", front="bad ", end=' "b.example"'),
        combined("/e", end=f"{INGRESS} 10.1.1.1:80 33 0.249 200 {'0a' * 16}"),
        combined("/e", end=f"{INGRESS} 10.1.1.1:80, 10.1.1.2:80 0, 3 0, 1 502, 200 {'0a' * 16}"),
        combined("/e", front="a.example ", end=f"{INGRESS} - - - - {'0a' * 16}"),
        combined("/e", end=f"{INGRESS} 10.1.1.1:80 33 0.249 200 b.example"),
        combined("http://c.example/f"),
        combined("*"),
        combined().replace(b"31/Dec", b"99/Dec"),
        combined().replace(b"GET", b"get"),
        b"\n",
        b"neither\n",
        jsonl(),
        jsonl("/ä\x7f", "000"),
        jsonl("https://d.example/g", 301, id="0123456789abcdef0123456789abcdef"),
        jsonl("/h", 301, id="0123456789abcdef0123456789abcdef", method=None),
        b'{"request": {"uri": "/i", "method": "GET"}, "ts": 5, "status": 200}\n',
        b'{"log": "%b"}\n' % combined("/j").strip().replace(b'"', b'\\"'),
    ]
)


@given(st.lists(LINES, max_size=12), st.sampled_from([b"", b"Dec 31 15:00:00 web-1 nginx: "]))
def test_blocks_say_what_single_lines_say(tmp_path_factory, lines, wrapper) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.log"
    path.write_bytes(b"".join(wrapper + line if line.strip() else line for line in lines))
    found = read_log((str(path), Asked(), Reading()))
    reader, sums, ids, lost = LineReader(), Sums(), set(), 0
    for line in path.read_bytes().split(b"\n"):
        try:
            request = reader.read(line)
        except BadLine:
            lost += bool(line.strip())
            continue
        if request.request_id in ids:
            lost += 1
            continue
        ids |= {request.request_id} - {""}
        key = (request.host, request.method, request.target, None)
        sums.sum_of(key).add(request.time_s, request.status)
    shown = [
        {key: (each.count, each.first_s, each.last_s, each.statuses) for key, each in part.all()}
        for part in (found.sums, sums)
    ]
    assert shown[0] == shown[1]
    assert found.tally.lost.total() + found.tally.others.total() == lost
    assert found.tally.lines == found.sums.count + lost


def test_memory_stays_bounded_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums_module, "MOST_TARGETS", 3)
    monkeypatch.setattr(sums_module, "MOST_SHAPES", 2)
    targets = [f"/item/{number}" for number in range(9)] + ["/x"]
    further = [jsonl("/y", host=f"{name}.example") for name in "bc"]
    found = observe(tmp_path, b"".join([*map(combined, targets), *further]))
    assert counts(found) == {"/item/3": 6, "/item/0": 1, "/item/1": 1, "/item/2": 1, "/x": 1}
    assert [item.is_sample for item in found.items] == [True, False, False, False, False]
    (beyond,) = found.left_out.values()
    assert beyond == 2
    assert found.count + beyond == 12
    assert "7 requests to about 7 different targets" in found.notes[0]
    assert found.doubts[0].startswith("2 of 12 requests (16.7%) are beyond")


def test_any_number_of_processes_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 256)
    names = []
    for number in range(2):
        path = tmp_path / f"{number}.log"
        path.write_bytes(combined(f"/{number}") * 9 + b"bad\n" + jsonl("/c"))
        names.append(str(path))
    one, two = (observe_access_logs(names, Asked(), workers=Workers(jobs)) for jobs in (1, 2))
    assert one == two
    assert counts(one) == {"/0": 9, "/1": 9, "/c": 2}

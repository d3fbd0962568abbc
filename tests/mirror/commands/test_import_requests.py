"""Checks that `mirror import` turns logs and recordings into a capture."""

import gzip
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from mirror.demo.app import start_app
from mirror.demo.nginx import proxy_site, start_nginx
from mirror.demo.processes import Processes, fetch, find_program, free_ports
from mirror.formats.access_log.request import MAX_LINE_BYTES
from mirror.formats.capture.reader import read_records
from mirror.formats.capture.record import Record

COMBINED = (
    b'10.0.0.1 - - [31/Dec/2025:23:59:59 +0900] "GET /watch/7?x=1 HTTP/1.1" 200 512 '
    b'"https://example.com/a" "Mozilla/5.0 (X11)"'
)
NEW_YEAR_S = 1767193199.0
"""The time above in Unix seconds (14:59:59 UTC)."""

DEPLOYED = (
    b'{"id":"8f","time":"1767193199.250","status":"200","method":"GET","host":"a.example",'
    b'"uri":"/a?b","upstream_s":"0.004","upstream":"127.0.0.1:3000"}'
)


def run(
    *arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "mirror", "import", *map(str, arguments)],
        capture_output=True,
        input=stdin,
        timeout=60,
        cwd=cwd,
    )


def records_in(path: Path) -> list[Record]:
    return list(read_records(path))


def json_line(**keys: object) -> bytes:
    line = {"time": 5.5, "method": "GET", "uri": "/", "host": "a.example"} | keys
    return json.dumps({key: value for key, value in line.items() if value is not None}).encode()


def test_logs_are_merged_in_time_order(tmp_path: Path) -> None:
    (tmp_path / "new.log").write_bytes(json_line(time=9.5, uri="/3") + b"\n")
    with gzip.open(tmp_path / "old.log.gz", "wb") as old:
        old.write(json_line(time=7.5, uri="/1") + b"\n" + json_line(time=8.5, uri="/2") + b"\n")
    output = tmp_path / "requests.jsonl"
    done = run(
        *(tmp_path / "new.log", tmp_path / "old.log.gz", "-", "-o", output),
        stdin=json_line(time=10.5, uri="/4"),
    )
    assert done.returncode == 0, done.stderr
    assert [record.target for record in records_in(output)] == ["/1", "/2", "/3", "/4"]
    assert b"4 requests over 3.0 s from 1970-01-01T00:00:07+00:00 (GET 4)" in done.stderr


@pytest.mark.parametrize(
    ("bad", "code", "said"),
    [(1, 0, b"1 of 200"), (2, 0, b"WARNING: 2 of"), (11, 3, b"WARNING: 11")],
)
def test_lines_left_out_are_counted_and_said_first(
    tmp_path: Path, bad: int, code: int, said: bytes
) -> None:
    log, output = tmp_path / "access.log", tmp_path / "requests.jsonl"
    lines = 180 if bad == 2 else 200
    log.write_bytes(b"\n".join([b"x"] * bad + [COMBINED] * (lines - bad)))
    done = run(log, "-o", output, "--host", "a.example")
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert (
        f"left out: {bad} lines in no known format; the first: {log}:1: neit".encode()
        in done.stderr
    )
    assert len(records_in(output)) == lines - bad


def test_log_in_an_unknown_format_says_what_a_line_holds(tmp_path: Path) -> None:
    log, output = tmp_path / "app.log", tmp_path / "requests.jsonl"
    log.write_bytes(b"2026-03-01 INFO GET /watch/7\n" * 5)
    done = run(log, "-o", output, "--host", "a.example")
    assert done.returncode == 2
    assert done.stderr.count(b"neither") == 1
    assert b'a line of text holds [time] "request" status, and a JSON log may' in done.stderr
    assert not output.exists()
    log.write_bytes(COMBINED)
    done = run(log, "-o", output)
    assert b"give --host" in done.stderr and b"--fields" not in done.stderr


def test_overlong_line_takes_no_memory(tmp_path: Path) -> None:
    log, output = tmp_path / "access.log", tmp_path / "requests.jsonl"
    log.write_bytes(b"x" * (3 * MAX_LINE_BYTES) + b"\n" + (DEPLOYED + b"\n") * 50)
    done = run(log, "-o", output)
    assert done.returncode == 0 and b"1 of 51 lines" in done.stderr
    assert b":1: longer than" in done.stderr


def test_a_line_is_explained(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(DEPLOYED + b"\nDec  7 11:05:07 web nginx: " + COMBINED + b"\nno\x1b[31m\n")
    done = run("--explain-line", f"{log}:2")
    assert done.returncode == 0
    assert b"target:     /watch/7?x=1\n" in done.stdout and b"wrapped:    1 times" in done.stdout
    done = run("--explain-line", f"{log}:3")
    assert done.returncode == 2 and b"left out:   in no known format" in done.stdout
    done = run("--explain-line", f"{log}:4")
    assert done.returncode == 2 and b"has no line 4" in done.stderr
    for place in (str(log), f"{log}:0", ":1"):
        assert b"expected FILE:N" in run("--explain-line", place).stderr


def test_logs_in_other_forms_take_options(tmp_path: Path) -> None:
    log, output = tmp_path / "access.log", tmp_path / "requests.jsonl"
    log.write_bytes(
        b'{"ts":"2025-12-31 23:59:59.250","verb":"PUT","path":"/a","host":"a.example"}\n'
    )
    assert b"has no offset from UTC: give --time-zone" in run(log, "-o", output).stderr
    done = run(log, "-o", output, "--fields", "method=verb", "--time-zone", "+09:00")
    assert done.returncode == 0, done.stderr
    (record,) = records_in(output)
    assert (record.time_s, record.method) == (NEW_YEAR_S + 0.25, "PUT")
    assert run(log, "-o", output, "--format-of", "alb").returncode == 2
    assert b"expected MEANING=KEY" in run(log, "-o", output, "--fields", "x=y").stderr
    assert b"expected UTC" in run(log, "-o", output, "--time-zone", "x").stderr


def test_durations_in_milliseconds_are_refused(tmp_path: Path) -> None:
    log, output = tmp_path / "access.log", tmp_path / "requests.jsonl"
    log.write_bytes(b"\n".join(json_line(time=500.5 + n, request_time=250) for n in range(30)))
    done = run(log, "-o", output)
    assert done.returncode == 2 and b"--fields duration_ms=request_time" in done.stderr
    assert not output.exists()
    done = run(log, "-o", output, "--fields", "duration_ms=request_time")
    assert done.returncode == 0, done.stderr
    assert records_in(output)[0].time_s == 500.25
    assert run(log, "-o", output, "--fields", "duration=request_time").returncode == 0


@pytest.mark.parametrize("content", [b"", b"x\n", COMBINED])
def test_nothing_usable_writes_nothing(tmp_path: Path, content: bytes) -> None:
    log, output = tmp_path / "access.log", tmp_path / "requests.jsonl"
    log.write_bytes(content)
    done = run(log, "-o", output)
    assert done.returncode == 2
    assert b"no line is a request" in done.stderr
    assert os.listdir(tmp_path) == ["access.log"]


def test_bad_files_are_2_and_named(tmp_path: Path) -> None:
    good, cut = tmp_path / "good.log", tmp_path / "cut.log.gz"
    good.write_bytes(DEPLOYED)
    cut.write_bytes(gzip.compress(DEPLOYED * 1000)[:-20])
    output = tmp_path / "requests.jsonl"
    output.write_bytes(b"before")
    for bad, why in (
        (tmp_path / "none.log", "no such file"),
        (tmp_path, "is no regular file"),
        (cut, "cannot be read: Compressed file ended"),
    ):
        done = run(good, bad, "-o", output)
        assert done.returncode == 2 and f"{bad}: {why}".encode() in done.stderr
    assert output.read_bytes() == b"before"
    done = run(good, "-o", tmp_path / "missing" / "requests.jsonl")
    assert done.returncode == 2 and b"cannot be written" in done.stderr
    done = run(good, "-o", tmp_path)
    assert done.returncode == 2 and b"cannot be written" in done.stderr
    assert sorted(os.listdir(tmp_path)) == sorted([good.name, cut.name, output.name])


def test_bad_host_is_2(tmp_path: Path) -> None:
    done = run("-", "-o", tmp_path / "x", "--host", "a b", stdin=COMBINED)
    assert done.returncode == 2 and b"expected a host name" in done.stderr


def test_help_has_examples() -> None:
    assert b"mirror import access.log access.log.1" in run("--help").stdout


@pytest.mark.topology
def test_log_of_a_real_nginx(tmp_path: Path) -> None:
    nginx = find_program("nginx")
    if nginx is None:
        pytest.skip("needs nginx")
    app_port, port = free_ports(2)
    targets = ["/watch/1", "/api/a%20b?q=%22x%22", '/static/"quoted"\\', "/api/\u00e9"]
    with Processes(tmp_path) as processes:
        start_app(processes, "app", app_port)
        site = proxy_site(port, app_port) + f"\naccess_log {tmp_path}/combined.log;\n"
        site += f"access_log {tmp_path}/json.log mirror_json;\n"
        running = start_nginx(processes, tmp_path / "nginx", nginx, site=site, port=port)
        for target in targets:
            fetch_raw(port, target.encode("latin-1"))
        assert fetch(port, "/watch/2") is not None
        assert running.child.stop() == 0
    for name, host in [("json.log", None), ("combined.log", "a.example")]:
        output = tmp_path / f"{name}.jsonl"
        done = run(tmp_path / name, "-o", output, *(["--host", host] if host else []))
        assert done.returncode == 0, done.stderr
        assert [record.target for record in records_in(output)] == [*targets, "/watch/2"]


def fetch_raw(port: int, target: bytes) -> None:
    """Fetch a target that http.client would refuse and nginx accepts."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: a.example\r\n")
        connection.sendall(b"Connection: close\r\n\r\n")
        while connection.recv(65536):
            pass


HAR = {
    "log": {
        "version": "1.2",
        "entries": [
            {
                "startedDateTime": "2025-12-31T15:00:00.125Z",
                "request": {
                    "method": "GET",
                    "url": "https://a.example/har?token=S3CRET",
                    "headers": [{"name": "Cookie", "value": "S3CRET"}],
                },
            }
        ],
    }
}
GOR = (
    "1 8f 1767193201000000000 0\nGET /gor HTTP/1.1\r\nHost: a\r\n\r\n"
    "\n\U0001f435\U0001f648\U0001f649\n"
)


def test_every_format_is_told_by_its_content(tmp_path: Path) -> None:
    files = {
        "log": DEPLOYED,
        "har.gz": gzip.compress(json.dumps(HAR, indent=2).encode()),
        "gor.zst": zstandard.compress(GOR.encode()),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    output = tmp_path / "out.zst"
    done = run(*(tmp_path / name for name in reversed(files)), "-o", output)
    assert done.returncode == 0, done.stderr
    assert output.read_bytes().startswith(b"\x28\xb5\x2f\xfd")
    assert [record.target for record in records_in(output)] == ["/a?b", "/har", "/gor"]
    assert b"2 secrets removed: query key token 1, header cookie 1" in done.stderr
    run(tmp_path / "har.gz", "-o", output, "--keep-secrets")
    (record,) = records_in(output)
    assert (record.target, record.headers) == ("/har?token=S3CRET", (("Cookie", "S3CRET"),))


def test_what_was_never_sent_and_bodies_not_kept_are_counted(tmp_path: Path) -> None:
    (entry,) = HAR["log"]["entries"]
    post = {"method": "POST", "url": "https://a.example/up?v=" + "1a" * 12, "bodySize": 900}
    entries = [entry | {"_fromCache": "disk"}, entry | {"request": post}]
    (tmp_path / "a.har").write_text(json.dumps({"log": {"entries": entries}}))
    done = run(tmp_path / "a.har", "-o", tmp_path / "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert b"1 entries never went to a server, left out: answered from a cache 1" in done.stderr
    assert b"1 bodies are not in the file as they were sent" in done.stderr
    assert b"look random and may be secrets: query key v 1" in done.stderr


def test_captures_are_packed_in_frames(tmp_path: Path) -> None:
    log, output = tmp_path / "log", tmp_path / "out.zst"
    log.write_bytes(b"\n".join(json_line(time=n + 0.5, uri="/" + "a" * 90) for n in range(9000)))
    assert run(log, "-o", output).returncode == 0
    assert output.read_bytes().count(b"\x28\xb5\x2f\xfd") >= 2
    assert len(records_in(output)) == 9000


PASSWORD = b'{"user":"a","password":"hunter2"}'


def har_with_a_password(path: Path) -> Path:
    request = {
        "method": "POST",
        "url": "http://a.example/login",
        "headers": [{"name": "Content-Type", "value": "application/json"}],
        "postData": {"mimeType": "application/json", "text": PASSWORD.decode()},
    }
    entry = {"startedDateTime": "2025-12-31T15:00:00Z", "request": request}
    path.write_text(json.dumps({"log": {"entries": [entry]}}))
    return path


@pytest.mark.parametrize("option", [None, "--keep-bodies", "--keep-secrets"])
def test_bodies_leave_with_the_secrets_unless_asked_for(tmp_path: Path, option: str | None) -> None:
    output = tmp_path / "requests.jsonl"
    output.write_bytes(b"before")
    output.chmod(0o666)
    source = har_with_a_password(tmp_path / "a.har")
    done = run(source, "-o", output, *([option] if option else []))
    assert done.returncode == 0
    (record,) = records_in(output)
    says = b"1 bodies left out, because they may hold secrets" in done.stderr
    if option is None:
        assert says and b"--keep-bodies" in done.stderr
        assert (record.body, record.body_bytes) == (None, len(PASSWORD))
        assert b"hunter2" not in output.read_bytes()
    else:
        assert not says
        assert record.body == PASSWORD
    assert output.stat().st_mode & 0o777 == 0o600

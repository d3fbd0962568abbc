"""Feeds text that a terminal or rich would obey to every command.

Each command runs as a process, and nothing but printable characters and line ends may come out.
"""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from mirror.demo.processes import free_ports
from mirror.formats.comparison import Example, Log, RouteComparison, to_json
from tests.fakes_admin import admin_port
from tests.mirror.commands.test_series_file import make
from tests.mirror.formats.test_comparison import document

HOSTILE = "a\x1b]0;x\x07[red][/x][link=http://x]\u202e\x9b2J"
SHOWN = r"[red][/x][link=http://x]\u202e\x9b2J"
ROOT = Path(__file__).parents[1]


def write_files(folder: Path) -> None:
    quoted = json.dumps(HOSTILE)
    counts = [(100 + n, "requests", route, "safe", 5) for n in range(60) for route in "ab"]
    series = [
        (second, metric, HOSTILE + route, label, n) for second, metric, route, label, n in counts
    ]
    make(folder / "series.db", series, *range(100, 160))
    (folder / "name.yaml").write_text(f"components: [{{name: {quoted}, {quoted}: 1}}]")
    table = (ROOT / "docs/example/table.yaml").read_text()
    (folder / "table.yaml").write_text(table.replace('["/watch/{id}"]', f"[{quoted}]"))
    (folder / "tool.yaml").write_text(
        table.replace("{replicas: 2,", f"{{tool: {quoted}, replicas: 2,")
    )
    (folder / "yaml.yaml").write_text(f"? [{quoted}]\n: 1")
    (folder / "mirror.yaml").write_text(f"{quoted}: 1\nmode: {quoted}\nshadow: {{url: {quoted}}}")
    (folder / "valid.yaml").write_text(
        f"listen: unix:m.sock\nadmin: '127.0.0.1:{free_ports(1)[0]}'\n"
        "shadow: {url: 'http://127.0.0.1:9'}\nseries: {enabled: false}"
    )
    (folder / "nginx.conf").write_text(
        f"include '{HOSTILE}'; server {{ location '{HOSTILE}' {{ mirror '$a{HOSTILE}'; }} "
        f"location / {{ proxy_pass http://unix:m.sock:; proxy_set_header Host '{HOSTILE}'; }} }}"
    )
    (folder / "k8s").mkdir()
    (folder / "k8s" / "a.yaml").write_text(
        f"kind: Deployment\nmetadata: {{name: {quoted}}}\n---\n"
        f"kind: HorizontalPodAutoscaler\nmetadata: {{name: {quoted}}}\n"
        "spec: {scaleTargetRef: {name: api}, maxReplicas: %s}" % quoted
    )
    header = {"format": "kagami-capture", "version": 1, "begin": 0}
    record = {"t": 1, "method": "GET", "host": "a.example", "target": "/\x9b2J"}
    wrong = {**record, HOSTILE: 1}
    for name, lines in (("good", (header, record)), ("bad", (header, wrong)), ("none", (wrong,))):
        text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
        (folder / f"{name}.capture").write_text(text)
    (folder / "result.json").write_text(json.dumps({"format": "kagami-replay", HOSTILE: HOSTILE}))
    words = {"instance": HOSTILE, "mode": HOSTILE}
    route = RouteComparison(HOSTILE, {HOSTILE: 9}, {HOSTILE: 9}, {HOSTILE: 1}, {9: 9}, {9: 9})
    example = Example(*[HOSTILE] * 5, [HOSTILE], 200, 302, HOSTILE, 9, 1, 2, HOSTILE)
    log = Log(HOSTILE, 9, 9, 0, {HOSTILE: 1}, 1010.0)
    changes = {**words, "routes": [route], "examples": [example], "log": log}
    compared = msgspec.structs.replace(document(), **changes)
    (folder / "comparison.json").write_bytes(to_json(compared))
    (folder / "a.log").write_text(f'1.1.1.1 - - [x] "GET {HOSTILE}"\n{HOSTILE}\n')
    (folder / "b.log").write_text((folder / "a.log").read_text())
    (folder / "a.gor").write_text(
        f"1 a1 1767225600000000000 0\nGET / HTTP/1.1\r\n{HOSTILE}\r\n\r\n"
    )
    entry = {"startedDateTime": HOSTILE, "request": {"method": "GET", "url": "http://a/"}}
    (folder / "a.har").write_text(json.dumps({"log": {"entries": [entry]}}))
    (folder / f"{HOSTILE.replace('/', '')}.yaml").write_text("")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    write_files(folder)
    return folder


ESTIMATE = ("estimator", "--from-series", "series.db", "--table")
ORDER = ("estimator", "order", "--from-series", "series.db")
AUDIT = ("--access-log", "a.log", "--gateway-log", "b.log", "--series", "series.db", "--last", "1m")
SWITCH = ("--from-series", "series.db", "--at", "2026-01-14T10:00Z")
COMMANDS: dict[str, tuple[str, ...]] = {
    "series": ("mirror", "series", "series.db"),
    "series of an unknown route": ("mirror", "series", "series.db", "--route", "x"),
    "inspect": ("mirror", "inspect", "good.capture"),
    "inspect json": ("mirror", "inspect", "good.capture", "--json"),
    "inspect what is damaged": ("mirror", "inspect", "bad.capture"),
    "inspect --salvage": ("mirror", "inspect", "bad.capture", "good.capture", "--salvage"),
    "export": ("mirror", "export", "none.capture", "--vegeta", "http://a:1"),
    "check": ("mirror", "check", "-c", "mirror.yaml"),
    "check yaml": ("mirror", "check", "-c", "yaml.yaml"),
    "check nginx": ("mirror", "check", "-c", "valid.yaml", "--nginx", "nginx.conf"),
    "check nginx json": (
        "mirror",
        "check",
        "-c",
        "valid.yaml",
        "--nginx",
        "nginx.conf",
        "--format",
        "json",
    ),
    "serve": ("mirror", "serve", "-c", "mirror.yaml"),
    "import": ("mirror", "import", "a.log", "a.har", "a.gor", "-o", "o.jsonl"),
    "import har": ("mirror", "import", "a.har", "a.gor", "-o", "o.jsonl"),
    "replay-merge": ("mirror", "replay-merge", "result.json", "result.json"),
    "replay-diff": ("mirror", "replay-diff", "result.json", "result.json"),
    "compare": ("mirror", "compare", "comparison.json"),
    "compare json": ("mirror", "compare", "comparison.json", "--format", "json"),
    "audit": ("mirror", "audit", *AUDIT),
    "audit json": ("mirror", "audit", *AUDIT, "--format", "json"),
    "audit of a name": ("mirror", "audit", "--access-log", HOSTILE),
    "usage": ("mirror", "series", "--last", HOSTILE),
    "name": (*ESTIMATE, "name.yaml"),
    "estimate": (*ESTIMATE, "table.yaml"),
    "estimate in full": (*ESTIMATE, "table.yaml", "--full"),
    "estimate json": (*ESTIMATE, "table.yaml", "--format", "json"),
    "estimate markdown": (*ESTIMATE, "table.yaml", "--format", "markdown"),
    "estimate csv": (*ESTIMATE, "table.yaml", "--format", "csv"),
    "switch plan": ("estimator", "switch-plan", *SWITCH, "--markdown", "runbook.md"),
    "switch plan json": ("estimator", "switch-plan", *SWITCH, "--format", "json"),
    "against": (*ESTIMATE, "table.yaml", "--against", "k8s"),
    "table check": ("estimator", "table", "check", "tool.yaml"),
    "table check yaml": ("estimator", "table", "check", "yaml.yaml"),
    "table import": (
        "estimator",
        "table",
        "import",
        "result.json",
        "-o",
        "t.yaml",
        "--component",
        "a",
    ),
    "a file's name": ("estimator", "table", "check", f"{HOSTILE.replace('/', '')}.yaml"),
    "nodes": (*ESTIMATE, "table.yaml", "--nodes", "name.yaml"),
    "order": (*ORDER, "--route", "/x", "--from-capture", "good.capture"),
    "order of a template": (*ORDER, "--route", HOSTILE, "--app", HOSTILE),
}


def output_of(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "300", "PYTHONUTF8": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, timeout=100, check=False
    )
    assert done.returncode in (0, 1, 2, 3, 4, 5), done.stderr
    output = (done.stdout + done.stderr).decode()
    assert "Traceback" not in output
    return output


def is_safe(output: str) -> bool:
    return all(line.isprintable() for line in output.split("\n"))


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_foreign_is_obeyed(name: str, folder: Path) -> None:
    output = output_of(folder, *COMMANDS[name])
    assert output and is_safe(output), ascii(output)


def test_names_are_shown_whole_and_not_as_markup(folder: Path) -> None:
    assert SHOWN in output_of(folder, *COMMANDS["series"])
    assert SHOWN in output_of(folder, *COMMANDS["against"])


@pytest.fixture
def port() -> Iterator[int]:
    answer = {"ledger": {HOSTILE: HOSTILE}, "workers": [{"id": HOSTILE, "refused": HOSTILE}]}
    body = json.dumps({**answer, "error": HOSTILE, "silence": HOSTILE}, ensure_ascii=False)
    with admin_port(200, body.encode()) as (port, _):
        yield port


@pytest.mark.parametrize("words", [("status",), ("status", "--format", "json")])
def test_an_admin_port_is_not_obeyed(port: int, words: tuple[str, ...], folder: Path) -> None:
    output = output_of(folder, "mirror", *words, "--admin", f"127.0.0.1:{port}")
    assert output and is_safe(output), ascii(output)


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_sidecar_that_a_canary_asks_is_not_obeyed(folder: Path, output: str) -> None:
    answer = {"ledger": {}, "canaries": {"recent": [{"id": HOSTILE}, HOSTILE]}, "shadow": HOSTILE}
    with admin_port(200, json.dumps(answer, ensure_ascii=False).encode()) as (port, _):
        words = (f"http://127.0.0.1:{port}/", "--admin", f"127.0.0.1:{port}", "--wait", "0.1s")
        said = output_of(folder, "mirror", "canary", *words, "--format", output)
    assert said and is_safe(said), ascii(said)


def test_a_refusal_is_not_obeyed(folder: Path) -> None:
    error = json.dumps({"error": HOSTILE}, ensure_ascii=False).encode()
    with admin_port(409, error) as (port, _):
        output = output_of(folder, "mirror", "set", "ratio", "0", "--admin", f"127.0.0.1:{port}")
    assert SHOWN in output and is_safe(output)
    with admin_port(500, error) as (port, _):
        url = f"http://127.0.0.1:{port}"
        output = output_of(folder, "estimator", "--from-prometheus", url, "--table", "table.yaml")
    assert is_safe(output), ascii(output)


def test_a_terminal_gets_colours_of_ours_only(folder: Path) -> None:
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "mirror", "series", "series.db"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "300", "TERM": "xterm"}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=child) as process:
        os.close(child)
        output = b""
        while True:
            try:
                output += os.read(parent, 1 << 16)
            except OSError:  # Linux's end of a terminal
                break
        os.close(parent)
    assert process.returncode == 0
    text = output.decode()
    assert SHOWN in text
    assert "\x1b]" not in text and "\x9b" not in text and "\x07" not in text

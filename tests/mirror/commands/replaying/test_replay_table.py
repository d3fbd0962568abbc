"""Checks the command `mirror replay --sample --table`."""

import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from estimator.table.files import read_table
from estimator.table.load_points import ERROR_RATIO_LIMIT, Resources
from mirror.__main__ import main
from mirror.commands.replaying import replay_table
from mirror.demo.app import start_app
from mirror.demo.processes import Processes, free_ports
from mirror.formats.capture.record import Record, encode, encode_header
from mirror.formats.replay_result import read

# Hides one package of the extra, so that an import of it fails.
WITHOUT_SCIPY = """
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "scipy" else found(name, *more)
"""


def write_list(directory: Path, target: str = "/watch/1") -> Path:
    path = directory / "requests.jsonl"
    records = [Record(float(t), "GET", "www.example.com", target) for t in range(3)]
    path.write_bytes(b"".join([encode_header(), *map(encode, records)]))
    return path


def replay(
    directory: Path, *arguments: str, target: str = "/watch/1", **environment: str
) -> tuple[int, str]:
    """Replay to an app that is sampled as `api/app`; return the exit code and the output."""
    path, (port,) = write_list(directory, target), free_ports(1)
    log = directory / "replay.log"
    log.unlink(missing_ok=True)
    with Processes(directory) as processes:
        app = start_app(processes, "app", port)
        words = [word.replace("PID", str(app.pid)) for word in arguments]
        pace = ["--to", f"http://127.0.0.1:{port}", "--steps", "40,80", "--hold", "1s"]
        # A replay takes over signals and the loop, so it needs its own process.
        command = [sys.executable, "-m", "mirror", "replay", str(path), *pace, *words]
        code = processes.start("replay", command, environment=environment).wait(60)
    return code, log.read_text()


def test_steps_become_rows(tmp_path: Path) -> None:
    table = tmp_path / "table.yaml"
    usage = tmp_path / "usage.csv"
    usage.write_text("time,pod,container,cpu,memory\n1,a,other,1m,1Mi\n")
    arguments = ("--sample", "pid=api/app:PID,api-gateway:PID", "--table", str(table))
    code, printed = replay(tmp_path, *arguments, "--format", "json")
    # On a busy machine the generator may be late, which exit code 3 reports.
    assert code in (0, 3), printed
    for component in read_table(table).components:
        assert component.assumed == ("requests", "routes")
        assert [row.rps_target for row in component.points] == [40, 80]
        (container,) = component.requests
        assert all(row.usage[container].memory_bytes > 2**20 for row in component.points)
    assert [item.name for item in read_table(table).components] == ["api", "api-gateway"]
    (kept,) = tmp_path.glob("table.replay-*.json")
    assert f"result kept in {kept}" in printed
    assert [item.component for item in read(kept).usage] == ["api", "api-gateway"]
    kept.unlink()
    code, printed = replay(tmp_path, "--sample", "pid=api/app:PID", "--table", str(table))
    assert [len(item.points) for item in read_table(table).components] == [4, 2], printed


def test_rows_that_cannot_be_used_are_a_failure(tmp_path: Path) -> None:
    table = tmp_path / "table.yaml"
    arguments = ("--sample", "pid=api/app:PID", "--table", str(table))
    code, printed = replay(tmp_path, *arguments, target="/no/such/page")
    assert code in (1, 3), printed
    assert "no row of this replay can be used: in every step more than 1% of the" in printed
    assert "not answered with 2xx or 3xx (404 120); see --filter" in printed
    (component,) = read_table(table).components
    assert component.used_points == ()


def test_source_that_fails_later_leaves_the_result(tmp_path: Path) -> None:
    table, usage = tmp_path / "table.yaml", tmp_path / "usage.csv"
    # It answers, but has nothing in the time of the steps: of two sources the last one counts.
    usage.write_text("time,component,pod,container,cpu,memory\n1,api,a,app,1m,1Mi\n")
    sources = ("--sample", "pid=api/app:PID", "--sample", f"csv={usage}")
    code, printed = replay(tmp_path, *sources, "--table", str(table), "--route", "/a/*")
    assert code in (1, 3), printed
    (kept,) = tmp_path.glob("table.replay-*.json")
    assert "no samples of it in its time" in printed
    again = f"estimate table import {kept} -o {table} --samples csv={usage} --route '/a/*'"
    assert f"no rows were written to {table}; to try again: {again}" in printed
    assert not table.exists()


def test_what_is_stated_of_the_component_is_written(tmp_path: Path) -> None:
    table = tmp_path / "table.yaml"
    stated = ("--request", "app=500m,256Mi", "--route", "/{n}")
    code, printed = replay(tmp_path, "--sample", "pid=api/app:PID", "--table", str(table), *stated)
    assert code in (0, 3), printed
    (component,) = read_table(table).components
    assert component.requests == {"app": Resources(500, 256 * 2**20)}
    assert (component.templates, component.assumed) == (("/{n}",), ())


def test_processes_need_no_table(tmp_path: Path) -> None:
    code, printed = replay(tmp_path, "--sample", "pid=api/app:PID", "--format", "json")
    assert code in (0, 3), printed
    (usage,) = json.loads(printed[printed.index("{") :])["usage"]
    assert (usage["component"], usage["container"]) == ("api", "app")
    assert len(usage["readings"]) >= 3


def test_missing_extra_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_SCIPY)
    arguments = ("--sample", "pid=api:PID", "--table", str(tmp_path / "table.yaml"))
    code, printed = replay(tmp_path, *arguments, PYTHONPATH=str(tmp_path))
    assert code == 2
    assert "--table runs `estimate` (kagami[estimate]): estimate: not installed: scipy" in printed
    assert not list(tmp_path.glob("table*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--table", "t.yaml"], "--table FILE needs --sample SOURCE"),
        (["--sample", "csv=x"], "--sample csv=x needs --table FILE"),
        (["--sample", "top=1", "--table", "t.yaml"], "expected pid, csv"),
        (["--sample", "csv=x", "--table", "none/t.yaml"], "there is no directory none"),
        (["--sample", "csv=x", "--table", "requests.jsonl"], "is not YAML"),
        (["--sample", "csv=none.csv", "--table", "t.yaml"], "none.csv: no such file"),
        (
            ["--sample", "prometheus=http://127.0.0.1:1,api", "--table", "t.yaml"],
            "http://127.0.0.1:1",
        ),
        (["--request", "app=1,1Mi"], "--request and --route describe a component of --table"),
        (
            ["--sample", f"pid=api:{os.getpid()}", "--table", "t.yaml", "--request", "app=fast"],
            "--request: ",
        ),
        (
            ["--sample", f"pid=a:{os.getpid()},b:{os.getpid()}", "--table", "t.yaml"]
            + ["--route", "/a"],
            "--request: component a, b: describes one component, as --kind and --route do",
        ),
        (["--sample", "datadog=api", "--table", "t.yaml"], "needs DD_API_KEY and DD_APP_KEY"),
        (["--sample", "pid=api:999999999"], "process 999999999 (api/api) cannot be read"),
        (
            ["--sample", "csv=x", "--table", "t.yaml", "--shard", "0/2"],
            "--table needs the rate of the whole schedule: not with --shard.",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    path = write_list(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DD_API_KEY", raising=False)
    command = ["replay", str(path), "--to", "http://127.0.0.1:1", "--rate", "1", *arguments]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 2
    assert message in done.output
    assert os.listdir(tmp_path) == [path.name]


def test_a_row_that_fails_here_fails_in_the_estimate() -> None:
    assert replay_table.FAILING_RATIO == ERROR_RATIO_LIMIT

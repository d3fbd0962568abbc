"""`mirror replay --sample --table` as a person meets it."""

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from estimator.table.files import read_table
from mirror.__main__ import main
from mirror.commands.replay_table import steps_of
from mirror.core.record import Record, encode, encode_header
from mirror.demo.app import start_app
from mirror.demo.processes import Processes, free_ports
from mirror.formats import replay_result as results


def write_list(directory: Path) -> Path:
    path = directory / "requests.jsonl"
    records = [Record(float(t), "GET", "www.example.com", f"/{t}") for t in range(3)]
    path.write_bytes(b"".join([encode_header(), *map(encode, records)]))
    return path


def test_steps_become_rows(tmp_path: Path) -> None:
    path, table, (port,) = write_list(tmp_path), tmp_path / "table.yaml", free_ports(1)
    with Processes(tmp_path) as processes:
        app = start_app(processes, "app", port)
        command = ["replay", str(path), "--to", f"http://127.0.0.1:{port}", "--steps", "40,80"]
        command += ["--hold", "1s", "--sample", f"pid=api/app:{app.pid}"]
        command += ["--sample", f"csv={tmp_path}/none.csv", "--table", str(table)]
        # A process of its own: a replay takes over the signals and the loop.
        child = processes.start(
            "replay", [sys.executable, "-m", "mirror", *command, "--format", "json"]
        )
        # 3 says that its generator had to wait, on a machine that is busy.
        assert child.wait(30) in (0, 3)
    said = (tmp_path / "replay.log").read_text()
    assert "table: step of 40 rps: " in said
    assert "No such file" in said
    (component,) = read_table(table).components
    assert (component.name, list(component.requests)) == ("api", ["app"])
    assert [row.rps_target for row in component.points] == [40, 80]
    assert all(row.usage["app"].memory_bytes > 2**20 for row in component.points)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--table", "t.yaml"], "--sample SOURCE and --table FILE go together"),
        (["--sample", "csv=x"], "--sample SOURCE and --table FILE go together"),
        (["--sample", "top=1", "--table", "t.yaml"], "expected pid, csv"),
        (["--sample", "csv=x", "--table", "none/t.yaml"], "there is no directory none"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    path = write_list(tmp_path)
    monkeypatch.chdir(tmp_path)
    command = ["replay", str(path), "--to", "http://127.0.0.1:1", "--rate", "1", *arguments]
    found = CliRunner().invoke(main, command)
    assert found.exit_code == 2
    assert message in found.output
    assert os.listdir(tmp_path) == [path.name]


def test_latency_of_a_late_generator_is_left_out(tmp_path: Path) -> None:
    nothing = results.Percentiles(1.0, 2.0, 3.0, 4.0, 5.0)
    histograms = results.Histograms("", "", "")

    def step(is_valid: bool, steady_from: float | None) -> results.StepResult:
        return results.StepResult(
            is_valid=is_valid,
            invalid_reason=None,
            window_s=10.0,
            due=200,
            late=0,
            shed={"waiting_full": 10},
            sent=190,
            outcomes={"2xx": 100, "3xx": 50, "4xx": 40},
            answered=190,
            offered_rps=20.0,
            achieved_rps=19.0,
            from_intended_ms=nothing,
            from_send_ms=nothing,
            schedule_lag_ms=nothing,
            histograms=histograms,
            rate_rps=None,
            steady_from=steady_from,
            generator_cpu_ratio=0.1,
        )

    whole = results.ReplayResult(
        format=results.FORMAT,
        version=1,
        to="",
        schedule="",
        shard=None,
        rate_rps=None,
        speed=1.0,
        lag_limit_ms=10.0,
        is_interrupted=False,
        elapsed_s=30.0,
        skipped={},
        filtered=0,
        steps=[step(True, 100.0), step(False, 110.0), step(True, None)],
        saturation=None,
        **{name: getattr(step(True, None), name) for name in results.PartResult.__struct_fields__},
    )
    good, late = steps_of(whole)
    assert (good.rps_target, good.rps, good.p99_ms, tuple(good.window)) == (20, 19, 3, (100, 110))
    assert good.error_ratio == pytest.approx(0.25)
    assert (late.p50_ms, late.p99_ms) == (None, None)

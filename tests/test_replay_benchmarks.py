"""Checks how the benchmarks of replay, capture and import read their measurements."""

import gzip
import re
import sys
from pathlib import Path

import pytest

from benchmarks.macro import capture_cost, import_speed, replay_schedule, replay_speed
from benchmarks.macro.replaying import Loaded, cpu_us_per_request
from mirror.demo.app import start_app
from mirror.demo.processes import Processes, free_ports
from tests.mirror.commands.replaying.test_replay_table import write_list

LAGS = {"p50": 0.1, "p90": 0.2, "p99": 0.3, "p99_9": 0.4, "max": 0.5}
STEP = {
    "is_valid": True,
    "offered_rps": 1000.0,
    "achieved_rps": 999.96,
    "generator_cpu_ratio": 0.05,
    "schedule_lag_ms": LAGS,
}


@pytest.mark.parametrize(
    ("peer", "said", "requests"),
    [
        (replay_speed.wrk, "  75 requests in 1.00s, 1.2MB read", 75),
        (replay_speed.ab, "Complete requests:      75\nFailed requests:        0", 75),
        (replay_speed.hey, "Status code distribution:\n  [200]\t75 responses", 75),
    ],
)
def test_peers_are_read(peer, said: str, requests: int) -> None:
    command, pattern = peer("http://127.0.0.1:1/", 1, 8)
    assert command[-1] == "http://127.0.0.1:1/"
    found = re.search(pattern, said)
    assert found is not None
    assert int(found[1]) == requests


def test_rate_of_hey_is_that_of_all_its_workers() -> None:
    command, _ = replay_speed.hey("x", 1, 8, 4000)
    assert command[command.index("-q") + 1] == "500"


def test_peers_cpu_is_the_kernels_account() -> None:
    burning = "import time\nwhile time.process_time() < 0.3: pass\nprint('done 100')"
    row = replay_speed.measure_peer([sys.executable, "-S", "-c", burning], r"done (\d+)", 2)
    assert row["rps"] == 50
    assert row["cpu_us_per_request"] >= 0.3e6 / 100 - 200  # CPU time is accounted in steps of 10 ms


def test_generators_cpu_is_spread_over_its_requests() -> None:
    assert cpu_us_per_request(STEP) == pytest.approx(50)
    row = replay_schedule.row_of(STEP)
    assert (row["rps"], row["lag_p99_ms"], row["lag_max_ms"]) == (1000.0, 0.3, 0.5)


def test_recording_adds_the_median_difference() -> None:
    def one(off_us: float, on_us: float) -> dict[str, dict[str, float]]:
        return {
            capture_cost.OFF: {"cpu_us_per_request": off_us},
            capture_cost.ON: {"cpu_us_per_request": on_us},
        }

    medians = capture_cost.summarise([one(10, 15), one(40, 43), one(20, 40)])
    assert medians[capture_cost.ON]["added_us_per_request"] == 5


def test_counter_of_records_is_summed_over_labels() -> None:
    page = b'# TYPE x\nmirror_capture_records_total{route="/a"} 3\nmirror_capture_records_total 4\n'
    assert [int(count) for count in capture_cost.RECORDED.findall(page)] == [3, 4]


def test_written_log_can_be_imported(tmp_path: Path) -> None:
    import_speed.write_log(tmp_path / "shorter.log.gz", 5000)
    with gzip.open(tmp_path / "shorter.log.gz", "rt") as file:
        lines = file.readlines()
    assert 5000 <= sum(map(len, lines)) < 5500
    mirror = [sys.executable, "-m", "mirror", "import", tmp_path / "shorter.log.gz"]
    import_speed.run([*mirror, "-o", tmp_path / "out", "--host", "www.example.com"])
    assert (tmp_path / "out").stat().st_size > 0


def test_failed_command_is_no_measurement() -> None:
    with pytest.raises(SystemExit, match="ended with 7"):
        import_speed.run(["sh", "-c", "exit 7"])


def test_replay_is_run_and_read(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with Processes(tmp_path) as processes:
        start_app(processes, "app", port)
        app = Loaded(f"http://127.0.0.1:{port}", write_list(tmp_path), 4)
        first, second = app.replay((50, 100), 0.5)
    assert (first["rate_rps"], second["rate_rps"]) == (50, 100)
    assert replay_schedule.row_of(second)["cpu_us_per_request"] > 0

"""The speed of `mirror import` on access logs, and whether its memory stays constant.

The benchmark makes a log in the combined format, one that is ten times as long, and one each in the
JSON of deploy/nginx/log-format.conf and of Istio, all compressed like a rotated log. Each is
imported by its own process; then `mirror replay` starts to send the longer capture. Megabytes are
those of the uncompressed log, seconds cover the whole process, and the peak is its resident memory.
The lower bound is `zcat LOG | wc -l`, which any reader of the log has to exceed. The import runs in
one process, so megabytes per cpu second are those of one core, whatever else the machine does.

Run: python -m benchmarks.macro.import_speed [--rounds 3] [--megabytes 50]
"""

import argparse
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import result

LONGER = 10
START_S = 1_767_225_600
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0"
REPLAY_S = 5

LineOf = Callable[[float, str, int], str]


def combined_line(time_s: float, target: str, number: int) -> str:
    at = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(time_s))
    return f'10.0.0.7 - - [{at}] "GET {target} HTTP/1.1" 200 5120 "-" "{AGENT}"\n'


def json_line(time_s: float, target: str, number: int) -> str:
    return (
        f'{{"id":"{number:032x}","time":"{time_s:.3f}","status":"200","method":"GET",'
        f'"host":"www.example.com","uri":"{target}","upstream_s":"0.012",'
        '"upstream":"10.0.0.9:8080"}\n'
    )


def istio_line(time_s: float, target: str, number: int) -> str:
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time_s)) + f".{number % 1000:03}Z"
    entry = {
        **{"authority": "www.example.com", "bytes_received": 0, "bytes_sent": 5120},
        **{"connection_termination_details": None, "downstream_local_address": "10.1.2.3:8080"},
        **{"downstream_remote_address": "10.0.0.7:51234", "duration": 12, "method": "GET"},
        **{"path": target, "protocol": "HTTP/1.1", "request_id": f"{number:036}"},
        **{"response_code": 200, "response_code_details": "via_upstream", "response_flags": "-"},
        **{"route_name": "default", "start_time": at, "upstream_cluster": "inbound|8080||"},
        **{"upstream_host": "10.1.2.3:8080", "upstream_service_time": "11", "user_agent": AGENT},
    }
    return json.dumps(entry, separators=(",", ":")) + "\n"


LINES = {
    "shorter": combined_line,
    "longer": combined_line,
    "JSON": json_line,
    "Istio's JSON": istio_line,
}


def write_log(path: Path, size_bytes: int, line_of: LineOf = combined_line) -> None:
    """Write a compressed log of at least this many bytes, with 500 requests per second."""
    dice = random.Random(3)
    written, number = 0, 0
    with gzip.open(path, "wt", compresslevel=1) as file:
        while written < size_bytes:
            target = f"/watch/{dice.randrange(100_000)}?from=feed&page={dice.randrange(50)}"
            written += file.write(line_of(START_S + number / 500, target, number))
            number += 1


def run(command: Sequence[str | Path], codes: tuple[int, ...] = (0,)) -> tuple[float, float, float]:
    """Run a command; return its elapsed seconds, CPU seconds and peak memory in MiB."""
    began = time.perf_counter()
    with subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        output = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in codes:
        sys.exit(f"{command[:5]} ended with {process.returncode}: {output.decode()[-500:]}")
    return time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def row_of(measured: tuple[float, float, float], megabytes: float) -> result.Row:
    elapsed_s, cpu_s, peak_mebibytes = measured
    return {
        "megabytes_per_s": round(megabytes / elapsed_s, 2),
        "cpu_s": round(cpu_s, 2),
        "megabytes_per_cpu_s": round(megabytes / cpu_s, 2),
        "peak_mebibytes": round(peak_mebibytes, 1),
    }


def one_round(logs: dict[str, Path], megabytes: float) -> result.Round:
    found: result.Round = {}
    mirror = [sys.executable, "-m", "mirror"]
    for name, path in logs.items():
        size = megabytes * (LONGER if name == "longer" else 1)
        floor = ["sh", "-c", 'zcat "$0" | wc -l', path]
        found[f"floor, {name}"] = row_of(run(floor), size)
        captured = path.with_suffix(".jsonl")
        command = [*mirror, "import", path, "-o", captured, "--host", "www.example.com"]
        found[f"import, {name}"] = row_of(run(command), size)
    # Nothing listens there, because only the memory of reading is measured.
    longer = logs["longer"].with_suffix(".jsonl")
    replay = [*mirror, "replay", longer, "--to", "http://127.0.0.1:1", "--rate", "2000"]
    measured = run([*replay, "--duration", f"{REPLAY_S}s"], codes=(0, 3))
    found["replay, longer"] = {"peak_mebibytes": round(measured[2], 1)}
    return found


def table(found: dict[str, Any]) -> str:
    lines = ["| | MB per CPU s | CPU s | peak MiB |", "|---|---:|---:|---:|"]
    for name, row in found["medians"].items():
        speed, cpu = (
            f"{row[key]:,.1f}" if key in row else "" for key in ("megabytes_per_cpu_s", "cpu_s")
        )
        lines.append(f"| {name} | {speed} | {cpu} | {row['peak_mebibytes']:.0f} |")
    size = found["parameters"]["megabytes"]
    lines += ["", f"Each log is {size:g} MB, the longer one {LONGER * size:g} MB."]
    return "\n".join(lines)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=float, default=50.0, help="of the shorter log")


def main() -> None:
    options = result.options_of(__doc__, "import_speed", add_options)
    with tempfile.TemporaryDirectory(prefix="kagami-") as name:
        logs = {log: Path(name) / f"{place}.log.gz" for place, log in enumerate(LINES)}
        for log, path in logs.items():
            times = LONGER if log == "longer" else 1
            write_log(path, int(options.megabytes * 1e6 * times), LINES[log])
        rounds = []
        for number in range(options.rounds):
            rounds.append(one_round(logs, options.megabytes))
            print(f"round {number + 1} {rounds[-1]}", flush=True)
    written = result.write(options, rounds, result.medians_of(rounds))
    print(table(written))


if __name__ == "__main__":
    main()

"""Measures the samples of this folder again, with real load tools and a real nginx on loopback.

    .venv/bin/python -m tests.load_tool_samples.make wrk hey locust ladder

Names after the module choose the samples. `--locust` names the program of Locust, which is no
dependency of this project. Each run lasts seconds. The nginx has one worker and compresses a page
for every response, so one core is full at a few hundred requests per second. A rerun writes files
of the same form with other numbers; the tests state the numbers of the files in this folder.
"""

import argparse
import csv
import os
import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from mirror.demo.processes import Processes, answers, find_program, free_ports

FOLDER = Path(__file__).parent
RUNG_S = 8
RUNGS = [
    *((25, 16), (50, 16), (100, 16), (150, 32), (200, 32), (250, 32), (300, 32)),
    # One connection waits for each response before the next request, so it cannot reach 400 rps.
    (400, 1),
    *((600, 32), (700, 32), (800, 32), (1000, 32), (1300, 32)),
]
"""Target rate in requests per second, and connections of the generator."""
# With this header set explicitly, hey does not decompress responses, so the generator costs little.
COMPRESSED = ["-H", "Accept-Encoding: gzip"]
NGINX = """
worker_processes 1;
pid {directory}/pid;
error_log stderr;
events {{ worker_connections 512; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    gzip on;
    gzip_comp_level 9;
    gzip_types text/plain;
    default_type text/plain;
    limit_req_zone $server_addr zone=few:1m rate=30r/s;
    limit_req_status 503;
    {temp_paths}
    server {{
        listen 127.0.0.1:{port};
        root {directory};
        location /limited {{ limit_req zone=few burst=4 nodelay; try_files /page =404; }}
    }}
}}
"""


def start_nginx(processes: Processes, directory: Path) -> tuple[str, psutil.Process]:
    """Return the URL of a started nginx, and its worker."""
    directory.chmod(0o755)
    dice = random.Random(1)
    words = ["".join(dice.choices("abcdefghijklmnop", k=dice.randint(2, 9))) for _ in range(900)]
    (directory / "page").write_text(" ".join(dice.choices(words, k=15_000)))
    (port,) = free_ports(1)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temp_paths = "".join(f"{kind}_temp_path {directory}/{kind};" for kind in kinds)
    path = directory / "nginx.conf"
    path.write_text(NGINX.format(directory=directory, port=port, temp_paths=temp_paths))
    program = find_program("nginx") or "nginx"
    child = processes.start("nginx", [program, "-e", "stderr", "-g", "daemon off;", "-c", path])
    child.wait_until(lambda: answers(port, "/page"))
    (worker,) = psutil.Process(child.pid).children()
    return f"http://127.0.0.1:{port}", worker


def said(*command: str | Path) -> str:
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout


def make_wrk(url: str) -> None:
    limits = ["--latency", "-t", "1", *COMPRESSED]
    (FOLDER / "wrk.txt").write_text(said("wrk", *limits, "-c", "16", "-d", "6s", f"{url}/page"))
    limited = said("wrk", *limits, "-c", "4", "-d", "2s", f"{url}/limited")
    (FOLDER / "wrk_limited.txt").write_text(limited)


def make_hey(url: str) -> None:
    steady = ["-n", "200", "-c", "4", "-q", "12.5"]  # per connection
    (FOLDER / "hey.csv").write_text(said("hey", *steady, "-o", "csv", f"{url}/page"))
    limited = said("hey", *steady, "-o", "csv", f"{url}/limited")
    (FOLDER / "hey_limited.csv").write_text(limited)
    (FOLDER / "hey_summary.txt").write_text(said("hey", *steady, f"{url}/page"))


def make_locust(url: str, program: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        subprocess.run(
            [program, "-f", FOLDER / "locustfile.py", "--headless", "--host", url, "-u", "20"]
            + ["-r", "10", "-t", "20s", "--csv", f"{name}/x", "--csv-full-history"],
            check=False,  # the exit code is 1, because some requests fail
            timeout=60,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        for kind in ("stats", "stats_history"):
            text = Path(f"{name}/x_{kind}.csv").read_text()
            (FOLDER / f"locust_{kind}.csv").write_text(text)


def make_ladder(url: str, worker: psutil.Process) -> None:
    with (FOLDER / "nginx_ladder.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(
            ["target_rps", "achieved_rps", "cpu_millicores", "rss_mib", "p50_ms", "p99_ms"]
            + ["non200", "connections"]
        )
        for target, connections in RUNGS:
            row = rung(url, worker, target, connections)
            print(*row)
            table.writerow(row)


def rung(url: str, worker: psutil.Process, target: int, connections: int) -> list[float]:
    rate = f"{target / connections:.4f}"
    before, start = sum(worker.cpu_times()[:2]), time.monotonic()
    text = said(
        *("hey", "-z", f"{RUNG_S}s", "-c", str(connections), "-q", rate, "-o", "csv"),
        *(*COMPRESSED, f"{url}/page"),
    )
    elapsed_s = time.monotonic() - start
    used_s = sum(worker.cpu_times()[:2]) - before
    rows = list(csv.DictReader(text.splitlines()))
    latencies = [1000 * float(row["response-time"]) for row in rows]
    percentiles = statistics.quantiles(latencies, n=100)
    return [
        target,
        round(len(rows) / elapsed_s, 1),
        round(1000 * used_s / elapsed_s, 1),
        round(worker.memory_info().rss / 2**20, 2),
        round(percentiles[49], 1),
        round(percentiles[98], 1),
        sum(row["status-code"] != "200" for row in rows),
        connections,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("made", nargs="+", choices=["wrk", "hey", "locust", "ladder"])
    parser.add_argument("--locust", type=Path, default=Path("locust"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Processes(Path(name)) as processes:
        url, worker = start_nginx(processes, Path(name))
        if "wrk" in options.made:
            make_wrk(url)
        if "hey" in options.made:
            make_hey(url)
        if "locust" in options.made:
            make_locust(url, options.locust)
        if "ladder" in options.made:
            make_ladder(url, worker)


if __name__ == "__main__":
    main()

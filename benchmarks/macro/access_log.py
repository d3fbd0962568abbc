"""CPU and memory of counting an access log by route and second, compared with goaccess.

The two logs contain synthetic traffic, one in the combined format and one in the JSON format of
deploy/nginx. Each tool reads each log in its own process:

    kagami     estimator.series.access_log.total with two routes
    goaccess   Debian's version, with its complete report as JSON (it extracts more from a line than
               kagami does)

The benchmark prints and writes the CPU seconds for a million lines, including the start of the
process, the peak resident memory, and kagami's CPU as a share of goaccess's. `small` is the same
log with a tenth of the lines: memory is constant if both peaks are equal.

Run: python -m benchmarks.macro.access_log [--lines 1000000] [--rounds 3]
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import result
from mirror.demo.processes import find_program

START = 1_767_225_600
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0"
FORMATS = ("combined", "json")
_READ = (
    "import sys, time; from estimator.series.access_log.total import read_access_logs;"
    " from mirror.formats.routes import RouteTable;"
    " series = read_access_logs(sys.argv[1:], RouteTable(['/watch/{id}', '/api/*']), time.time());"
    " assert not series.repairs, series.repairs; print(int(series.rps.sum()))"
)
_GOACCESS = {
    "combined": ["--log-format=COMBINED"],
    "json": [
        '--log-format={"id":"%^","time":"%x.%^","status":"%s","method":"%m","host":"%h",'
        '"uri":"%U","upstream_s":"%T","upstream":"%^"}',
        "--datetime-format=%s",
    ],
}


def lines(form: str, count: int) -> Iterator[str]:
    """Yield the lines of a log with about a thousand requests per second."""
    dice = random.Random(count)
    now = float(START)
    for number in range(count):
        now += dice.random() / 50
        path = f"/watch/{dice.randrange(100_000)}?n={number}"
        address = f"10.0.{dice.randrange(256)}.{dice.randrange(256)}"
        if form == "json":
            yield (
                f'{{"id":"{dice.randrange(1 << 128):032x}","time":"{now:.3f}","status":"200",'
                f'"method":"GET","host":"{address}","uri":"{path}","upstream_s":"0.012",'
                '"upstream":"127.0.0.1:8080"}\n'
            )
        else:
            moment = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now))
            yield f'{address} - - [{moment}] "GET {path} HTTP/1.1" 200 512 "-" "{AGENT}"\n'


def command(tool: str, form: str, log: Path) -> list[str]:
    if tool == "kagami":
        return [sys.executable, "-c", _READ, str(log)]
    program = find_program("goaccess")
    if program is None:
        raise SystemExit("goaccess is not installed (Debian: apt-get install goaccess)")
    report = log.with_suffix(".report.json")
    return [str(program), str(log), *_GOACCESS[form], "--no-global-config", "-o", str(report)]


def used(arguments: list[str]) -> tuple[float, int]:
    """Run a program; return its CPU seconds and its peak resident memory in bytes."""
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        _, status, spent = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            assert child.stderr is not None
            raise SystemExit(f"{arguments[0]}: {child.stderr.read().decode()[-500:]}")
    return spent.ru_utime + spent.ru_stime, spent.ru_maxrss * 1024


def measured(folder: Path, count: int) -> result.Round:
    """Measure one round over the logs in `folder`."""
    rows: result.Round = {}
    for form in FORMATS:
        for tool in ("kagami", "goaccess"):
            cpu_s, peak_bytes = used(command(tool, form, folder / f"{form}.log"))
            _, small_bytes = used(command(tool, form, folder / f"{form}.small.log"))
            rows[f"{form} {tool}"] = {
                "cpu_s_per_million": cpu_s / count * 1e6,
                "peak_mib": peak_bytes / (1 << 20),
                "peak_small_mib": small_bytes / (1 << 20),
            }
    return rows


def summarise(rounds: list[result.Round]) -> result.Round:
    """Return the medians, with the CPU of each tool divided by that of goaccess."""
    medians = result.medians_of(rounds)
    for row, values in medians.items():
        other = medians[f"{row.split()[0]} goaccess"]
        share = values["cpu_s_per_million"] / other["cpu_s_per_million"]
        values["of_goaccess"] = round(share, 3)
    return medians


def table(found: dict[str, Any]) -> str:
    """Return the table for benchmarks/README.md."""
    medians = found["medians"]
    out = [
        "| log, tool | cpu s per million lines | of goaccess | peak MiB | of a tenth of the log |",
        "|---|---:|---:|---:|---:|",
    ]
    for row, values in medians.items():
        out.append(
            f"| {row} | {values['cpu_s_per_million']:.2f} | {values['of_goaccess']:.2f} |"
            f" {values['peak_mib']:.0f} | {values['peak_small_mib']:.0f} |"
        )
    return "\n".join(out)


def main(argv: list[str] | None = None) -> None:
    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--lines", type=int, default=1_000_000)
        parser.add_argument("--rounds", type=int, default=3)

    options = result.options_of(__doc__, "access_log", add, argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for form in FORMATS:
            for suffix, count in ((".log", options.lines), (".small.log", options.lines // 10)):
                with (folder / f"{form}{suffix}").open("w") as log:
                    log.writelines(lines(form, count))
        rounds = [measured(folder, options.lines) for _ in range(options.rounds)]
    print(json.dumps(result.write(options, rounds, summarise(rounds))["medians"], indent=1))


if __name__ == "__main__":
    main()

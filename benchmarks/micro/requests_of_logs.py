"""MB of access log per cpu second that `estimate coverage` reads into observed requests.

The logs are those of benchmarks.macro.access_log, whose targets are nearly all different: 50,000
of them are kept by themselves and the others added up by their shape. Reading is measured in this
process, without its start.

Run: python -m benchmarks.micro.requests_of_logs [--lines 300000]
"""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.macro.access_log import FORMATS, lines
from estimator.requests.access_log import read_log
from estimator.requests.asked import Asked
from mirror.formats.access_log.line_reader import Reading


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=300_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMATS:
            log = Path(folder, f"{form}.log")
            with log.open("w") as file:
                file.writelines(lines(form, options.lines))
            began = time.process_time()
            found = read_log((str(log), Asked(), Reading()))
            spent_s = time.process_time() - began
            assert found.sums.count == options.lines
            print(f"{form}: {log.stat().st_size / 1e6 / spent_s:.0f} MB per cpu second")


if __name__ == "__main__":
    main()

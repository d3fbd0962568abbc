"""Runs every micro benchmark. Run: python -m benchmarks.micro [--rounds 30]"""

import argparse

from benchmarks import micro, result
from benchmarks.macro.cores import CORE_UNDER_TEST, core
from benchmarks.micro import (
    exchange,
    head_parser,
    head_writer,
    ledger,
    log_join,
    selection,
    uri_counts,
)
from benchmarks.micro.harness import measure


def summarise(rounds: list[result.Round]) -> result.Round:
    """Return the medians and the minima of the rounds."""
    medians = result.medians_of(rounds)
    for name, row in medians.items():
        row["cpu_us_least"] = min(found[name]["cpu_us"] for found in rounds)
    return medians


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=30)


def main() -> None:
    options = result.options_of(__doc__, "micro", add_options)
    cases = {
        **exchange.cases(),
        **head_parser.cases(),
        **head_writer.cases(),
        **selection.cases(),
        **ledger.cases(),
        **uri_counts.cases(),
        **log_join.cases(),
    }
    with core(CORE_UNDER_TEST):
        rounds = measure(cases, options.rounds)
    print(micro.table(result.write(options, rounds, summarise(rounds))))


if __name__ == "__main__":
    main()

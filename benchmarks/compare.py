"""Compares two results of one benchmark: their medians, and whether the rounds agree.

A change counts if the rounds of the two results do not overlap, that is, if the largest of one is
below the smallest of the other. Otherwise it is within the machine's noise and is marked `~`.

Run: python -m benchmarks.compare OLD.json NEW.json
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import result

IDENTICAL_PERCENT = 0.05


def spread(found: dict[str, Any], row: str, metric: str) -> tuple[float, float]:
    """Return the smallest and largest value of the rounds; a derived metric has only its median."""
    values = [measured[row][metric] for measured in found["rounds"] if metric in measured[row]]
    median = found["medians"][row][metric]
    return (min(values), max(values)) if values else (median, median)


def differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each metric that both results have with different values."""
    for row, values in new["medians"].items():
        for metric, now in values.items():
            before = old["medians"].get(row, {}).get(metric)
            if before is None:
                continue
            change = (now / before - 1) * 100 if before else 0.0 if now == before else float("inf")
            if abs(change) < IDENTICAL_PERCENT:
                continue
            low, high = spread(old, row, metric)
            new_low, new_high = spread(new, row, metric)
            is_apart = new_high < low or high < new_low
            yield (
                f"{row:32} {metric:24} {before:>12,.2f} -> {now:>12,.2f} {change:+8.1f} % "
                f"{' ' if is_apart else '~'}  [{low:,.2f} {high:,.2f}] -> "
                f"[{new_low:,.2f} {new_high:,.2f}]"
            )


def unmatched(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Yield the rows that only one result has, and the parameters that differ."""
    for name in sorted(old["medians"].keys() ^ new["medians"].keys()):
        yield f"{name}: only in {'NEW' if name in new['medians'] else 'OLD'}"
    for part in ("parameters", "machine", "versions"):
        for key in sorted(old[part].keys() | new[part].keys()):
            before, now = old[part].get(key), new[part].get(key)
            if before != now:
                yield f"{part}: {key} was {before}, is {now}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    options = parser.parse_args()
    old, new = result.read(options.old), result.read(options.new)
    if old["benchmark"] != new["benchmark"]:
        parser.error(f"{options.old} is of {old['benchmark']}, {options.new} of {new['benchmark']}")
    for line in (*unmatched(old, new), *differences(old, new)):
        print(line)


if __name__ == "__main__":
    main()

"""Single functions of the core, in CPU time; `python -m benchmarks.micro` runs them all.

head_parser   bytes to a checked head: httptools and read_request_head, read_response_head
head_writer   heads to bytes, for each leg
selection     which requests get a shadow, and under which route they count
ledger        counting
"""

from typing import Any


def table(found: dict[str, Any]) -> str:
    lines = ["| function | µs, median | µs, least |", "|---|---:|---:|"]
    lines += [
        f"| {name} | {row['cpu_us']:.2f} | {row['cpu_us_least']:.2f} |"
        for name, row in found["medians"].items()
    ]
    return "\n".join(lines)
